import { AddressAllocator, type AddressCounts } from '../../../address/address-allocator.ts';
import { type Cidr, formatCidr, parseCidr } from '../../../address/cidr.ts';
import { AddressError } from '../../../address/error.ts';
import { formatAddress, parseAddress } from '../../../address/ip.ts';
import type { Holdings } from './holdings.ts';
import type { Change, IpamRecord } from './record.ts';

/** Where a node's addresses come from. */
export interface PoolOptions {
  /** The node's blocks: one, or one of each family. */
  readonly blocks: readonly (Cidr | string)[];
  /** The most addresses of a block held at once, 10 .. 250. Default 250. */
  readonly maxPods?: number;
  /** Seconds, from 0, that a released address rests. Default 30. */
  readonly cooldownSeconds?: number;
}

/** One block's addresses at a moment. */
export interface BlockCounts extends AddressCounts {
  readonly block: string;
}

/** The node's blocks and what in them is free. Derived from {@link Holdings} and rebuilt from them at will. */
export class Pools {
  readonly #pools: readonly AddressAllocator[];

  /** @throws AddressError for blocks that cannot be used, or numbers out of their ranges */
  constructor(options: PoolOptions, holdings: Holdings) {
    const { blocks, maxPods, cooldownSeconds } = options;
    this.#pools = blocks.map(
      (block, i) =>
        new AddressAllocator({
          block: typeof block === 'string' ? parseCidr(block, `nodeBlocks[${i}]`) : block,
          ...(maxPods === undefined ? {} : { maxPods }),
          ...(cooldownSeconds === undefined ? {} : { cooldownMs: cooldownSeconds * 1000 }),
        }),
    );
    const families = new Set(this.#pools.map((pool) => pool.block.family));
    if (families.size !== blocks.length || families.size === 0) {
      throw new AddressError({
        code: 'wrong-family',
        field: 'nodeBlocks',
        value: this.#pools.map((pool) => formatCidr(pool.block)).join(','),
        rule: 'is neither one block nor one of IPv4 and one of IPv6',
        fix: 'give one block for each family',
      });
    }
    for (const [address, at] of holdings.released())
      this.#poolOf(address)?.restoreReleased(parseAddress(address), at);
    for (const record of holdings.records()) this.apply({ allocate: record });
  }

  get blocks(): string[] {
    return this.#pools.map((pool) => formatCidr(pool.block));
  }

  get cooldownMs(): number {
    return this.#pools[0]!.cooldownMs;
  }

  /**
   * The addresses that the next attachment gets, one of each block; nothing is taken yet.
   * @throws AddressError `exhausted`, `cooling-down` (with `retryAfterMs`)
   */
  next(now: number): string[] {
    return this.#pools.map((pool) => formatAddress(pool.next(now)));
  }

  /**
   * Follows a change.
   * @param released the record that a release takes away
   */
  apply(change: Change, released?: IpamRecord): void {
    if ('allocate' in change) {
      for (const address of change.allocate.addresses) this.#poolOf(address)?.reserve(address);
    } else {
      for (const address of released?.addresses ?? []) {
        this.#poolOf(address)?.release(parseAddress(address), change.release.at);
      }
    }
  }

  /** Whether pods of this node may have the address. */
  serves(address: string): boolean {
    return this.#poolOf(address) !== undefined;
  }

  /** The records with an address that no pool of ours serves. */
  outside(holdings: Holdings): IpamRecord[] {
    return holdings.records().filter((record) => !record.addresses.every((address) => this.serves(address)));
  }

  counts(now: number): BlockCounts[] {
    return this.#pools.map((pool) => ({ block: formatCidr(pool.block), ...pool.counts(now) }));
  }

  #poolOf(address: string): AddressAllocator | undefined {
    const ip = parseAddress(address);
    return this.#pools.find((pool) => pool.serves(ip));
  }
}
