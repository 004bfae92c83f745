/** How a packet of a connection looks on its way in one direction. */
export interface Tuple {
  readonly source: string;
  readonly destination: string;
  /** IP protocol number: 6 TCP, 17 UDP, 132 SCTP. */
  readonly protocol: number;
  /** 1..65535; absent for protocols without ports. */
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  /** ICMP and ICMPv6 have these in place of ports. */
  readonly icmp?: { readonly type: number; readonly code: number; readonly id: number };
}

/** One tracked connection. */
export interface Connection {
  readonly family: 4 | 6;
  /** As its first packet came in. */
  readonly original: Tuple;
  /** As answers come in: where `original` was translated, this one has the other addresses. */
  readonly reply: Tuple;
  /** Conntrack's number for it; another connection may get it later. */
  readonly id: number;
  /** Bits of IPS_*: see {@link DESTINATION_TRANSLATED}. */
  readonly status: number;
  readonly mark: number;
  readonly zone: number;
  /** Seconds until it is forgotten without another packet; absent in events. */
  readonly timeout?: number;
}

/** linux/netfilter/nf_conntrack_common.h, IPS_*_BIT as bits. */
export const SEEN_REPLY = 1 << 1;
export const ASSURED = 1 << 2;
export const SOURCE_TRANSLATED = 1 << 4;
export const DESTINATION_TRANSLATED = 1 << 5;

/** Which connections; without any of these all of them. */
export interface ConnectionFilter {
  readonly family?: 4 | 6;
  /** IP protocol number of the original direction. */
  readonly protocol?: number;
  /** Only connections with all these bits of `status`. */
  readonly status?: number;
  /** `mark & mask` must be `value`. */
  readonly mark?: { readonly value: number; readonly mask: number };
}

/** The connections of one network namespace: the kernel's (`ConntrackSocket`) or an imitation (`FakeConntrack`). */
export interface Conntrack {
  /**
   * Gives each connection to `visit`, one at a time, so that a table of millions needs no memory here. One that comes
   * or goes meanwhile may be missed, one that moves in the kernel's table be given twice.
   *
   * @throws KernelError
   */
  each(filter: ConnectionFilter, visit: (connection: Connection) => void): void;
  /** The same as a list: for filters with few hits. */
  list(filter?: ConnectionFilter): Connection[];
  /**
   * Forgets a connection: its next packet is a first one again.
   *
   * @returns whether it was still there
   */
  delete(connection: Connection): boolean;
  /** How many there are. */
  count(): number;
  close(): void;
  [Symbol.dispose](): void;
}
