import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** The machine's clocks; tests give their own. */
export interface Clock {
  /** Milliseconds since 1970; may jump, forwards and backwards. */
  wall(): number;
  /** Milliseconds since some moment of this boot; never goes back while the machine runs. */
  monotonic(): number;
  /** Changes when the machine boots. */
  readonly bootId: string;
}

/** CLOCK_REALTIME and CLOCK_MONOTONIC, which all processes of one boot share. */
export function systemClock(): Clock {
  return {
    wall: () => Date.now(),
    monotonic: () => Number(process.hrtime.bigint() / 1_000_000n),
    bootId: readBootId(),
  };
}

function readBootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    // Without it every start counts as a boot: cool-downs then go by the wall clock.
    return randomUUID();
  }
}

/** What has to be stored for the time to go on after a restart. */
export interface SavedTime {
  readonly bootId: string;
  /** {@link SteadyTime} less the monotonic clock, in milliseconds. */
  readonly offset: number;
}

/**
 * A time for cool-downs that never goes back, not even over restarts, in milliseconds. Within one boot it follows
 * the monotonic clock, whatever happens to the wall clock. After a boot it goes on at the wall clock, or, should
 * that be behind what was recorded, at the latest moment recorded: a cool-down may then start again, but no
 * address ever waits longer than one cool-down, and a clock that was set back frees none early.
 */
export class SteadyTime {
  readonly #clock: Clock;
  readonly #offset: number;
  #latest: number;

  /**
   * @param saved what the last run stored, if anything
   * @param latest the latest moment that was recorded, in this time
   */
  constructor(clock: Clock, saved: SavedTime | undefined, latest: number) {
    this.#clock = clock;
    const monotonic = clock.monotonic();
    const proposed = saved?.bootId === clock.bootId ? saved.offset + monotonic : clock.wall();
    this.#latest = Math.max(Math.round(proposed), latest);
    this.#offset = this.#latest - monotonic;
  }

  now(): number {
    this.#latest = Math.max(this.#latest, Math.round(this.#offset + this.#clock.monotonic()));
    return this.#latest;
  }

  save(): SavedTime {
    return { bootId: this.#clock.bootId, offset: this.#offset };
  }
}
