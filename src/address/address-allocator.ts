import { type Cidr, cidrContains, cidrSize, formatCidr, parseCidr } from './cidr.ts';
import { AddressError, shown } from './error.ts';
import { addressBits, formatAddress, type IpAddress, ipAddress, parseAddress } from './ip.ts';

/** The most pods that a node's block serves, whatever `maxPods` says. Source: Azure CNI Overlay, 250 pods a node. */
export const MOST_PODS = 250;
/** The fewest that `maxPods` may be. Source: AKS, 10 to 250. */
export const FEWEST_PODS = 10;
/** Addresses given out of one block: all of a /24 but network, gateway and broadcast. Wider blocks stop here too. */
const MOST_CANDIDATES = 253n;

export interface AddressAllocatorOptions {
  /** The node's block: a /24 or /120 on Azure; any block of at least eight addresses is served. */
  readonly block: Cidr | string;
  /** How many addresses may be held at once, 10 .. 250. Default 250. */
  readonly maxPods?: number;
  /** Milliseconds, from 0, before a released address is given out again. Default 30,000. */
  readonly cooldownMs?: number;
}

/** An {@link AddressAllocator} as plain JSON. */
export interface AddressAllocatorState {
  readonly block: string;
  readonly maxPods: number;
  readonly cooldownMs: number;
  /** Addresses given out and not released. */
  readonly held: readonly string[];
  /** Released ones, the longest released first; `at` is the caller's clock in milliseconds. */
  readonly released: readonly { readonly address: string; readonly at: number }[];
}

/** What a block's addresses are doing at one moment. */
export interface AddressCounts {
  /** How many can be held at once. */
  readonly capacity: number;
  readonly held: number;
  /** Released too short a time ago to be given out. */
  readonly cooling: number;
  /** How many could be given out right now. */
  readonly available: number;
}

/**
 * The addresses of one node's block. Never the network, gateway (`.1`) or broadcast address, never more than
 * `maxPods` (250 at most) at once. Addresses that were never used come first, lowest first; then the one released
 * longest ago, once its cool-down is over. Pure: time is an argument, in milliseconds of any clock that never
 * goes back. Every operation costs O(1) but the counts.
 */
export class AddressAllocator {
  readonly block: Cidr;
  readonly maxPods: number;
  readonly cooldownMs: number;
  /** How many addresses can be held at once: `maxPods`, or less in a small block. */
  readonly capacity: number;
  readonly #held = new Set<bigint>();
  /** Released addresses and when, in the order of release: a Map keeps it, so the oldest is the first key. */
  readonly #released = new Map<bigint, number>();
  /** Every candidate below it was used at least once: it is in `#held` or in `#released`. */
  #frontier: bigint;
  readonly #end: bigint;

  /** @throws AddressError `malformed`, `host-bits-set`, `too-small`, `out-of-range` (max pods outside 10..250) */
  constructor(options: AddressAllocatorOptions) {
    this.block = typeof options.block === 'string' ? parseCidr(options.block, 'node block') : options.block;
    this.maxPods = checkMaxPods(options.maxPods ?? MOST_PODS);
    this.cooldownMs = options.cooldownMs ?? 30_000;
    if (!(this.cooldownMs >= 0 && Number.isFinite(this.cooldownMs))) {
      throw refuse('malformed', 'cool-down', this.cooldownMs, 'is not a time', 'use 0 or more milliseconds');
    }
    const size = cidrSize(this.block);
    if (size < 8n) {
      const longest = addressBits(this.block.family) - 3;
      throw refuse(
        'too-small',
        'node block',
        formatCidr(this.block),
        'has fewer than eight addresses',
        `use a /${longest} or wider; a node's block is a /${this.block.family === 4 ? 24 : 120}`,
      );
    }
    const candidates = size - 3n < MOST_CANDIDATES ? size - 3n : MOST_CANDIDATES;
    this.#frontier = this.block.base + 2n;
    this.#end = this.#frontier + candidates;
    this.capacity = Math.min(this.maxPods, Number(candidates));
  }

  /**
   * Gives out an address.
   * @param now milliseconds
   * @throws AddressError as {@link next}
   */
  allocate(now: number): IpAddress {
    return this.#take(this.next(now).value);
  }

