import type { PodClass } from './classes.ts';
import type { Ids } from './ids.ts';
import { rulingKey, rulingOf } from './outcome.ts';
import type { Profile } from './profile.ts';
import { type Outcome, rowKey, WORLD_CLASS } from './tables.ts';
import { TrackedMap } from './tracked-map.ts';

interface Counted {
  readonly outcome: Outcome;
  readonly key: string;
  /** Rows that lead to it. */
  users: number;
}

/** What each profile says about each class, and the outcomes that rows share. */
export class Rows {
  readonly rows = new TrackedMap<number, number>();
  readonly outcomes = new TrackedMap<number, Outcome>();
  readonly #ids: Ids;
  readonly #byKey = new Map<string, Counted>();
  readonly #byId = new Map<number, Counted>();

  constructor(ids: Ids) {
    this.#ids = ids;
  }

  /** @param peer undefined: the world's class */
  fill(profile: Profile, peer: PodClass | undefined): void {
    const ruling = rulingOf(profile.matched(peer), profile.isolated);
    const key = rulingKey(ruling);
    const rest = this.rows.view.get(rowKey(profile.id, WORLD_CLASS));
    if (peer !== undefined && this.#byKey.get(key)?.outcome.id === rest) {
      this.clear(profile, peer);
      return;
    }
    let counted = this.#byKey.get(key);
    if (counted === undefined) {
      counted = { outcome: { id: this.#ids.give(), ...ruling }, key, users: 0 };
      this.#byKey.set(key, counted);
      this.#byId.set(counted.outcome.id, counted);
      this.outcomes.set(counted.outcome.id, counted.outcome);
    }
    counted.users++;
    const at = rowKey(profile.id, peer?.id ?? WORLD_CLASS);
    const old = this.rows.view.get(at);
    this.rows.set(at, counted.outcome.id);
    if (old !== undefined) this.#release(old);
  }

  clear(profile: Profile, peer: PodClass | undefined): void {
    const at = rowKey(profile.id, peer?.id ?? WORLD_CLASS);
    const old = this.rows.view.get(at);
    if (old === undefined) return;
    this.rows.delete(at);
    this.#release(old);
  }

  #release(id: number): void {
    const counted = this.#byId.get(id)!;
    counted.users--;
    if (counted.users > 0) return;
    this.#byKey.delete(counted.key);
    this.#byId.delete(id);
    this.outcomes.delete(id);
    this.#ids.release(id);
  }
}
