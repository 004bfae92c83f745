import type { Clock } from './clock.ts';

/** A machine's clocks for tests: real time, which they follow as far as they do. */
export class FakeClock implements Clock {
  /** Milliseconds; the test moves it on. */
  real = 1_800_000_000_000;
  bootId = 'boot 1';
  #ahead = 0;
  #booted = this.real;

  wall(): number {
    return this.real + this.#ahead;
  }

  monotonic(): number {
    return this.real - this.#booted;
  }

  /** Somebody sets the wall clock: forwards, or back with a negative number. */
  setWall(byMs: number): void {
    this.#ahead += byMs;
  }

  /** The machine boots, which takes some time. */
  reboot(ms = 700): void {
    this.real += ms;
    this.#booted = this.real;
    this.bootId = `boot ${Number(this.bootId.slice(5)) + 1}`;
  }
}
