import type { AttributeReader } from './attributes.ts';
import { bytesToMac } from './ip.ts';
import type { NetlinkMessage } from './message.ts';

// include/uapi/linux/if_link.h, rtnetlink.h, veth.h
export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
export const RTM_GETLINK = 18;
export const RTM_SETLINK = 19;
export const RTM_GETSTATS = 94;

export const IFLA_ADDRESS = 1;
export const IFLA_IFNAME = 3;
export const IFLA_MTU = 4;
const IFLA_LINK = 5;
export const IFLA_MASTER = 10;
const IFLA_OPERSTATE = 16;
export const IFLA_LINKINFO = 18;
export const IFLA_IFALIAS = 20;
const IFLA_STATS64 = 23;
export const IFLA_GROUP = 27;
export const IFLA_EXT_MASK = 29;
const IFLA_CARRIER = 33;
const IFLA_LINK_NETNSID = 37;
export const IFLA_GSO_IPV4_MAX_SIZE = 63;
export const IFLA_GRO_IPV4_MAX_SIZE = 64;
export const IFLA_INFO_KIND = 1;
export const IFLA_STATS_LINK_64 = 1;
/** Leaves the statistics out of a link message. */
export const RTEXT_FILTER_SKIP_STATS = 8;

export const IFF_UP = 1;
const IFF_LOWER_UP = 0x10000;
export const IFINFO_LENGTH = 16;
const IF_STATS_LENGTH = 12;

const OPERSTATES = ['unknown', 'notpresent', 'down', 'lowerlayerdown', 'testing', 'dormant', 'up'] as const;

/** Traffic counters since the link was made; exact up to 2^53. */
export interface LinkStats {
  readonly rxPackets: number;
  readonly txPackets: number;
  readonly rxBytes: number;
  readonly txBytes: number;
  readonly rxErrors: number;
  readonly txErrors: number;
  readonly rxDropped: number;
  readonly txDropped: number;
}

export interface Link {
  readonly index: number;
  readonly name: string;
  /** `veth`, `vxlan`, `bridge`, ...; absent for physical devices and lo. */
  readonly kind?: string;
  readonly mtu: number;
  /** Empty for links without a link-layer address. */
  readonly mac: string;
  /** Administratively up. */
  readonly up: boolean;
  /** The other end is there and up. */
  readonly carrier: boolean;
  readonly operState: (typeof OPERSTATES)[number];
  /** Index of the bridge this link is a port of. */
  readonly master?: number;
  readonly group: number;
  readonly alias?: string;
  /** Of a veth: index of the other end, in the namespace {@link peerNetnsId} (absent: in this one). */
  readonly peerIndex?: number;
  readonly peerNetnsId?: number;
  /** Bytes of the largest IPv4 packet that the stack hands to this link for segmentation; Linux 6.3 and later say. */
  readonly gsoIpv4MaxSize?: number;
  readonly stats: LinkStats;
}

/** IPv4 settings of one link, as in /proc/sys/net/ipv4/conf/<link>/. */
export interface LinkIpv4 {
  readonly forwarding?: boolean | undefined;
  readonly proxyArp?: boolean | undefined;
  readonly acceptRedirects?: boolean | undefined;
  readonly sendRedirects?: boolean | undefined;
  /** 0 off, 1 strict, 2 loose. */
  readonly rpFilter?: 0 | 1 | 2 | undefined;
  readonly arpIgnore?: number | undefined;
  readonly arpAnnounce?: number | undefined;
  readonly routeLocalnet?: boolean | undefined;
  readonly acceptLocal?: boolean | undefined;
}

/** What both ends of a veth, and every new link, may be given. */
export interface LinkOptions {
  /** 1..15 bytes without `/` or blanks. */
  readonly name: string;
  /** Chosen by the kernel when absent. */
  readonly mac?: string | undefined;
  /** Bytes, 68..65535; IPv6 needs 1280. */
  readonly mtu?: number | undefined;
  readonly group?: number | undefined;
  /**
   * Queues for sending and for receiving, each, 1..4096. A veth gets one for each possible processor unless told
   * otherwise, all with their entries in sysfs, and needs no more than one: it sends without a lock.
   */
  readonly queues?: number | undefined;
  /** Free text of up to 255 bytes. */
  readonly alias?: string | undefined;
}

export interface VethEnd extends LinkOptions {
  /** Path of the namespace in which this end is made; the socket's own when absent. */
  readonly netns?: string | undefined;
}

export interface VethOptions extends VethEnd {
  readonly peer: VethEnd;
}

