import type { Conntrack } from '../../../kernel/conntrack/conntrack.ts';
import type { CounterValue, Nft } from '../../../kernel/nft/index.ts';
import type { ServiceTranslation } from '../../../service/types.ts';

/** What the tables must know of the node and its cluster. All CIDRs are strict (no host bits) and checked. */
export interface ServiceNetwork {
  /** The node's own addresses: node ports are there, and translated sources wear them. At most a few. */
  readonly nodeAddresses: readonly string[];
  /** Where all pods of the cluster live: who comes from there is inside. */
  readonly podCIDRs: readonly string[];
  /** Packets to an address in these that no Service has are dropped instead of leaving by the default route. */
  readonly serviceCIDRs?: readonly string[];
}

/** What {@link ServiceTable.sync} found and did. */
export interface ServiceFindings {
  /** The table was not there, or not of this layout, and was made as a whole. */
  readonly created: boolean;
  /** Elements, chains and rules that were added, changed or removed; 0 when the kernel was right. */
  readonly changes: number;
  /** UDP connections that were forgotten because they led to a backend that is gone. */
  readonly forgotten: number;
  /** What is not in force, and why: one sentence each. */
  readonly problems: readonly string[];
}

/** The Services of one node in the kernel: table `inet flyover-services`. */
export class ServiceTable {
  /** Closes both with this object; they must be bound to the node's namespace. */
  constructor(nft: Nft, conntrack: Conntrack, network: ServiceNetwork) {
    void [nft, conntrack, network];
  }

  /** Another configuration of the node; in force with the next {@link sync}. */
  configure(network: ServiceNetwork): void {
    void network;
  }

  /**
   * Brings the kernel to exactly these, whatever it holds: at the start, and from time to time to repair what others
   * did. Nothing is touched that is right already.
   */
  sync(services: Iterable<ServiceTranslation>): ServiceFindings {
    throw new Error(`not yet: ${services}`);
  }

  /**
   * Only what changed, in one transaction; `gone` are keys. Where the kernel's table turns out not to be what was left
   * there, everything is brought up to date instead.
   */
  update(changed: readonly ServiceTranslation[], gone: readonly string[]): ServiceFindings {
    throw new Error(`not yet: ${changed} ${gone}`);
  }

  /** The table's named counters; they live as long as the table, over restarts of the agent. */
  counters(): Map<string, CounterValue> {
    return new Map();
  }

  /** Takes everything away. Connections that were translated already stay translated. */
  remove(): void {}

  close(): void {}

  [Symbol.dispose](): void {
    this.close();
  }
}
