interface Entry {
  /** Milliseconds. */
  delay: number;
  /** When it was last lengthened, milliseconds since 1970. */
  updatedAt: number;
}

/**
 * Waiting times that double for a key each time it fails again, and begin anew after it has done well for twice the
 * longest time. Times are milliseconds since 1970.
 */
export class Backoff {
  readonly #initial: number;
  readonly #longest: number;
  readonly #entries = new Map<string, Entry>();

  /** @param initial - and @param longest - milliseconds; the kubelet's own are 10 s and 5 min */
  constructor(initial = 10_000, longest = 300_000) {
    this.#initial = initial;
    this.#longest = longest;
  }

  /** The current waiting time of the key in milliseconds; 0 when it has none. */
  delay(key: string): number {
    return this.#entries.get(key)?.delay ?? 0;
  }

  /**
   * How long the key still has to wait, in milliseconds, when its last end was at `eventAt`.
   */
  remaining(key: string, eventAt: number, now: number): number {
    const entry = this.#entries.get(key);
    if (!entry || this.#expired(entry, eventAt)) return 0;
    return Math.max(0, eventAt + entry.delay - now);
  }

  /** Notes another attempt after an end at `eventAt`; the next one has to wait twice as long. */
  next(key: string, eventAt: number, now: number): void {
    const entry = this.#entries.get(key);
    const delay =
      !entry || this.#expired(entry, eventAt) ? this.#initial : Math.min(entry.delay * 2, this.#longest);
    this.#entries.set(key, { delay, updatedAt: now });
  }

  /** How long the key still has to wait, in milliseconds, since {@link next} was last called for it. */
  remainingSinceNext(key: string, now: number): number {
    const entry = this.#entries.get(key);
    return entry ? Math.max(0, entry.updatedAt + entry.delay - now) : 0;
  }

  #expired(entry: Entry, eventAt: number): boolean {
    return eventAt - entry.updatedAt > this.#longest * 2;
  }

  /** Forgets the keys that begin with `prefix`. */
  forget(prefix: string): void {
    for (const key of this.#entries.keys()) if (key.startsWith(prefix)) this.#entries.delete(key);
  }
}

/** A duration as Go prints it, for messages: 10000 is `10s`, 160000 is `2m40s`, 300000 is `5m0s`. */
export function goDuration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), seconds % 60];
  if (h > 0) return `${h}h${m}m${s}s`;
  return m > 0 ? `${m}m${s}s` : `${s}s`;
}