export interface BridgeOptions extends LinkOptions {
  readonly up?: boolean | undefined;
}

export interface VxlanOptions extends LinkOptions {
  readonly up?: boolean | undefined;
  /** 0..16777215 */
  readonly vni: number;
  /** Source address of the outer packets. */
  readonly local?: string | undefined;
  /** UDP port, 4789 when absent. */
  readonly port?: number | undefined;
  /** Learn MAC addresses from packets; default false: entries come from setFdb. */
  readonly learning?: boolean | undefined;
  /** The link that carries the outer packets. */
  readonly dev?: string | number | undefined;
}

export interface LinkChange {
  readonly up?: boolean | undefined;
  readonly mtu?: number | undefined;
  /**
   * Bytes of the largest IPv4 packet that is handed over unsegmented, sent (GSO) and collected (GRO): 65536 unless
   * changed, more is "BIG TCP", at most what the driver takes (a veth: 524280). Kernels before 6.3 ignore it.
   */
  readonly gsoIpv4MaxSize?: number | undefined;
  readonly mac?: string | undefined;
  /** A new name; the link must be down unless the kernel is 6.2 or later. */
  readonly name?: string | undefined;
  readonly alias?: string | undefined;
  readonly group?: number | undefined;
  /** The bridge to join; null leaves it. */
  readonly master?: string | number | null | undefined;
  /** Path of the namespace to move to. */
  readonly netns?: string | undefined;
  readonly ipv4?: LinkIpv4 | undefined;
  /** Whether the kernel makes up an fe80:: address when the link comes up. */
  readonly linkLocal?: boolean | undefined;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const NO_STATS: LinkStats = {
  rxPackets: 0,
  txPackets: 0,
  rxBytes: 0,
  txBytes: 0,
  rxErrors: 0,
  txErrors: 0,
  rxDropped: 0,
  txDropped: 0,
};

export function readLink(message: NetlinkMessage): Link {
  const flags = message.u32(8);
  const link: Mutable<Link> = {
    index: message.s32(4),
    name: '',
    mtu: 0,
    mac: '',
    up: (flags & IFF_UP) !== 0,
    carrier: (flags & IFF_LOWER_UP) !== 0,
    operState: 'unknown',
    group: 0,
    stats: NO_STATS,
  };
  let peer = 0;
  const reader = message.attributes(IFINFO_LENGTH);
  while (reader.next()) {
    switch (reader.type) {
      case IFLA_ADDRESS:
        link.mac = bytesToMac(reader.bytes());
        break;
      case IFLA_IFNAME:
        link.name = reader.string();
        break;
      case IFLA_MTU:
        link.mtu = reader.u32();
        break;
      case IFLA_GSO_IPV4_MAX_SIZE:
        link.gsoIpv4MaxSize = reader.u32();
        break;
      case IFLA_LINK:
        peer = reader.u32();
        break;
      case IFLA_MASTER:
        link.master = reader.u32();
        break;
      case IFLA_OPERSTATE:
        link.operState = OPERSTATES[reader.u8()] ?? 'unknown';
        break;
      case IFLA_LINKINFO:
        readKind(reader.nested(), link);
        break;
      case IFLA_IFALIAS:
        link.alias = reader.string();
        break;
      case IFLA_STATS64:
        link.stats = readStats(reader);
        break;
      case IFLA_GROUP:
        link.group = reader.u32();
        break;
      case IFLA_CARRIER:
        link.carrier = reader.u8() !== 0;
        break;
      case IFLA_LINK_NETNSID:
        link.peerNetnsId = reader.s32();
        break;
    }
  }
  if (link.kind === 'veth' && peer !== 0) link.peerIndex = peer;
  return link;
}

function readKind(reader: AttributeReader, link: Mutable<Link>): void {
  while (reader.next()) if (reader.type === IFLA_INFO_KIND) link.kind = reader.string();
}

/** `struct rtnl_link_stats64` */
function readStats(reader: AttributeReader): LinkStats {
  return {
    rxPackets: reader.counter(0),
    txPackets: reader.counter(8),
    rxBytes: reader.counter(16),
    txBytes: reader.counter(24),
    rxErrors: reader.counter(32),
    txErrors: reader.counter(40),
    rxDropped: reader.counter(48),
    txDropped: reader.counter(56),
  };
}

export function readLinkStats(message: NetlinkMessage): [index: number, stats: LinkStats] | undefined {
  const reader = message.attributes(IF_STATS_LENGTH);
  while (reader.next()) if (reader.type === IFLA_STATS_LINK_64) return [message.u32(4), readStats(reader)];
  return undefined;
}
