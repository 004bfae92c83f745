import type { ElementInfo, MapSpec, SetElement, SetSpec, Transaction } from '../../../kernel/nft/index.ts';

const COMMENT = '\0';

/** What a set of the kernel holds, as text: key to value, the value with the element's comment behind it. */
interface Held {
  readonly spec: SetSpec | MapSpec;
  readonly elements: Map<string, string>;
  /** Before the changes under way; undefined: was not there. */
  readonly before: Map<string, string | undefined>;
  /** During a comparison: what was wanted so far. */
  seen: Set<string> | undefined;
}

/**
 * The elements of several sets as the kernel has them, and the changes to them that go into the next transaction.
 * Everything that is wanted is put; only what differs from the kernel becomes an operation.
 */
export class Mirror {
  readonly #sets = new Map<string, Held>();
  /** How many elements lead to each chain. */
  readonly #chains = new Map<string, number>();

  constructor(specs: readonly (SetSpec | MapSpec)[]) {
    for (const spec of specs)
      this.#sets.set(spec.name, { spec, elements: new Map(), before: new Map(), seen: undefined });
  }

  /** The kernel's elements; forgets everything that was known of this set. */
  load(set: SetSpec, elements: readonly ElementInfo[]): void {
    const held = this.#held(set);
    for (const value of held.elements.values()) this.#count(value, -1);
    held.elements.clear();
    held.before.clear();
    for (const { key, data, comment } of elements) {
      const value = textOf(data) + (comment === undefined ? '' : COMMENT + comment);
      held.elements.set(textOf(key), value);
      this.#count(value, 1);
    }
  }

  has(set: SetSpec, key: string): boolean {
    return this.#held(set).elements.has(key);
  }

  /** The value without its comment. */
  get(set: SetSpec, key: string): string | undefined {
    const value = this.#held(set).elements.get(key);
    const end = value?.indexOf(COMMENT) ?? -1;
    return end < 0 ? value : value!.slice(0, end);
  }

  keys(set: SetSpec): IterableIterator<string> {
    return this.#held(set).elements.keys();
  }

  size(set: SetSpec): number {
    return this.#held(set).elements.size;
  }

  /** @param value '' in sets */
  put(set: SetSpec, key: string, value: string, comment?: string): void {
    const held = this.#held(set);
    held.seen?.add(key);
    this.#change(held, key, comment === undefined ? value : value + COMMENT + comment);
  }

  delete(set: SetSpec, key: string): void {
    this.#change(this.#held(set), key, undefined);
  }

  /** From here until {@link sweep} all that is wanted is put. */
  beginSweep(): void {
    for (const held of this.#sets.values()) held.seen = new Set();
  }

  /** Takes away from these sets what was not put since {@link beginSweep}. */
  sweep(sets: Iterable<SetSpec>): void {
    for (const set of sets) {
      const held = this.#held(set);
      for (const key of [...held.elements.keys()])
        if (!held.seen?.has(key)) this.#change(held, key, undefined);
    }
    for (const held of this.#sets.values()) held.seen = undefined;
  }

  /** Chains that elements lead to. */
  chains(): IterableIterator<string> {
    return this.#chains.keys();
  }

  /** Puts the changes into a transaction, removals first, and counts them. */
  write(tx: Transaction): number {
    let changes = 0;
    const added: (() => void)[] = [];
    for (const { spec, elements, before } of this.#sets.values()) {
      const remove: SetElement[] = [];
      const add: SetElement[] = [];
      for (const [key, old] of before) {
        const now = elements.get(key);
        if (old === now) continue;
        changes++;
        if (old !== undefined) remove.push({ key: scalars(key) });
        if (now !== undefined) add.push(elementOf(spec, key, now));
      }
      const { table } = spec;
      tx.deleteElements({ table, set: spec, elements: remove });
      if (add.length > 0) added.push(() => tx.addElements({ table, set: spec, elements: add }));
    }
    for (const add of added) add();
    return changes;
  }

  /** The transaction was committed. */
  settle(): void {
    for (const { before } of this.#sets.values()) before.clear();
  }

  #change(held: Held, key: string, value: string | undefined): void {
    const { elements, before } = held;
    const old = elements.get(key);
    if (old === value) return;
    if (!before.has(key)) before.set(key, old);
    if (old !== undefined) this.#count(old, -1);
    if (value === undefined) elements.delete(key);
    else {
      elements.set(key, value);
      this.#count(value, 1);
    }
  }

  #count(value: string, by: number): void {
    const chain = /^(?:goto|jump) ([^\0]+)/.exec(value)?.[1];
    if (chain === undefined) return;
    const count = (this.#chains.get(chain) ?? 0) + by;
    if (count === 0) this.#chains.delete(chain);
    else this.#chains.set(chain, count);
  }

  #held(set: SetSpec): Held {
    return this.#sets.get(set.name)!;
  }
}

type Plain = ElementInfo['key'] | ElementInfo['data'];

function textOf(value: Plain): string {
  return value === undefined ? '' : Array.isArray(value) ? value.join(' . ') : String(value);
}

function scalars(text: string): string | string[] {
  const parts = text.split(' . ');
  return parts.length === 1 ? text : parts;
}

function elementOf(spec: SetSpec | MapSpec, key: string, value: string): SetElement {
  const end = value.indexOf(COMMENT);
  const data = end < 0 ? value : value.slice(0, end);
  return {
    key: scalars(key),
    ...('data' in spec ? { data: scalars(data) as NonNullable<SetElement['data']> } : {}),
    ...(end < 0 ? {} : { comment: value.slice(end + 1) }),
  };
}
