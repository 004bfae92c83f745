import type { Store } from '../store/store.ts';

/**
 * What may be given once: cluster addresses, node ports. A row of the store for each, written in the transaction of the object that takes
 * it, so that nothing is given twice whatever happens. Keys begin with `!`, which no API group does.
 */
export class Reservations {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Whose it is; undefined when free. */
  owner(pool: string, item: string): string | undefined {
    return this.#store.get(`!${pool}/${item}`)?.value;
  }

  /** @returns false when somebody else has it */
  take(pool: string, item: string, owner: string): boolean {
    const current = this.owner(pool, item);
    if (current !== undefined) return current === owner;
    this.#store.put(`!${pool}/${item}`, 0, () => owner);
    return true;
  }

  /** Nothing happens when it is not the owner's. */
  release(pool: string, item: string, owner: string): void {
    const key = `!${pool}/${item}`;
    const stored = this.#store.get(key);
    if (stored?.value === owner) this.#store.remove(key, stored.revision, () => owner);
  }

  count(pool: string): number {
    return this.#store.count(`!${pool}/`);
  }
}
