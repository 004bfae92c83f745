// The pods that wait for a node: ready to be tried, pausing after a failure, or waiting for something to change.
import type { Pod } from '../controllers/common/objects.ts';

interface Entry {
  key: string;
  priority: number;
  /** When it came, for the order among equals. */
  since: number;
  attempts: number;
  /** ms: not before. */
  pausedUntil: number;
  state: 'ready' | 'parked' | 'tried';
  /** A change arrived while it was being tried: it may fit by now. */
  moved: boolean;
}

const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 10_000;
/** A parked pod is tried again after this time even if nothing changed. */
export const LONGEST_PARKED = 60_000;

/** Times in ms. Ordered by priority, then by arrival. */
export class SchedulingQueue {
  readonly #entries = new Map<string, Entry>();
  readonly #ready = new Map<number, Set<Entry>>();
  #order = 0;

  get size(): number {
    return this.#entries.size;
  }

  /** A pod came, or changed in a way that may let it fit: it is tried without a pause. */
  add(key: string, pod: Pod): void {
    const old = this.#entries.get(key);
    if (old) this.#unready(old);
    const entry: Entry = {
      key,
      priority: pod.spec.priority ?? 0,
      since: old?.since ?? this.#order++,
      attempts: old?.attempts ?? 0,
      pausedUntil: 0,
      state: 'ready',
      moved: false,
    };
    this.#entries.set(key, entry);
    this.#makeReady(entry);
  }

  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    this.#unready(entry);
    this.#entries.delete(key);
  }

  has(key: string): boolean {
    return this.#entries.has(key);
  }

  /** The most important pod that may be tried now. */
  next(now: number): string | undefined {
    for (const priority of [...this.#ready.keys()].sort((a, b) => b - a)) {
      for (const entry of this.#ready.get(priority) ?? []) {
        if (entry.pausedUntil > now) continue;
        this.#unready(entry);
        entry.state = 'tried';
        entry.moved = false;
        entry.attempts++;
        return entry.key;
      }
    }
    return undefined;
  }

  /** The pod found no node: it waits for a change (or `parked` false: for its pause only). */
  failed(key: string, now: number, parked = true): void {
    const entry = this.#entries.get(key);
    if (entry?.state !== 'tried') return;
    entry.pausedUntil = now + Math.min(FIRST_PAUSE * 2 ** (entry.attempts - 1), LONGEST_PAUSE);
    if (parked && !entry.moved) entry.state = 'parked';
    else this.#makeReady(entry);
  }

  /** Something changed that may let parked pods fit: they are tried after their pause. */
  wake(): void {
    for (const entry of this.#entries.values()) {
      if (entry.state === 'parked') this.#makeReady(entry);
      else if (entry.state === 'tried') entry.moved = true;
    }
  }

  /** ms until the next paused pod may be tried; undefined when none waits for time. */
  nextPause(now: number): number | undefined {
    let next: number | undefined;
    for (const entries of this.#ready.values())
      for (const { pausedUntil } of entries) if (next === undefined || pausedUntil < next) next = pausedUntil;
    return next === undefined ? undefined : Math.max(0, next - now);
  }

  #makeReady(entry: Entry): void {
    entry.state = 'ready';
    let entries = this.#ready.get(entry.priority);
    if (!entries) {
      entries = new Set();
      this.#ready.set(entry.priority, entries);
    }
    entries.add(entry);
  }

  #unready(entry: Entry): void {
    const entries = this.#ready.get(entry.priority);
    entries?.delete(entry);
    if (entries?.size === 0) this.#ready.delete(entry.priority);
  }
}
