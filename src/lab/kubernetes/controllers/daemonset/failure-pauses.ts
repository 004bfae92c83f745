/** Upstream's: a second at first, doubled with each failure, a quarter of an hour at most; forgotten after twice that. */
const FIRST = 1000;
const LONGEST = 15 * 60_000;

/** When what failed may be replaced: at once the first time, then with growing pauses. Times in ms. */
export class FailurePauses {
  readonly #entries = new Map<string, { until: number; pause: number }>();

  /** Whether the pause is over; if so the next one begins. */
  due(key: string, now: number): boolean {
    const entry = this.#entries.get(key);
    if (entry && now < entry.until) return false;
    const forgotten = !entry || now - entry.until > 2 * LONGEST;
    const pause = forgotten ? FIRST : Math.min(entry.pause * 2, LONGEST);
    this.#entries.delete(key);
    this.#entries.set(key, { until: now + pause, pause });
    for (const [oldest, { until }] of this.#entries) {
      if (now - until <= 2 * LONGEST) break;
      this.#entries.delete(oldest);
    }
    return true;
  }
}
