/** How a node reaches the blocks of the others; see the design's "a packet between nodes". */
export type RoutingMode = 'fabric' | 'direct' | 'vxlan' | 'auto';

/** Another node, as the `direct`, `vxlan` and `auto` modes need it. */
export interface Peer {
  readonly name: string;
  /** The node's own addresses, at most one a family. */
  readonly addresses: readonly string[];
  /** Its pod blocks, as CIDRs. */
  readonly blocks: readonly string[];
}

/** What the data plane of one node is made from. All CIDRs are strict (no host bits) and checked. */
export interface NodeNetwork {
  readonly nodeName: string;
  /** This node's addresses, at most one a family; pods leave the cluster wearing them. */
  readonly nodeAddresses: readonly string[];
  /** The blocks that this node's pods take their addresses from, at most one a family. */
  readonly nodeBlocks: readonly string[];
  /** Where all pods of the cluster live: never translated among each other. */
  readonly podCIDRs: readonly string[];
  /** Destinations outside the pod CIDRs that see pod addresses all the same. */
  readonly nonMasqueradeRanges: readonly string[];
  readonly routing: RoutingMode;
  /** The pods' MTU in bytes; 0 copies the node's NIC (less the tunnel's header where tunnels are used). */
  readonly mtu: number;
  readonly peers: readonly Peer[];
  /**
   * Whether connections among pods are tracked by conntrack. Off, they pass `notrack`, which gains throughput.
   * Tracked all the same: pods with host ports, and on its client's node what goes to or comes from a backend of a
   * Service (`services/` keeps the set of them), which may have to be translated back. A proxy that is not ours
   * translates by itself and does not keep that set: it needs this on.
   */
  readonly trackPodTraffic: boolean;
}

/** The interface that carries the node's address, as found in the kernel. */
export interface Uplink {
  readonly name: string;
  readonly index: number;
  readonly mtu: number;
  /** Bytes of the largest unsegmented IPv4 packet it takes; absent where the kernel does not say. */
  readonly gsoIpv4MaxSize?: number;
  /** Every address on it. */
  readonly addresses: readonly { readonly address: string; readonly prefixLength: number }[];
}