  /**
   * The address that {@link allocate} would give out, without taking it.
   * @throws AddressError `exhausted` when as many are held as may be; `cooling-down` with `retryAfterMs` when all
   * that are not held were released too short a time ago
   */
  next(now: number): IpAddress {
    if (this.#held.size >= this.capacity) throw this.#full();
    while (this.#used(this.#frontier)) this.#frontier++;
    if (this.#frontier < this.#end) return ipAddress(this.block.family, this.#frontier);
    // Fewer are held than there are candidates and all were used: at least one is in the list of released ones.
    const [oldest, at] = this.#released.entries().next().value!;
    const waitMs = at + this.cooldownMs - now;
    if (waitMs <= 0) return ipAddress(this.block.family, oldest);
    throw new AddressError({
      code: 'cooling-down',
      field: 'node block',
      value: formatCidr(this.block),
      rule:
        `has no address ready: ${this.#held.size} are held and the other ${this.#released.size} were released ` +
        `less than ${seconds(this.cooldownMs)} s ago`,
      fix: `try again in ${seconds(waitMs)} s, or set a shorter cool-down`,
      retryAfterMs: waitMs,
    });
  }

  /**
   * Marks a given address as held, one that a running pod already has: the cool-down does not apply to it, and
   * neither does the limit, which later allocations see.
   * @throws AddressError `out-of-range` (not in the block, or one that no pod may have), `in-use`
   */
  reserve(address: IpAddress | string): IpAddress {
    const ip = typeof address === 'string' ? parseAddress(address) : address;
    this.#checkCandidate(ip);
    if (this.#held.has(ip.value)) {
      throw refuse('in-use', 'address', formatAddress(ip), 'is held already', 'release it first');
    }
    return this.#take(ip.value);
  }

  /** Takes an address back; it cools down from now. False, and no change, when it is not held. */
  release(address: IpAddress, now: number): boolean {
    if (address.family !== this.block.family || !this.#held.delete(address.value)) return false;
    this.#released.set(address.value, now);
    return true;
  }

  /** Whether a pod may have this address: it is in the block, and neither network, gateway nor last address. */
  serves(address: IpAddress): boolean {
    const offset = address.value - this.block.base;
    return cidrContains(this.block, address) && offset >= 2n && offset < cidrSize(this.block) - 1n;
  }

  /** Whether the address is given out. */
  isHeld(address: IpAddress): boolean {
    return address.family === this.block.family && this.#held.has(address.value);
  }

  /** Milliseconds until the address may be given out again, 0 when it may (or is held). */
  coolsFor(address: IpAddress, now: number): number {
    const at = address.family === this.block.family ? this.#released.get(address.value) : undefined;
    return at === undefined ? 0 : Math.max(0, at + this.cooldownMs - now);
  }

  /** The given-out addresses. */
  held(): IpAddress[] {
    return [...this.#held].map((value) => ipAddress(this.block.family, value));
  }

  counts(now: number): AddressCounts {
    let cooling = 0;
    for (const at of this.#released.values()) if (at + this.cooldownMs > now) cooling++;
    let ready = this.#released.size - cooling;
    for (let value = this.#frontier; value < this.#end; value++) if (!this.#used(value)) ready++;
    const room = Math.max(0, this.capacity - this.#held.size);
    return { capacity: this.capacity, held: this.#held.size, cooling, available: Math.min(room, ready) };
  }

  toJSON(): AddressAllocatorState {
    const text = (value: bigint) => formatAddress(ipAddress(this.block.family, value));
    return {
      block: formatCidr(this.block),
      maxPods: this.maxPods,
      cooldownMs: this.cooldownMs,
      held: [...this.#held].map(text),
      released: [...this.#released].map(([value, at]) => ({ address: text(value), at })),
    };
  }

  /** @throws AddressError when the state contradicts itself */
  static fromJSON(state: AddressAllocatorState): AddressAllocator {
    const allocator = new AddressAllocator(state);
    for (const { address, at } of state.released) allocator.restoreReleased(parseAddress(address), at);
    for (const address of state.held) allocator.reserve(address);
    return allocator;
  }

  /**
   * Puts back what was known of a released address, oldest first.
   * @throws AddressError `out-of-range`, `in-use`
   */
  restoreReleased(address: IpAddress, at: number): void {
    this.reserve(address);
    this.release(address, at);
  }

  #full(): AddressError {
    return refuse(
      'exhausted',
      'node block',
      formatCidr(this.block),
      `has ${this.#held.size} addresses in use of the ${this.capacity} that this node may use`,
      this.capacity < MOST_PODS
        ? 'remove a pod, raise maxPods (at most 250), or add a node'
        : 'remove a pod, or add a node',
    );
  }

  #used(value: bigint): boolean {
    return this.#held.has(value) || this.#released.has(value);
  }

  #take(value: bigint): IpAddress {
    this.#released.delete(value);
    this.#held.add(value);
    return ipAddress(this.block.family, value);
  }

  #checkCandidate(ip: IpAddress): void {
    if (this.serves(ip)) return;
    throw refuse(
      'out-of-range',
      'address',
      formatAddress(ip),
      cidrContains(this.block, ip)
        ? `is the network, gateway or last address of ${formatCidr(this.block)}`
        : `is not in the node's block ${formatCidr(this.block)}`,
      'use an address of the block other than its first two and its last',
    );
  }
}

/** @throws AddressError `out-of-range` unless it is a whole number from 10 to 250 */
export function checkMaxPods(maxPods: number, field = 'maxPods'): number {
  if (Number.isInteger(maxPods) && maxPods >= FEWEST_PODS && maxPods <= MOST_PODS) return maxPods;
  throw refuse(
    'out-of-range',
    field,
    maxPods,
    `is not a whole number from ${FEWEST_PODS} to ${MOST_PODS}`,
    `use ${FEWEST_PODS} to ${MOST_PODS}`,
  );
}

function refuse(
  code: AddressError['code'],
  field: string,
  value: unknown,
  rule: string,
  fix: string,
): AddressError {
  return new AddressError({ code, field, value: shown(value), rule, fix });
}

function seconds(ms: number): string {
  return (Math.ceil(ms / 100) / 10).toString();
}
