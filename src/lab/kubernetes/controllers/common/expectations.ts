// What a controller has asked for and its cache does not show yet. While something is outstanding for a key the
// controller makes and deletes nothing, so a stale cache leads to no pod too many.

interface Entry {
  creations: number;
  deletions: Set<string>;
  since: number;
}

/** After this many ms an expectation is given up: the watch may have lost the event with the object. */
export const EXPECTATION_TIMEOUT = 5 * 60_000;

export class Expectations {
  readonly #entries = new Map<string, Entry>();
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  #entry(key: string): Entry {
    let entry = this.#entries.get(key);
    if (!entry) {
      entry = { creations: 0, deletions: new Set(), since: 0 };
      this.#entries.set(key, entry);
    }
    entry.since = this.#now();
    return entry;
  }

  /** `count` creations are about to be asked for. */
  expectCreations(key: string, count: number): void {
    if (count > 0) this.#entry(key).creations += count;
  }

  /** The objects with these uids are about to be deleted. */
  expectDeletions(key: string, uids: Iterable<string>): void {
    const entry = this.#entry(key);
    for (const uid of uids) entry.deletions.add(uid);
  }

  /** The cache showed a new object, or the request for it failed. */
  creationObserved(key: string, count = 1): void {
    const entry = this.#entries.get(key);
    if (entry) entry.creations = Math.max(0, entry.creations - count);
  }

  /** The cache showed the object gone or going, or the request failed. */
  deletionObserved(key: string, uid: string): void {
    this.#entries.get(key)?.deletions.delete(uid);
  }

  /** Whether the cache shows everything asked for (or it has been waited for long enough). */
  satisfied(key: string): boolean {
    const entry = this.#entries.get(key);
    if (!entry) return true;
    return (
      (entry.creations === 0 && entry.deletions.size === 0) || this.#now() - entry.since > EXPECTATION_TIMEOUT
    );
  }

  forget(key: string): void {
    this.#entries.delete(key);
  }
}
