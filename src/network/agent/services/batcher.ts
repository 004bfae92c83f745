/**
 * Collects what happens into few runs: at once after a quiet time, else some milliseconds after the last run, so that
 * a thousand changes in a row cost a few transactions and a single one waits for nothing.
 */
export class Batcher {
  readonly #run: () => void;
  readonly #gapMs: number;
  #immediate: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  #ended = Number.NEGATIVE_INFINITY;
  #closed = false;

  /** @param gapMs milliseconds between the end of a run and the start of the next */
  constructor(run: () => void, gapMs: number) {
    this.#run = run;
    this.#gapMs = gapMs;
  }

  /** There is something to do. */
  add(): void {
    if (this.#closed || this.#immediate || this.#timer) return;
    const wait = this.#ended + this.#gapMs - performance.now();
    // Not in this turn of the event loop: one answer of the API server may hold many changes.
    if (wait <= 0) this.#immediate = setImmediate(() => this.#go());
    else this.#timer = setTimeout(() => this.#go(), wait);
  }

  close(): void {
    this.#closed = true;
    clearImmediate(this.#immediate);
    clearTimeout(this.#timer);
  }

  #go(): void {
    this.#immediate = undefined;
    this.#timer = undefined;
    try {
      this.#run();
    } finally {
      this.#ended = performance.now();
    }
  }
}
