/**
 * What a runtime knows of addresses: from an ADD's answer until it asks for the DEL an address is its pod's alone, and
 * after that it must rest. Both ends are seen from outside, so what is reported here did happen; times in milliseconds.
 */
export class Ledger {
  readonly #cooldownMs: number;
  readonly #holders = new Map<string, string>();
  /** When the DEL of the last holder was first asked for. */
  readonly #released = new Map<string, number>();
  readonly #faults: string[] = [];
  #given = 0;
  #most = 0;

  constructor(cooldownMs: number) {
    this.#cooldownMs = cooldownMs;
  }

  /** What must not happen, in words. */
  get faults(): readonly string[] {
    return this.#faults;
  }

  /** Addresses given in all. */
  get given(): number {
    return this.#given;
  }

  /** The most that were held at one time. */
  get most(): number {
    return this.#most;
  }

  /** An ADD of `pod` was answered with `address`. */
  give(pod: string, address: string, now: number): void {
    const holder = this.#holders.get(address);
    if (holder !== undefined) this.#faults.push(`${address} was given to ${pod} while ${holder} had it`);
    // It was taken before the answer, and given back after the question: the rest was shorter than this.
    const rested = now - (this.#released.get(address) ?? Number.NEGATIVE_INFINITY);
    if (rested < this.#cooldownMs) {
      this.#faults.push(`${address} was given to ${pod} within ${Math.ceil(rested)} ms of its release`);
    }
    this.#holders.set(address, pod);
    this.#given++;
    this.#most = Math.max(this.#most, this.#holders.size);
  }

  /** A DEL of `pod` is about to be asked for. */
  release(pod: string, address: string, now: number): void {
    // After two holders the first one's DEL says nothing about the second one.
    if (this.#holders.get(address) === pod) this.#holders.delete(address);
    this.#released.set(address, now);
  }
}
