import type { Identity } from './identity.ts';
import { Ids } from './ids.ts';
import type { Interval } from './partition.ts';
import type { PortRange } from './policy.ts';
import { baseOf, POD_CLASS, WORLD_CLASS } from './tables.ts';
import type { Term } from './term.ts';

/** Addresses that fulfil the same terms; of named ports with the same numbers. */
export interface PodClass {
  readonly id: number;
  readonly key: string;
  readonly terms: ReadonlyMap<Term, readonly PortRange[]>;
  /** Addresses and intervals that are of it. */
  users: number;
  /** Its rows are in the tables. */
  settled: boolean;
}

const NO_PORTS: readonly PortRange[] = [];

export class Classes {
  /** By base: even ones and odd ones. */
  readonly #ids = [new Ids(2, 2), new Ids(3, 2)] as const;
  readonly #byKey = new Map<string, PodClass>();
  readonly #byId = new Map<number, PodClass>();
  readonly #changed = new Set<PodClass>();

  get size(): number {
    return this.#byKey.size;
  }

  get(id: number | undefined): PodClass | undefined {
    return id === undefined ? undefined : this.#byId.get(id);
  }

  /** Undefined: fulfils nothing, so that it is of the world's class. */
  hold(identity: Identity | undefined, interval: Interval | undefined): PodClass | undefined {
    const key = `${identity?.termKey ?? ''}/${interval?.termKey ?? ''}`;
    if (key === '/') return undefined;
    let found = this.#byKey.get(key);
    if (found === undefined) {
      const terms = new Map(identity?.terms);
      for (const term of interval?.terms ?? []) terms.set(term, NO_PORTS);
      const base = [...terms.keys()].some(({ universal }) => universal) ? POD_CLASS : WORLD_CLASS;
      found = { id: this.#ids[base].give(), key, terms, users: 0, settled: false };
      this.#byKey.set(key, found);
      this.#byId.set(found.id, found);
      for (const term of terms.keys()) term.classes.add(found);
      this.#changed.add(found);
    }
    found.users++;
    return found;
  }

  release(one: PodClass): void {
    one.users--;
    if (one.users === 0) this.#changed.add(one);
  }

  /** Numbers of classes that are gone may be given again. */
  forgetNumbers(): void {
    for (const ids of this.#ids) ids.settle();
  }

  /** Those that need rows, and those whose rows are to go. */
  settle(): { readonly fresh: readonly PodClass[]; readonly gone: readonly PodClass[] } {
    const fresh: PodClass[] = [];
    const gone: PodClass[] = [];
    for (const one of this.#changed) {
      if (one.users > 0) {
        if (!one.settled) fresh.push(one);
        one.settled = true;
      } else {
        if (one.settled) gone.push(one);
        this.#byKey.delete(one.key);
        this.#byId.delete(one.id);
        for (const term of one.terms.keys()) term.classes.delete(one);
        this.#ids[baseOf(one.id) === POD_CLASS ? 1 : 0].release(one.id);
      }
    }
    this.#changed.clear();
    return { fresh, gone };
  }
}
