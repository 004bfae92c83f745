import type { Changes } from './tables.ts';

/** A map that tells what changed since it was asked the last time. */
export class TrackedMap<K, V> {
  readonly #now = new Map<K, V>();
  /** The values that were there when it was asked the last time, of keys touched since. */
  #before = new Map<K, V | undefined>();
  readonly #same: (a: V, b: V) => boolean;

  constructor(same: (a: V, b: V) => boolean = Object.is) {
    this.#same = same;
  }

  get view(): ReadonlyMap<K, V> {
    return this.#now;
  }

  set(key: K, value: V): void {
    const old = this.#now.get(key);
    if (old !== undefined && this.#same(old, value)) return;
    if (!this.#before.has(key)) this.#before.set(key, old);
    this.#now.set(key, value);
  }

  delete(key: K): void {
    const old = this.#now.get(key);
    if (old === undefined) return;
    if (!this.#before.has(key)) this.#before.set(key, old);
    this.#now.delete(key);
  }

  take(): Changes<K, V> {
    const set = new Map<K, V>();
    const gone: K[] = [];
    for (const [key, old] of this.#before) {
      const value = this.#now.get(key);
      if (value === undefined) {
        if (old !== undefined) gone.push(key);
      } else if (old === undefined || !this.#same(old, value)) set.set(key, value);
    }
    this.#before = new Map();
    return { set, gone };
  }
}
