import { setTimeout as delay } from 'node:timers/promises';
import { Gate } from '../gate.ts';
import type { ProcessIdentity } from '../machine/index.ts';
import type { LabContext } from './context.ts';

/** First wait before a unit is mended again; doubled up to the longest, in milliseconds. */
const BACKOFF = { first: 200, longest: 10_000, forgottenAfter: 60_000 };

/** Processes that belong together and are kept running: a node, a control plane. */
export interface Unit {
  /** Unique in the lab: `node/<name>`. */
  readonly key: string;
  /** False once nobody wants it any more. */
  wanted(): boolean;
  /**
   * Starts what of it does not run yet, and waits until it serves. Returns its parts, by name.
   * @throws Error with what went wrong
   */
  start(): Promise<Record<string, ProcessIdentity>>;
}

/** Starts units, a few at a time, and starts again what dies of them, less and less often while it fails. */
export class Keeper {
  readonly #lab: LabContext;
  readonly #starts: Gate;
  readonly #closing = new AbortController();
  /** How often, and when last, something of a unit had to be mended. */
  readonly #troubles = new Map<string, { count: number; last: number }>();
  /** Units whose mending is arranged and has not begun: it will find all that is wrong by then. */
  readonly #mending = new Set<string>();
  /** Parts that are watched: `<unit>/<part>` -> the process. */
  readonly #watched = new Map<string, ProcessIdentity>();

  /** @param parallel - units that start at one time */
  constructor(lab: LabContext, parallel: number) {
    this.#lab = lab;
    this.#starts = new Gate(parallel);
  }

  /** Brings a unit to running, whatever part of it runs already, and keeps it there. One that is not wanted is left alone. */
  async bring(unit: Unit): Promise<void> {
    try {
      await this.#start(unit);
    } catch (error) {
      void this.#mend(unit, 'start');
      throw error;
    }
  }

  /** For one that is gone for good. */
  forget(key: string): void {
    this.#troubles.delete(key);
  }

  /** Stops watching and mending; what runs runs on. */
  close(): void {
    this.#closing.abort();
  }

  async #start(unit: Unit): Promise<void> {
    await this.#lab.locks.run(unit.key, () =>
      this.#starts.run(async () => {
        if (!unit.wanted()) return;
        const parts = await unit.start();
        if (!unit.wanted()) return;
        for (const [part, process] of Object.entries(parts)) this.#watch(unit, part, process);
      }),
    );
  }

  #watch(unit: Unit, part: string, process: ProcessIdentity): void {
    const key = `${unit.key}/${part}`;
    const known = this.#watched.get(key);
    if (known?.pid === process.pid && known.startTime === process.startTime) return;
    this.#watched.set(key, process);
    this.#lab.watch.add(process, () => {
      if (this.#watched.get(key) === process) this.#watched.delete(key);
      void this.#mend(unit, part);
    });
  }

  /** Starts again what has died, at once or after a while. */
  async #mend(unit: Unit, part: string): Promise<void> {
    const { key } = unit;
    const { signal } = this.#closing;
    if (signal.aborted || this.#mending.has(key) || !unit.wanted()) return;
    this.#mending.add(key);
    try {
      const wait = this.#nextWait(key);
      this.#lab.log.warn({ unit: key, part, restartInMs: wait }, 'died; starting it again');
      await delay(wait, undefined, { signal });
    } catch {
      return;
    } finally {
      this.#mending.delete(key);
    }
    await this.#start(unit).catch((error: unknown) => {
      this.#lab.log.error({ unit: key, part, err: error }, 'starting it again failed');
      void this.#mend(unit, part);
    });
  }

  /** The first time nothing, in milliseconds: an agent that is down holds up every pod of its node. */
  #nextWait(key: string): number {
    const past = this.#troubles.get(key);
    const recent = past && Date.now() - past.last < BACKOFF.forgottenAfter ? past.count : 0;
    this.#troubles.set(key, { count: recent + 1, last: Date.now() });
    return recent === 0 ? 0 : Math.min(BACKOFF.first * 2 ** (recent - 1), BACKOFF.longest);
  }
}
