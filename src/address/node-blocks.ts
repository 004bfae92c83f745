import { BlockAllocator, type BlockAllocatorState, DEFAULT_POD_CIDR } from './block-allocator.ts';
import { type Cidr, formatCidr, parseCidr } from './cidr.ts';
import { AddressError } from './error.ts';

/** A {@link NodeBlocks} as plain JSON: one allocator's state for each family. */
export type NodeBlocksState = readonly BlockAllocatorState[];

/**
 * The blocks of the nodes of a cluster with one pod CIDR, or two of different families (dual stack). A node gets
 * one block of each, all or none, in the order of the pod CIDRs: what belongs into `node.spec.podCIDRs`.
 */
export class NodeBlocks {
  readonly allocators: readonly BlockAllocator[];

  /** @throws AddressError as {@link BlockAllocator}, and `wrong-family` for two ranges of one family */
  constructor(podCidrs: readonly (Cidr | string)[] = [DEFAULT_POD_CIDR]) {
    this.allocators = podCidrs.map((given, i) => {
      const field = podCidrs.length === 1 ? 'podCIDR' : `podCIDRs[${i}]`;
      return new BlockAllocator({
        podCidr: typeof given === 'string' ? parseCidr(given, field) : given,
        field,
      });
    });
    const families = new Set(this.allocators.map((allocator) => allocator.podCidr.family));
    if (families.size === podCidrs.length && families.size > 0) return;
    throw new AddressError({
      code: 'wrong-family',
      field: 'podCIDRs',
      value: this.allocators.map((allocator) => formatCidr(allocator.podCidr)).join(','),
      rule: 'is neither one range nor one of IPv4 and one of IPv6',
      fix: 'give one pod CIDR for each family',
    });
  }

  /** The node's blocks; the same ones again when it has them. @throws AddressError as {@link BlockAllocator.allocate} */
  allocate(nodeName: string): Cidr[] {
    return this.#allOrNone(nodeName, (allocator) => allocator.allocate(nodeName));
  }

  /**
   * Takes over the blocks that a node already uses, one for each pod CIDR in any order.
   * @throws AddressError as {@link BlockAllocator.reserve}; then nothing is reserved
   */
  reserve(nodeName: string, blocks: readonly (Cidr | string)[]): Cidr[] {
    const cidrs = blocks.map((block) =>
      typeof block === 'string' ? parseCidr(block, `block of node ${nodeName}`) : block,
    );
    const matched = this.allocators.map((allocator) =>
      cidrs.find((cidr) => cidr.family === allocator.podCidr.family),
    );
    if (cidrs.length !== this.allocators.length || matched.includes(undefined)) {
      throw new AddressError({
        code: 'wrong-family',
        field: `blocks of node ${nodeName}`,
        value: cidrs.map(formatCidr).join(','),
        rule: 'are not one block for each pod CIDR',
        fix: `give one of each of ${this.allocators.map((allocator) => formatCidr(allocator.podCidr)).join(', ')}`,
      });
    }
    return this.#allOrNone(nodeName, (allocator, i) => allocator.reserve(nodeName, matched[i]!));
  }

  /** Frees the node's blocks and returns them; empty when it has none. */
  release(nodeName: string): Cidr[] {
    return this.allocators.flatMap((allocator) => allocator.release(nodeName) ?? []);
  }

  /** The node's blocks, in the order of the pod CIDRs; empty when it has none. */
  get(nodeName: string): Cidr[] {
    return this.allocators.flatMap((allocator) => allocator.get(nodeName) ?? []);
  }

  toJSON(): NodeBlocksState {
    return this.allocators.map((allocator) => allocator.toJSON());
  }

  /** @throws AddressError when the state contradicts itself */
  static fromJSON(state: NodeBlocksState): NodeBlocks {
    const blocks = new NodeBlocks(state.map((one) => one.podCidr));
    for (const [i, one] of state.entries()) {
      for (const { name, block } of one.nodes) blocks.allocators[i]!.reserve(name, block);
    }
    return blocks;
  }

  #allOrNone(nodeName: string, take: (allocator: BlockAllocator, index: number) => Cidr): Cidr[] {
    const fresh: BlockAllocator[] = [];
    try {
      return this.allocators.map((allocator, i) => {
        const isNew = allocator.get(nodeName) === undefined;
        const block = take(allocator, i);
        if (isNew) fresh.push(allocator);
        return block;
      });
    } catch (error) {
      for (const allocator of fresh) allocator.release(nodeName);
      throw error;
    }
  }
}
