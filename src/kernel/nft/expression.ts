import type { DataTypeName, Scalar } from './datatype.ts';
import type { KeyType, MapSpec } from './spec.ts';

/** What `meta()` can read. */
export type MetaKey =
  | 'iif'
  | 'oif'
  | 'iifname'
  | 'oifname'
  | 'iifgroup'
  | 'oifgroup'
  | 'iiftype'
  | 'oiftype'
  | 'mark'
  | 'l4proto'
  | 'nfproto'
  | 'protocol'
  | 'length'
  | 'priority'
  | 'pkttype'
  | 'skuid'
  | 'skgid'
  | 'cpu'
  | 'iifkind'
  | 'oifkind';

/** What `ct()` can read. */
export type CtKey =
  | 'state'
  | 'status'
  | 'mark'
  | 'direction'
  | 'expiration'
  | 'id'
  | 'zone'
  | 'l3proto'
  | 'protocol'
  | 'ip saddr'
  | 'ip daddr'
  | 'ip6 saddr'
  | 'ip6 daddr'
  | 'proto-src'
  | 'proto-dst'
  | 'packets'
  | 'bytes';

export type FibSelector = 'saddr' | 'daddr' | 'mark' | 'iif' | 'oif';
export type FibResult = 'type' | 'oif' | 'oifname' | 'check';

export type EtherField = 'saddr' | 'daddr' | 'type';
export type ArpField =
  | 'operation'
  | 'saddr ip'
  | 'daddr ip'
  | 'saddr ether'
  | 'daddr ether'
  | 'htype'
  | 'ptype';
export type IpField = 'saddr' | 'daddr' | 'protocol' | 'ttl' | 'length' | 'id' | 'checksum';
export type Ip6Field = 'saddr' | 'daddr' | 'nexthdr' | 'hoplimit' | 'length';
export type PortField = 'sport' | 'dport';
export type TcpField = PortField | 'flags' | 'sequence' | 'ackseq' | 'window' | 'checksum';
export type UdpField = PortField | 'length' | 'checksum';
export type SctpField = PortField | 'vtag' | 'checksum';
export type Icmp6Field = 'type' | 'code' | 'id' | 'sequence';
/** The quoted ones are of the packet that an ICMP error is about. */
export type IcmpField =
  | Icmp6Field
  | 'quoted protocol'
  | 'quoted saddr'
  | 'quoted daddr'
  | 'quoted sport'
  | 'quoted dport';

export type Protocol = 'ether' | 'arp' | 'ip' | 'ip6' | 'tcp' | 'udp' | 'sctp' | 'th' | 'icmp' | 'icmpv6';

/** Something that a rule reads from the packet, its connection or the system: plain data, with a type. */
export type Value =
  | { readonly kind: 'meta'; readonly key: MetaKey }
  | { readonly kind: 'payload'; readonly protocol: Protocol; readonly field: string }
  | { readonly kind: 'ct'; readonly key: CtKey; readonly direction?: 'original' | 'reply' }
  | { readonly kind: 'fib'; readonly select: readonly FibSelector[]; readonly result: FibResult }
  | {
      readonly kind: 'numgen';
      readonly mode: 'inc' | 'random';
      readonly modulus: number;
      readonly offset: number;
    }
  | {
      readonly kind: 'jhash';
      readonly of: readonly Value[];
      readonly modulus: number;
      readonly seed?: number;
      readonly offset: number;
    }
  | { readonly kind: 'bitwise'; readonly of: Value; readonly and: number; readonly xor: number }
  | {
      readonly kind: 'mapped';
      readonly of: readonly Value[];
      readonly map: string | InlineMap;
      readonly data: KeyType;
    }
  | { readonly kind: 'constant'; readonly type: DataTypeName; readonly value: Scalar };

/** A nameless map that lives and dies with its rule. */
export interface InlineMap {
  readonly entries: readonly (readonly [key: Scalar | readonly Scalar[], data: Scalar | readonly Scalar[]])[];
}

/** One value or a concatenation. */
export type Values = Value | readonly Value[];

/** Packet metadata: `meta('iifname')`, `meta('mark')`. */
export function meta(key: MetaKey): Value {
  return { kind: 'meta', key };
}

