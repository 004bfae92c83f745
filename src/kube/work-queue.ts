import { Backoff } from './backoff.ts';

export interface WorkQueueOptions {
  /**
   * Brings one object to what it should be. May return milliseconds after which it wants to be called again. What it
   * throws is tried again, later each time.
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: a handler that returns nothing is the usual one
  readonly handler: (key: string, signal: AbortSignal) => Promise<number | void> | number | void;
  /** Keys at a time. Default 1. */
  readonly workers?: number;
  /** Told of each failure; `tries` is how many there were in a row. */
  readonly onError?: (key: string, error: unknown, tries: number) => void;
  /** Milliseconds until a failed key is tried again: first and longest. Default 50 and 60,000. */
  readonly retry?: { readonly first: number; readonly longest: number };
}

const RETRY = { first: 50, longest: 60_000 };

/**
 * Keys to be worked on. A key that is added many times before its turn is worked on once; one that is added while it
 * is worked on gets another turn after that, never one beside it.
 */
export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #waiting = new Set<string>();
  readonly #active = new Set<string>();
  /** Added again while active. */
  readonly #dirty = new Set<string>();
  readonly #timers = new Map<string, { readonly timer: NodeJS.Timeout; readonly due: number }>();
  readonly #failures = new Map<string, { tries: number; readonly backoff: Backoff }>();
  readonly #stopping = new AbortController();
  #starting = false;
  #idle: (() => void)[] = [];

  constructor(options: WorkQueueOptions) {
    this.#options = options;
  }

  /** Keys that wait, are worked on, or come later. */
  get size(): number {
    return this.#waiting.size + this.#active.size + this.#timers.size;
  }

  add(key: string): void {
    if (this.#stopping.signal.aborted) return;
    const later = this.#timers.get(key);
    if (later) {
      clearTimeout(later.timer);
      this.#timers.delete(key);
    }
    if (this.#active.has(key)) this.#dirty.add(key);
    else this.#waiting.add(key);
    // Not at once: whoever adds ten keys in a row means them to be added before the first is worked on.
    if (this.#starting) return;
    this.#starting = true;
    queueMicrotask(() => {
      this.#starting = false;
      this.#start();
    });
  }

  /** In so many milliseconds, or sooner if it is due sooner already. */
  addAfter(key: string, milliseconds: number): void {
    if (this.#stopping.signal.aborted || this.#waiting.has(key)) return;
    if (milliseconds <= 0) {
      this.add(key);
      return;
    }
    const due = performance.now() + milliseconds;
    const later = this.#timers.get(key);
    if (later && later.due <= due) return;
    if (later) clearTimeout(later.timer);
    const timer = setTimeout(() => {
      this.#timers.delete(key);
      this.add(key);
    }, milliseconds);
    this.#timers.set(key, { timer, due });
  }

  /** Resolves when nothing waits and nobody works; what comes later does not count. */
  idle(): Promise<void> {
    if (this.#waiting.size + this.#active.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Takes no more keys, tells the handlers to end, and waits until they have. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const { timer } of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#waiting.clear();
    this.#dirty.clear();
    await this.idle();
  }

  #start(): void {
    const { workers = 1 } = this.#options;
    for (const key of this.#waiting) {
      if (this.#active.size >= workers) return;
      this.#waiting.delete(key);
      this.#active.add(key);
      void this.#work(key);
    }
  }

  async #work(key: string): Promise<void> {
    let again: number | undefined;
    try {
      const wanted = await this.#options.handler(key, this.#stopping.signal);
      this.#failures.delete(key);
      if (typeof wanted === 'number') again = wanted;
    } catch (error) {
      again = this.#failed(key, error);
    }
    this.#active.delete(key);
    if (this.#dirty.delete(key)) this.add(key);
    else if (again !== undefined) this.addAfter(key, again);
    this.#start();
    if (this.#waiting.size + this.#active.size > 0) return;
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) resolve();
  }

  #failed(key: string, error: unknown): number {
    const failure = this.#failures.get(key) ?? {
      tries: 0,
      backoff: new Backoff(this.#options.retry ?? RETRY),
    };
    failure.tries++;
    this.#failures.set(key, failure);
    if (!this.#stopping.signal.aborted) this.#options.onError?.(key, error, failure.tries);
    return failure.backoff.next();
  }
}
