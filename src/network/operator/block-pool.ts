import { type Cidr, cidrContains, cidrSize, formatCidr, nthSubnet, subnetCount } from '../../address/cidr.ts';
import { AddressError } from '../../address/error.ts';

/** Whose a range is: a node's name. */
type Owner = string;

/**
 * The blocks of one pod CIDR, all of one size, each with at most one node; and what of the range somebody else has
 * given away, in whatever sizes. Pure and in memory: Kubernetes' nodes are the store.
 */
export class BlockPool {
  readonly podCidr: Cidr;
  /** The prefix length of every block. */
  readonly blockPrefix: number;
  readonly #count: bigint;
  readonly #blocks = new Map<bigint, Owner>();
  readonly #byOwner = new Map<Owner, bigint>();
  /** How many strange ranges, smaller than a block, lie in each block. */
  readonly #small = new Map<bigint, number>();
  readonly #strange = new Map<
    Owner,
    { readonly small: bigint[]; readonly large: [first: bigint, last: bigint][] }
  >();
  /** No block below it is free. */
  #frontier = 0n;

  /** @throws AddressError `too-small` when not one block fits */
  constructor(podCidr: Cidr, blockPrefix: number, field = 'podCIDRs') {
    this.podCidr = podCidr;
    this.blockPrefix = blockPrefix;
    if (podCidr.prefixLength > blockPrefix) {
      throw new AddressError({
        code: 'too-small',
        field,
        value: formatCidr(podCidr),
        rule: `has no /${blockPrefix} in it, and every node takes one`,
        fix: `use a /${blockPrefix} or wider, or smaller node blocks`,
      });
    }
    this.#count = subnetCount(podCidr, blockPrefix);
  }

  /** How many nodes it serves. */
  get capacity(): bigint {
    return this.#count;
  }

  /** How many nodes have a block of it. */
  get size(): number {
    return this.#byOwner.size;
  }

  get(owner: Owner): Cidr | undefined {
    const index = this.#byOwner.get(owner);
    return index === undefined ? undefined : this.#block(index);
  }

  /** The lowest free block, or the one that it has already; undefined when none is free. */
  allocate(owner: Owner): Cidr | undefined {
    const has = this.get(owner);
    if (has) return has;
    const index = this.#lowestFree();
    if (index === undefined) return undefined;
    this.#take(owner, index);
    return this.#block(index);
  }

  /** Whether a range is one of the blocks, by its place and size. */
  isBlock(cidr: Cidr): boolean {
    return cidr.prefixLength === this.blockPrefix && cidrContains(this.podCidr, cidr);
  }

  /** Who has any of a range, itself aside; undefined when it is free. */
  ownerOf(cidr: Cidr, except: Owner): Owner | undefined {
    const [first, last] = this.#indices(cidr);
    for (const [owner, { small, large }] of this.#strange) {
      if (owner === except) continue;
      if (small.some((index) => index >= first && index <= last)) return owner;
      if (large.some(([from, to]) => from <= last && to >= first)) return owner;
    }
    if (last - first < 1024n) {
      for (let index = first; index <= last; index++) {
        const owner = this.#blocks.get(index);
        if (owner !== undefined && owner !== except) return owner;
      }
      return undefined;
    }
    for (const [index, owner] of this.#blocks)
      if (index >= first && index <= last && owner !== except) return owner;
    return undefined;
  }

  /** Gives a node the very block that it asked for. The caller has made sure that it is one, and free. */
  reserve(owner: Owner, block: Cidr): void {
    const [index] = this.#indices(block);
    const has = this.#byOwner.get(owner);
    if (has === index) return;
    if (has !== undefined) this.release(owner);
    this.#take(owner, index);
  }

  /** Marks a range that a node has, though not from us or not of our size: nothing of it is given to another. */
  mark(owner: Owner, cidr: Cidr): void {
    const entry = this.#strange.get(owner) ?? { small: [], large: [] };
    this.#strange.set(owner, entry);
    const [first, last] = this.#indices(cidr);
    if (first === last) {
      entry.small.push(first);
      this.#small.set(first, (this.#small.get(first) ?? 0) + 1);
    } else entry.large.push([first, last]);
  }

  /** Frees everything that a node has. Whether there was anything. */
  release(owner: Owner): boolean {
    const index = this.#byOwner.get(owner);
    if (index !== undefined) {
      this.#byOwner.delete(owner);
      this.#blocks.delete(index);
      this.#freed(index);
    }
    return this.unmark(owner) || index !== undefined;
  }

  /** Forgets what {@link mark} has marked for a node. Whether there was anything. */
  unmark(owner: Owner): boolean {
    const strange = this.#strange.get(owner);
    if (!strange) return false;
    this.#strange.delete(owner);
    for (const small of strange.small) {
      const left = this.#small.get(small)! - 1;
      if (left === 0) this.#small.delete(small);
      else this.#small.set(small, left);
      this.#freed(small);
    }
    for (const [first] of strange.large) this.#freed(first);
    return true;
  }

  #freed(index: bigint): void {
    if (index < this.#frontier) this.#frontier = index;
  }

  #take(owner: Owner, index: bigint): void {
    this.#blocks.set(index, owner);
    this.#byOwner.set(owner, index);
  }

  #lowestFree(): bigint | undefined {
    const large = [...this.#strange.values()].flatMap((entry) => entry.large);
    for (let index = this.#frontier; index < this.#count; index++) {
      const inside = large.find(([first, last]) => index >= first && index <= last);
      if (inside) index = inside[1];
      else if (!this.#blocks.has(index) && !this.#small.has(index)) {
        this.#frontier = index;
        return index;
      }
    }
    this.#frontier = this.#count;
    return undefined;
  }

  #block(index: bigint): Cidr {
    return nthSubnet(this.podCidr, this.blockPrefix, index);
  }

  /** The first and last block that a range touches, cut to this pod CIDR. */
  #indices(cidr: Cidr): [first: bigint, last: bigint] {
    const size = cidrSize({ ...this.podCidr, prefixLength: this.blockPrefix });
    const end = this.podCidr.base + cidrSize(this.podCidr) - 1n;
    let from = cidr.base;
    if (from < this.podCidr.base) from = this.podCidr.base;
    let to = cidr.base + cidrSize(cidr) - 1n;
    if (to > end) to = end;
    return [(from - this.podCidr.base) / size, (to - this.podCidr.base) / size];
  }
}