/** A field of the Ethernet header. */
export function ether(field: EtherField): Value {
  return { kind: 'payload', protocol: 'ether', field };
}

/** A field of an ARP packet (IPv4 over Ethernet). */
export function arp(field: ArpField): Value {
  return { kind: 'payload', protocol: 'arp', field };
}

/**
 * A field of the IPv4 header. As with nft, a rule in a table that also sees other packets is first
 * restricted to IPv4, without being asked; so it is for the other protocols.
 */
export function ip(field: IpField): Value {
  return { kind: 'payload', protocol: 'ip', field };
}

export function ip6(field: Ip6Field): Value {
  return { kind: 'payload', protocol: 'ip6', field };
}

export function tcp(field: TcpField): Value {
  return { kind: 'payload', protocol: 'tcp', field };
}

export function udp(field: UdpField): Value {
  return { kind: 'payload', protocol: 'udp', field };
}

export function sctp(field: SctpField): Value {
  return { kind: 'payload', protocol: 'sctp', field };
}

/** A port whatever the transport protocol is: nothing is checked, so match `meta('l4proto')` beside it. */
export function th(field: PortField): Value {
  return { kind: 'payload', protocol: 'th', field };
}

export function icmp(field: IcmpField): Value {
  return { kind: 'payload', protocol: 'icmp', field };
}

export function icmpv6(field: Icmp6Field): Value {
  return { kind: 'payload', protocol: 'icmpv6', field };
}

/** Of the packet's connection. Addresses, ports and counts exist once in each `direction` and need it. */
export function ct(key: CtKey, direction?: 'original' | 'reply'): Value {
  return direction === undefined ? { kind: 'ct', key } : { kind: 'ct', key, direction };
}

/**
 * What the routing table says: of which type the selected address is (`fib(['daddr'], 'type')` is `local`,
 * `unicast`, ...), through which device it goes (`oif`, `oifname`), or whether there is a route at all (`check`:
 * match it to true or false; with `['saddr', 'iif']` it is a reverse path filter).
 */
export function fib(select: readonly FibSelector[], result: FibResult): Value {
  return { kind: 'fib', select, result };
}

/** A number 0..modulus-1, plus `offset`: in turn (`inc`) or at random. */
export function numgen(mode: 'inc' | 'random', modulus: number, offset = 0): Value {
  return { kind: 'numgen', mode, modulus, offset };
}

/** The Jenkins hash of values, 0..modulus-1, plus `offset`. The kernel picks the seed when none is given. */
export function jhash(of: Values, modulus: number, options: { seed?: number; offset?: number } = {}): Value {
  const { seed, offset = 0 } = options;
  const common = { kind: 'jhash', of: valueList(of), modulus, offset } as const;
  return seed === undefined ? common : { ...common, seed };
}

/** `(of & and) ^ xor`, for numbers up to 32 bits. */
export function bitwise(of: Value, and: number, xor = 0): Value {
  return { kind: 'bitwise', of, and, xor };
}

/** `of & mask`. */
export function masked(of: Value, mask: number): Value {
  return bitwise(of, mask, 0);
}

/** `of | bits`. */
export function withBits(of: Value, bits: number): Value {
  return bitwise(of, ~bits >>> 0, bits);
}

/**
 * What a map holds for a key; a rule that finds nothing ends there. `data` is the type of the map's values: not
 * needed when the map is given by its specification.
 */
export function mapped(of: Values, map: MapSpec): Value;
export function mapped(of: Values, map: string | InlineMap, data: KeyType): Value;
export function mapped(of: Values, map: string | InlineMap | MapSpec, data?: KeyType): Value {
  if (typeof map === 'object' && 'data' in map)
    return { kind: 'mapped', of: valueList(of), map: map.name, data: map.data as KeyType };
  return { kind: 'mapped', of: valueList(of), map, data: data as KeyType };
}

/** A constant where a value is wanted, for instance in `setMeta`. */
export function constant(type: DataTypeName, value: Scalar): Value {
  return { kind: 'constant', type, value };
}

export function valueList(values: Values): readonly Value[] {
  return Array.isArray(values) ? values : [values as Value];
}
