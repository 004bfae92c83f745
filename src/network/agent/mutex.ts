/** One queue a key: work on the same attachment runs in the order of arrival, different ones side by side. */
export class KeyedMutex {
  readonly #tails = new Map<string, Promise<void>>();

  /** Keys with work running or waiting. */
  get size(): number {
    return this.#tails.size;
  }

  /** Whether work runs or waits under `key`. */
  busy(key: string): boolean {
    return this.#tails.has(key);
  }

  /** Runs `body` once everything queued earlier under `key` has ended, failed or not. */
  async run<T>(key: string, body: () => T | Promise<T>): Promise<T> {
    const before = this.#tails.get(key);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#tails.set(key, promise);
    try {
      if (before) await before;
      return await body();
    } finally {
      resolve();
      if (this.#tails.get(key) === promise) this.#tails.delete(key);
    }
  }
}
