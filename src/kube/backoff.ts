import { setTimeout as sleep } from 'node:timers/promises';

export interface BackoffOptions {
  /** Milliseconds before the first repetition. */
  readonly first: number;
  /** Milliseconds at most. */
  readonly longest: number;
  /** Default `Math.random`. */
  readonly random?: () => number;
}

/** Waiting times that double, each between half and the whole of it, so that many clients do not come at once. */
export class Backoff {
  readonly #options: BackoffOptions;
  #next: number;

  constructor(options: BackoffOptions) {
    this.#options = options;
    this.#next = options.first;
  }

  /** Milliseconds. */
  next(): number {
    const now = this.#next;
    this.#next = Math.min(now * 2, this.#options.longest);
    return now * (0.5 + (this.#options.random ?? Math.random)() / 2);
  }

  reset(): void {
    this.#next = this.#options.first;
  }

  /** Waits for {@link next}; returns at once when the signal ends it. */
  async wait(signal: AbortSignal): Promise<void> {
    await sleep(this.next(), undefined, { signal }).catch(() => {});
  }
}
