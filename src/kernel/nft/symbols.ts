/** Names for numbers, as nft writes them. Sources: IANA registries and the kernel's uapi headers. */

type Symbols = ReadonlyMap<string, number>;

const map = (entries: Record<string, number>): Symbols => new Map(Object.entries(entries));

/** linux/netfilter.h, NFPROTO_*. */
export const nfProtocols = map({ ipv4: 2, ipv6: 10 });

export const protocols = map({
  icmp: 1,
  igmp: 2,
  tcp: 6,
  udp: 17,
  dccp: 33,
  gre: 47,
  esp: 50,
  ah: 51,
  'ipv6-icmp': 58,
  icmpv6: 58,
  comp: 108,
  sctp: 132,
  udplite: 136,
});

/** linux/if_ether.h, ETH_P_*. */
export const etherTypes = map({ ip: 0x0800, arp: 0x0806, vlan: 0x8100, ip6: 0x86dd });

export const arpOperations = map({ request: 1, reply: 2 });

export const icmpTypes = map({
  'echo-reply': 0,
  'destination-unreachable': 3,
  'source-quench': 4,
  redirect: 5,
  'echo-request': 8,
  'router-advertisement': 9,
  'router-solicitation': 10,
  'time-exceeded': 11,
  'parameter-problem': 12,
  'timestamp-request': 13,
  'timestamp-reply': 14,
});

export const icmpv6Types = map({
  'destination-unreachable': 1,
  'packet-too-big': 2,
  'time-exceeded': 3,
  'parameter-problem': 4,
  'echo-request': 128,
  'echo-reply': 129,
  'mld-listener-query': 130,
  'mld-listener-report': 131,
  'mld-listener-done': 132,
  'nd-router-solicit': 133,
  'nd-router-advert': 134,
  'nd-neighbor-solicit': 135,
  'nd-neighbor-advert': 136,
  'nd-redirect': 137,
  'mld2-listener-report': 143,
});

export const tcpFlags = map({
  fin: 0x01,
  syn: 0x02,
  rst: 0x04,
  psh: 0x08,
  ack: 0x10,
  urg: 0x20,
  ecn: 0x40,
  cwr: 0x80,
});

/** linux/netfilter/nf_conntrack_common.h: 1 << (ctinfo % 3 + 1), invalid and untracked apart. */
export const ctStates = map({ invalid: 1, established: 2, related: 4, new: 8, untracked: 64 });

export const ctDirections = map({ original: 0, reply: 1 });

/** linux/netfilter/nf_conntrack_common.h, IPS_*. */
export const ctStatuses = map({
  expected: 1,
  'seen-reply': 2,
  assured: 4,
  confirmed: 8,
  snat: 16,
  dnat: 32,
  dying: 512,
});

/** linux/if_packet.h. */
export const packetTypes = map({ host: 0, unicast: 0, broadcast: 1, multicast: 2, other: 3 });

/** linux/rtnetlink.h, RTN_*. */
export const addressTypes = map({
  unspec: 0,
  unicast: 1,
  local: 2,
  broadcast: 3,
  anycast: 4,
  multicast: 5,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
});

/** linux/if_arp.h. */
export const interfaceTypes = map({
  ether: 1,
  ppp: 512,
  ipip: 768,
  ipip6: 769,
  loopback: 772,
  sit: 776,
  ipgre: 778,
});

const reverse = new WeakMap<Symbols, Map<number, string>>();

/** The first symbol for a number. */
export function symbolFor(symbols: Symbols | undefined, number: number): string | undefined {
  if (symbols === undefined) return undefined;
  let back = reverse.get(symbols);
  if (back === undefined) {
    back = new Map();
    for (const [symbol, value] of symbols) if (!back.has(value)) back.set(value, symbol);
    reverse.set(symbols, back);
  }
  return back.get(number);
}
