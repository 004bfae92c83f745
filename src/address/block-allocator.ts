import { type Cidr, cidrContains, cidrSize, formatCidr, nthSubnet, parseCidr, subnetCount } from './cidr.ts';
import { AddressError, shown } from './error.ts';
import { MinHeap } from './heap.ts';
import { addressBits, type Family } from './ip.ts';

/** Azure's pod CIDR when none is named. Source: Azure CNI Overlay documentation. */
export const DEFAULT_POD_CIDR = '10.244.0.0/16';
/** Each node's block in Azure CNI Overlay: a fixed /24 of IPv4 and a /120 of IPv6, 256 addresses both. */
export const BLOCK_PREFIX = { 4: 24, 6: 120 } as const satisfies Record<Family, number>;

const LONGEST_NODE_NAME = 253;

export interface BlockAllocatorOptions {
  /** The cluster's pod CIDR, of either family. Default {@link DEFAULT_POD_CIDR}. */
  readonly podCidr?: Cidr | string;
  /** What the range is called in errors. Default `podCIDR`. */
  readonly field?: string;
}

/** A {@link BlockAllocator} as plain JSON. */
export interface BlockAllocatorState {
  readonly podCidr: string;
  /** Each node's block, in the order of allocation. */
  readonly nodes: readonly { readonly name: string; readonly block: string }[];
}

/**
 * Gives every node one fixed block of the pod CIDR: the lowest free one. Pure and in memory; whoever owns it
 * stores {@link toJSON} before telling anybody. Allocation costs O(log n) at worst, in a range of any size.
 */
export class BlockAllocator {
  readonly podCidr: Cidr;
  /** /24 for IPv4, /120 for IPv6. */
  readonly blockPrefix: number;
  readonly #field: string;
  readonly #count: bigint;
  readonly #byNode = new Map<string, bigint>();
  readonly #byBlock = new Map<bigint, string>();
  /** No block below it is free, except those in `#freed`. */
  #frontier = 0n;
  readonly #freed = new MinHeap();

