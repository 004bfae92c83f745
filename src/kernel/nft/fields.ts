import type { DataTypeName } from './datatype.ts';
import type { CtKey, MetaKey, Protocol } from './expression.ts';

/** Where values lie and of which type they are. Numbers: linux/netfilter/nf_tables.h and the protocols' headers. */

export const metaKeys: Readonly<Record<MetaKey | 'nftrace', readonly [key: number, type: DataTypeName]>> = {
  length: [0, 'integer'],
  protocol: [1, 'ether_type'],
  priority: [2, 'classid'],
  mark: [3, 'mark'],
  iif: [4, 'iface_index'],
  oif: [5, 'iface_index'],
  iifname: [6, 'ifname'],
  oifname: [7, 'ifname'],
  iiftype: [8, 'iface_type'],
  oiftype: [9, 'iface_type'],
  skuid: [10, 'uid'],
  skgid: [11, 'gid'],
  nftrace: [12, 'boolean'],
  nfproto: [15, 'nf_proto'],
  l4proto: [16, 'inet_proto'],
  pkttype: [19, 'pkt_type'],
  cpu: [20, 'integer'],
  iifgroup: [21, 'devgroup'],
  oifgroup: [22, 'devgroup'],
  iifkind: [26, 'ifname'],
  oifkind: [27, 'ifname'],
};

export const ctKeys: Readonly<Record<CtKey, readonly [key: number, type: DataTypeName]>> = {
  state: [0, 'ct_state'],
  direction: [1, 'ct_dir'],
  status: [2, 'ct_status'],
  mark: [3, 'mark'],
  expiration: [5, 'time'],
  l3proto: [7, 'nf_proto'],
  protocol: [10, 'inet_proto'],
  'proto-src': [11, 'inet_service'],
  'proto-dst': [12, 'inet_service'],
  packets: [14, 'integer64'],
  bytes: [15, 'integer64'],
  zone: [17, 'zone'],
  'ip saddr': [19, 'ipv4_addr'],
  'ip daddr': [20, 'ipv4_addr'],
  'ip6 saddr': [21, 'ipv6_addr'],
  'ip6 daddr': [22, 'ipv6_addr'],
  id: [23, 'integer32'],
};

/** Keys that exist once in each direction: the kernel wants to know which. */
export const directedCtKeys: ReadonlySet<CtKey> = new Set([
  'l3proto',
  'protocol',
  'proto-src',
  'proto-dst',
  'ip saddr',
  'ip daddr',
  'ip6 saddr',
  'ip6 daddr',
]);

export type Base = 'link' | 'network' | 'transport';
export const baseNumber: Readonly<Record<Base, number>> = { link: 0, network: 1, transport: 2 };

export interface Field {
  readonly offset: number;
  readonly type: DataTypeName;
}

export interface ProtocolFields {
  readonly base: Base;
  readonly fields: Readonly<Record<string, Field>>;
  /** The packet must be of this network protocol. */
  readonly network?: 'ip' | 'ip6' | 'arp';
  /** The packet must be of this transport protocol: its number. */
  readonly transport?: number;
  /** Offset of the checksum of this header, in this header. */
  readonly checksum?: number;
}

const ports = { sport: at(0, 'inet_service'), dport: at(2, 'inet_service') };
/** In the header that an ICMP error quotes, which stands behind 8 bytes: of a packet without IP options. */
const quoted = {
  'quoted protocol': at(8 + 9, 'inet_proto'),
  'quoted saddr': at(8 + 12, 'ipv4_addr'),
  'quoted daddr': at(8 + 16, 'ipv4_addr'),
  'quoted sport': at(8 + 20, 'inet_service'),
  'quoted dport': at(8 + 22, 'inet_service'),
};
const echo = {
  type: at(0, 'icmp_type'),
  code: at(1, 'integer8'),
  id: at(4, 'integer16'),
  sequence: at(6, 'integer16'),
};

export const protocolFields: Readonly<Record<Protocol, ProtocolFields>> = {
  ether: {
    base: 'link',
    fields: { daddr: at(0, 'ether_addr'), saddr: at(6, 'ether_addr'), type: at(12, 'ether_type') },
  },
  arp: {
    base: 'network',
    network: 'arp',
    fields: {
      htype: at(0, 'integer16'),
      ptype: at(2, 'ether_type'),
      operation: at(6, 'arp_op'),
      'saddr ether': at(8, 'ether_addr'),
      'saddr ip': at(14, 'ipv4_addr'),
      'daddr ether': at(18, 'ether_addr'),
      'daddr ip': at(24, 'ipv4_addr'),
    },
  },
  ip: {
    base: 'network',
    network: 'ip',
    checksum: 10,
    fields: {
      length: at(2, 'integer16'),
      id: at(4, 'integer16'),
      ttl: at(8, 'integer8'),
      protocol: at(9, 'inet_proto'),
      checksum: at(10, 'integer16'),
      saddr: at(12, 'ipv4_addr'),
      daddr: at(16, 'ipv4_addr'),
    },
  },
  ip6: {
    base: 'network',
    network: 'ip6',
    fields: {
      length: at(4, 'integer16'),
      nexthdr: at(6, 'inet_proto'),
      hoplimit: at(7, 'integer8'),
      saddr: at(8, 'ipv6_addr'),
      daddr: at(24, 'ipv6_addr'),
    },
  },
  tcp: {
    base: 'transport',
    transport: 6,
    checksum: 16,
    fields: {
      ...ports,
      sequence: at(4, 'integer32'),
      ackseq: at(8, 'integer32'),
      flags: at(13, 'tcp_flag'),
      window: at(14, 'integer16'),
      checksum: at(16, 'integer16'),
    },
  },
  udp: {
    base: 'transport',
    transport: 17,
    checksum: 6,
    fields: { ...ports, length: at(4, 'integer16'), checksum: at(6, 'integer16') },
  },
  sctp: {
    base: 'transport',
    transport: 132,
    fields: { ...ports, vtag: at(4, 'integer32'), checksum: at(8, 'integer32') },
  },
  th: { base: 'transport', fields: ports },
  icmp: { base: 'transport', network: 'ip', transport: 1, checksum: 2, fields: { ...echo, ...quoted } },
  icmpv6: {
    base: 'transport',
    network: 'ip6',
    transport: 58,
    checksum: 2,
    fields: { ...echo, type: at(0, 'icmpv6_type') },
  },
};

function at(offset: number, type: DataTypeName): Field {
  return { offset, type };
}
