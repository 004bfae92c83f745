import { type Cidr, cidrsOverlap, formatCidr, parseCidr } from '../../address/cidr.ts';
import { isAddressError, shown } from '../../address/error.ts';
import { BlockPool } from './block-pool.ts';
import type { BlockSettings } from './settings.ts';

/** Something that a person should know about a node's blocks: an event's reason and text. */
export interface Notice {
  readonly reason:
    | 'BlockRefused'
    | 'BlockUnavailable'
    | 'CIDRNotAvailable'
    | 'BlockForeign'
    | 'BlockOverlaps'
    | 'BlockIncomplete';
  readonly message: string;
}

/** The annotation by which a node asks for the blocks that its platform has planned for it. */
export const REQUESTED = 'flyover.dev/requested-pod-cidrs';

const CHANGE = 'podCIDRs in ConfigMap kube-system/flyover-config';

/**
 * Who has which block, in all families: one block of each for every node, all or none. Pure; its memory is what the
 * nodes' specs say, and what was promised to nodes whose specs are being written.
 */
export class ClusterBlocks {
  readonly settings: BlockSettings;
  readonly #pools: readonly BlockPool[];
  readonly #families: readonly (4 | 6)[];

  constructor(settings: BlockSettings) {
    this.settings = settings;
    this.#pools = settings.podCIDRs.map(
      (cidr, i) => new BlockPool(cidr, settings.blockPrefix[cidr.family], `podCIDRs[${i}]`),
    );
    this.#families = [...new Set(settings.podCIDRs.map((cidr) => cidr.family))];
  }

  /** How many nodes the scarcest family serves, and how many have a block of it. */
  stats(): { readonly capacity: bigint; readonly used: number } {
    const all = this.#families.map((family) => this.#statsOf(family));
    return all.reduce((a, b) => (b.capacity - BigInt(b.used) < a.capacity - BigInt(a.used) ? b : a));
  }

  /**
   * Takes note of what a node has, whoever gave it. Nothing that it has is taken from it; what is strange about it is
   * returned.
   */
  adopt(node: string, texts: readonly string[]): Notice[] {
    const cidrs: Cidr[] = [];
    const notices: Notice[] = [];
    for (const text of texts) {
      try {
        cidrs.push(parseCidr(text, 'spec.podCIDRs'));
      } catch (error) {
        if (!isAddressError(error)) throw error;
        notices.push({ reason: 'BlockForeign', message: error.message });
      }
    }
    // What was promised to it and is not what it got.
    for (const pool of this.#pools) {
      pool.unmark(node);
      const promised = pool.get(node);
      if (promised && !cidrs.some((cidr) => formatCidr(cidr) === formatCidr(promised))) pool.release(node);
    }
    for (const cidr of cidrs) notices.push(...this.#adoptOne(node, cidr));
    for (const family of this.#families) {
      if (cidrs.length === 0 || cidrs.some((cidr) => cidr.family === family)) continue;
      notices.push({
        reason: 'BlockIncomplete',
        message: `spec.podCIDRs '${texts.join(',')}' has no IPv${family} block, and Kubernetes lets nobody add one later; delete the Node and let its kubelet register it anew, or leave its pods without IPv${family}`,
      });
    }
    return notices;
  }

  #adoptOne(node: string, cidr: Cidr): Notice[] {
    const text = formatCidr(cidr);
    const pools = this.#pools.filter((pool) => cidrsOverlap(pool.podCidr, cidr));
    if (pools.length === 0) {
      const ranges = this.settings.podCIDRs.map(formatCidr).join(', ');
      return [
        {
          reason: 'BlockForeign',
          message: `spec.podCIDRs '${text}' was given by somebody else and is not in the pod CIDRs (${ranges}); add its range to ${CHANGE}, or switch off whoever gave it (kube-controller-manager: --allocate-node-cidrs=false) and register the node anew`,
        },
      ];
    }
    const notices: Notice[] = [];
    for (const pool of pools) {
      if (pool.get(node) && formatCidr(pool.get(node)!) === text) continue;
      const other = pool.ownerOf(cidr, node);
      if (pool.isBlock(cidr) && other === undefined) {
        pool.reserve(node, cidr);
        continue;
      }
      if (!pool.isBlock(cidr)) {
        notices.push({
          reason: 'BlockForeign',
          message: `spec.podCIDRs '${text}' was given by somebody else and is no /${pool.blockPrefix} of ${formatCidr(pool.podCidr)}; it is left alone, and nothing of it is given to another node`,
        });
      }
      if (other !== undefined) {
        notices.push({
          reason: 'BlockOverlaps',
          message: `spec.podCIDRs '${text}' has addresses of node '${shown(other)}' in it, and pods of the two could get the same one; drain one of the two nodes, delete its Node and register it anew`,
        });
      }
      pool.mark(node, cidr);
    }
    return notices;
  }

  /**
   * Promises a node one block of each family: those that it asks for, the lowest free ones otherwise. The same again
   * when it has some. A refusal changes nothing.
   * @param requested what {@link REQUESTED} says
   */
  allocate(node: string, requested: string | undefined): readonly Cidr[] | Notice {
    const wanted = requested === undefined ? [] : this.#wanted(node, requested);
    if (!Array.isArray(wanted)) return wanted as Notice;
    // Asked for something else than what was promised before, and not written: the promise was to nobody.
    for (const { pool, block } of wanted) {
      const promised = pool.get(node);
      if (promised && formatCidr(promised) !== formatCidr(block)) pool.release(node);
    }
    // Somebody else has turned up with it before it was written. Had it been written all the same, the node's version is another
    // one, and the next write is refused.
    for (const pool of this.#pools) {
      const promised = pool.get(node);
      if (promised && pool.ownerOf(promised, node) !== undefined) pool.release(node);
    }
    const fresh: BlockPool[] = [];
    const blocks: Cidr[] = [];
    for (const family of this.#families) {
      const asked = wanted.find(({ block }) => block.family === family);
      const pools = this.#pools.filter((pool) => pool.podCidr.family === family);
      const has = pools.find((pool) => pool.get(node) !== undefined);
      const pool = asked?.pool ?? has ?? pools.find((one) => one.allocate(node) !== undefined);
      if (!pool) {
        for (const one of fresh) one.release(node);
        return this.#exhausted(family);
      }
      if (asked) pool.reserve(node, asked.block);
      if (!has) fresh.push(pool);
      blocks.push(pool.get(node)!);
    }
    return blocks;
  }

  /** Frees what a node had. Whether that was anything. */
  release(node: string): boolean {
    return this.#pools.map((pool) => pool.release(node)).includes(true);
  }

  #wanted(node: string, requested: string): { pool: BlockPool; block: Cidr }[] | Notice {
    const refused = (rule: string, fix: string, reason: Notice['reason'] = 'BlockRefused'): Notice => ({
      reason,
      message: `annotation ${REQUESTED} '${shown(requested)}' ${rule}; ${fix}. The node gets no block`,
    });
    const wanted: { pool: BlockPool; block: Cidr }[] = [];
    const texts = requested.split(',').map((text) => text.trim());
    for (const text of texts) {
      let block: Cidr;
      try {
        block = parseCidr(text, REQUESTED);
      } catch (error) {
        if (!isAddressError(error)) throw error;
        return refused(error.rule, error.fix);
      }
      const size = this.settings.blockPrefix[block.family];
      const pool = this.#pools.find((one) => cidrsOverlap(one.podCidr, block));
      if (block.prefixLength !== size)
        return refused(
          `asks for a /${block.prefixLength}`,
          `ask for a /${size}, as every node of the cluster has`,
        );
      if (!pool?.isBlock(block)) {
        const ranges = this.settings.podCIDRs.map(formatCidr).join(', ');
        return refused(
          `is not in the pod CIDRs (${ranges})`,
          `ask for a /${size} of them, or change ${CHANGE}`,
        );
      }
      if (wanted.some((one) => one.block.family === block.family))
        return refused(`asks for two IPv${block.family} blocks`, 'ask for one of each family');
      const owner = pool.ownerOf(block, node);
      if (owner !== undefined)
        return refused(
          `asks for what node '${shown(owner)}' has`,
          'ask for another block, or delete that Node: this one gets the block as soon as it is free',
          'BlockUnavailable',
        );
      wanted.push({ pool, block });
    }
    return wanted;
  }

  #exhausted(family: 4 | 6): Notice {
    const { capacity, used } = this.#statsOf(family);
    const ranges = this.settings.podCIDRs.filter((cidr) => cidr.family === family).map(formatCidr);
    return {
      reason: 'CIDRNotAvailable',
      message: `podCIDRs '${ranges.join(',')}' has no free /${this.settings.blockPrefix[family]} left: it serves ${capacity} nodes, and ${used} have a block of it; delete nodes that are gone, or add a range to ${CHANGE}`,
    };
  }

  #statsOf(family: 4 | 6): { capacity: bigint; used: number } {
    let capacity = 0n;
    let used = 0;
    for (const pool of this.#pools) {
      if (pool.podCidr.family !== family) continue;
      capacity += pool.capacity;
      used += pool.size;
    }
    return { capacity, used };
  }
}