  /** @throws AddressError `malformed`, `host-bits-set`, or `too-small` for a pod CIDR without one whole block */
  constructor(options: BlockAllocatorOptions = {}) {
    this.#field = options.field ?? 'podCIDR';
    const given = options.podCidr ?? DEFAULT_POD_CIDR;
    this.podCidr = typeof given === 'string' ? parseCidr(given, this.#field) : given;
    this.blockPrefix = BLOCK_PREFIX[this.podCidr.family];
    if (this.podCidr.prefixLength > this.blockPrefix) {
      throw new AddressError({
        code: 'too-small',
        field: this.#field,
        value: formatCidr(this.podCidr),
        rule: `has no /${this.blockPrefix} in it, and every node takes one`,
        fix: `use a /${this.blockPrefix} or wider: /${this.blockPrefix - 8} serves 256 nodes`,
      });
    }
    this.#count = subnetCount(this.podCidr, this.blockPrefix);
  }

  /** How many nodes the pod CIDR serves. */
  get capacity(): bigint {
    return this.#count;
  }

  /** How many nodes have a block. */
  get size(): number {
    return this.#byNode.size;
  }

  /**
   * The node's block; the same one again when it has one.
   * @throws AddressError `exhausted` when every block has a node, `malformed` for an impossible node name
   */
  allocate(nodeName: string): Cidr {
    const has = this.get(nodeName);
    if (has) return has;
    checkNodeName(nodeName);
    const index = this.#lowestFree();
    if (index === undefined) {
      throw new AddressError({
        code: 'exhausted',
        field: this.#field,
        value: formatCidr(this.podCidr),
        rule: `has no free /${this.blockPrefix} left for node '${shown(nodeName)}': ${this.size} nodes have one each`,
        fix: 'remove a node, or use a wider pod CIDR',
      });
    }
    this.#take(nodeName, index);
    return this.#block(index);
  }

  /**
   * Gives a node the very block that it already uses, as when a running cluster is taken over. Repeating it is fine.
   * @throws AddressError `malformed` (no block of ours), `out-of-range`, `in-use` (the block has another node, or
   * the node another block)
   */
  reserve(nodeName: string, block: Cidr | string): Cidr {
    checkNodeName(nodeName);
    const field = `block of node ${shown(nodeName)}`;
    const cidr = typeof block === 'string' ? parseCidr(block, field) : block;
    const refuse = (
      code: 'wrong-family' | 'malformed' | 'out-of-range' | 'in-use',
      rule: string,
      fix: string,
    ) => new AddressError({ code, field, value: formatCidr(cidr), rule, fix });
    const pods = formatCidr(this.podCidr);
    if (cidr.family !== this.podCidr.family) {
      throw refuse(
        'wrong-family',
        `is not of the family of the pod CIDR ${pods}`,
        'give a block of that range',
      );
    }
    if (cidr.prefixLength !== this.blockPrefix) {
      throw refuse(
        'malformed',
        `is not a /${this.blockPrefix}`,
        `a node has exactly one /${this.blockPrefix}`,
      );
    }
    if (!cidrContains(this.podCidr, cidr)) {
      throw refuse(
        'out-of-range',
        `is not in the pod CIDR ${pods}`,
        'give a block of that range, or widen it',
      );
    }
    const index = this.#index(cidr);
    const owner = this.#byBlock.get(index);
    if (owner === nodeName) return cidr;
    if (owner !== undefined) {
      throw refuse(
        'in-use',
        `is the block of node '${shown(owner)}'`,
        'give another block, or remove that node',
      );
    }
    const has = this.get(nodeName);
    if (has) {
      throw refuse('in-use', `cannot be added: the node has ${formatCidr(has)}`, 'release that block first');
    }
    this.#take(nodeName, index);
    return cidr;
  }

  /** Frees the node's block and returns it; undefined when it has none. */
  release(nodeName: string): Cidr | undefined {
    const index = this.#byNode.get(nodeName);
    if (index === undefined) return undefined;
    this.#byNode.delete(nodeName);
    this.#byBlock.delete(index);
    if (index < this.#frontier) this.#freed.add(index);
    return this.#block(index);
  }

  /** The node's block, if it has one. */
  get(nodeName: string): Cidr | undefined {
    const index = this.#byNode.get(nodeName);
    return index === undefined ? undefined : this.#block(index);
  }

  /** The node whose block this is. */
  nodeOf(block: Cidr): string | undefined {
    if (block.prefixLength !== this.blockPrefix || !cidrContains(this.podCidr, block)) return undefined;
    return this.#byBlock.get(this.#index(block));
  }

  /** Every node and its block, in the order of allocation. */
  *entries(): Generator<readonly [string, Cidr], void, undefined> {
    for (const [name, index] of this.#byNode) yield [name, this.#block(index)];
  }

  /**
   * The same blocks in a wider pod CIDR (Azure allows only a superset that holds the old range).
   * @throws AddressError `out-of-range` when the new range does not hold the old one
   */
  grownTo(podCidr: Cidr | string): BlockAllocator {
    const grown = new BlockAllocator({ podCidr, field: this.#field });
    if (!cidrContains(grown.podCidr, this.podCidr)) {
      throw new AddressError({
        code: 'out-of-range',
        field: this.#field,
        value: formatCidr(grown.podCidr),
        rule: `does not hold the present range ${formatCidr(this.podCidr)}`,
        fix: 'a pod CIDR can only grow: use a wider range around the present one',
      });
    }
    for (const [name, block] of this.entries()) grown.reserve(name, block);
    return grown;
  }

  toJSON(): BlockAllocatorState {
    return {
      podCidr: formatCidr(this.podCidr),
      nodes: [...this.entries()].map(([name, block]) => ({ name, block: formatCidr(block) })),
    };
  }

  /** @throws AddressError when the state contradicts itself: what was never given out by one allocator */
  static fromJSON(state: BlockAllocatorState, field?: string): BlockAllocator {
    const allocator = new BlockAllocator({
      podCidr: state.podCidr,
      ...(field === undefined ? {} : { field }),
    });
    for (const { name, block } of state.nodes) allocator.reserve(name, block);
    return allocator;
  }

  #lowestFree(): bigint | undefined {
    for (let index = this.#freed.take(); index !== undefined; index = this.#freed.take()) {
      // It may have been reserved by name since it was freed.
      if (!this.#byBlock.has(index)) return index;
    }
    while (this.#byBlock.has(this.#frontier)) this.#frontier++;
    return this.#frontier < this.#count ? this.#frontier++ : undefined;
  }

  #take(nodeName: string, index: bigint): void {
    this.#byNode.set(nodeName, index);
    this.#byBlock.set(index, nodeName);
  }

  #block(index: bigint): Cidr {
    return nthSubnet(this.podCidr, this.blockPrefix, index);
  }

  #index(block: Cidr): bigint {
    return (block.base - this.podCidr.base) / cidrSize(block);
  }
}

function checkNodeName(nodeName: string): void {
  if (typeof nodeName === 'string' && nodeName.length > 0 && nodeName.length <= LONGEST_NODE_NAME) return;
  throw new AddressError({
    code: 'malformed',
    field: 'node name',
    value: shown(nodeName),
    rule: `is not a text of 1 to ${LONGEST_NODE_NAME} characters`,
    fix: "use the node's Kubernetes name",
  });
}

/** How many addresses a node's block of this family has: 256. */
export function blockSize(family: Family): number {
  return 2 ** (addressBits(family) - BLOCK_PREFIX[family]);
}
