import {
  type AttributeReader,
  type MessageWriter,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_EXCL,
} from './attributes.ts';
import { AF_INET, AF_INET6, bytesToMac, ipToBytes, macToBytes } from './ip.ts';
import type { NetlinkMessage } from './message.ts';

// include/uapi/linux/if_link.h, rtnetlink.h, veth.h
export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
export const RTM_GETLINK = 18;
export const RTM_SETLINK = 19;
export const RTM_GETSTATS = 94;

const IFLA_ADDRESS = 1;
export const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_LINK = 5;
const IFLA_MASTER = 10;
const IFLA_OPERSTATE = 16;
const IFLA_LINKINFO = 18;
const IFLA_IFALIAS = 20;
const IFLA_STATS64 = 23;
const IFLA_AF_SPEC = 26;
export const IFLA_GROUP = 27;
const IFLA_NET_NS_FD = 28;
export const IFLA_EXT_MASK = 29;
const IFLA_CARRIER = 33;
const IFLA_LINK_NETNSID = 37;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const VETH_INFO_PEER = 1;
const IFLA_INET_CONF = 1;
const IFLA_INET6_ADDR_GEN_MODE = 8;
const IFLA_VXLAN_ID = 1;
const IFLA_VXLAN_LINK = 3;
const IFLA_VXLAN_LOCAL = 4;
const IFLA_VXLAN_LEARNING = 7;
const IFLA_VXLAN_PORT = 15;
const IFLA_VXLAN_LOCAL6 = 17;
const IFLA_VXLAN_UDP_ZERO_CSUM6_TX = 19;
const IFLA_VXLAN_UDP_ZERO_CSUM6_RX = 20;
const IFLA_STATS_LINK_64 = 1;
/** Leaves the statistics out of a link message. */
export const RTEXT_FILTER_SKIP_STATS = 8;

const IFF_UP = 1;
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

// include/uapi/linux/ip.h, IPV4_DEVCONF_*
const DEVCONF: Readonly<Record<keyof LinkIpv4, number>> = {
  forwarding: 1,
  proxyArp: 3,
  acceptRedirects: 4,
  sendRedirects: 6,
  rpFilter: 8,
  arpAnnounce: 18,
  arpIgnore: 19,
  acceptLocal: 23,
  routeLocalnet: 26,
};

/** What both ends of a veth, and every new link, may be given. */
export interface LinkOptions {
  /** 1..15 bytes without `/` or blanks. */
  readonly name: string;
  /** Chosen by the kernel when absent. */
  readonly mac?: string | undefined;
  /** Bytes, 68..65535; IPv6 needs 1280. */
  readonly mtu?: number | undefined;
  readonly group?: number | undefined;
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

/** The fixed header of link messages. */
export function linkHeader(
  writer: MessageWriter,
  type: number,
  flags: number,
  index: number,
  up?: boolean,
): MessageWriter {
  return writer
    .begin(type, flags)
    .u8(0)
    .zero(3)
    .u32(index)
    .u32(up ? IFF_UP : 0)
    .u32(up === undefined ? 0 : IFF_UP);
}

function writeCommon(writer: MessageWriter, link: LinkOptions, netnsFd: number | undefined): void {
  writer.attrString(IFLA_IFNAME, link.name);
  if (link.mac !== undefined) writer.attrBytes(IFLA_ADDRESS, macToBytes(link.mac, 'link mac'));
  if (link.mtu !== undefined) writer.attrU32(IFLA_MTU, link.mtu);
  if (link.group !== undefined) writer.attrU32(IFLA_GROUP, link.group);
  if (netnsFd !== undefined) writer.attrU32(IFLA_NET_NS_FD, netnsFd);
}

const CREATE = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;

/** Writes the creation of a pair. The kernel ignores an alias here and refuses a peer that is up at once. */
export function writeVeth(
  writer: MessageWriter,
  veth: VethOptions,
  netnsFd: number | undefined,
  peerNetnsFd: number | undefined,
): void {
  linkHeader(writer, RTM_NEWLINK, CREATE, 0);
  writeCommon(writer, veth, netnsFd);
  const info = writer.openNest(IFLA_LINKINFO);
  writer.attrString(IFLA_INFO_KIND, 'veth');
  const data = writer.openNest(IFLA_INFO_DATA);
  const peer = writer.openNest(VETH_INFO_PEER, true);
  writer.zero(IFINFO_LENGTH);
  writeCommon(writer, veth.peer, peerNetnsFd);
  writer.closeNest(peer).closeNest(data).closeNest(info);
}

export function writeBridge(writer: MessageWriter, bridge: BridgeOptions): void {
  linkHeader(writer, RTM_NEWLINK, CREATE, 0, bridge.up);
  writeCommon(writer, bridge, undefined);
  const info = writer.openNest(IFLA_LINKINFO);
  writer.attrString(IFLA_INFO_KIND, 'bridge').closeNest(info);
}

export function writeVxlan(writer: MessageWriter, vxlan: VxlanOptions, devIndex: number | undefined): void {
  if (!Number.isInteger(vxlan.vni) || vxlan.vni < 0 || vxlan.vni > 0xffffff)
    throw new RangeError(`vxlan vni ${vxlan.vni}: must be a whole number from 0 to 16777215`);
  linkHeader(writer, RTM_NEWLINK, CREATE, 0, vxlan.up);
  writeCommon(writer, vxlan, undefined);
  const info = writer.openNest(IFLA_LINKINFO);
  writer.attrString(IFLA_INFO_KIND, 'vxlan');
  const data = writer.openNest(IFLA_INFO_DATA);
  writer.attrU32(IFLA_VXLAN_ID, vxlan.vni);
  if (devIndex !== undefined) writer.attrU32(IFLA_VXLAN_LINK, devIndex);
  if (vxlan.local !== undefined) {
    const local = ipToBytes(vxlan.local, 'vxlan local');
    writer.attrBytes(local.length === 4 ? IFLA_VXLAN_LOCAL : IFLA_VXLAN_LOCAL6, local);
    if (local.length === 16) {
      // The inner packet has its own checksums; computing the outer one for IPv6 costs and gains nothing.
      writer.attrU8(IFLA_VXLAN_UDP_ZERO_CSUM6_TX, 1).attrU8(IFLA_VXLAN_UDP_ZERO_CSUM6_RX, 1);
    }
  }
  writer.attrU8(IFLA_VXLAN_LEARNING, vxlan.learning ? 1 : 0).attrBe16(IFLA_VXLAN_PORT, vxlan.port ?? 4789);
  writer.closeNest(data).closeNest(info);
}

/** Writes a change of link `index`, or of the one called `name` when `index` is 0 (which cannot be renamed). */
export function writeSetLink(
  writer: MessageWriter,
  index: number,
  name: string | undefined,
  change: LinkChange,
  masterIndex: number | undefined,
  netnsFd: number | undefined,
): void {
  linkHeader(writer, RTM_SETLINK, NLM_F_ACK, index, change.up);
  if (index === 0) writer.attrString(IFLA_IFNAME, name!);
  else if (change.name !== undefined) writer.attrString(IFLA_IFNAME, change.name);
  if (change.mtu !== undefined) writer.attrU32(IFLA_MTU, change.mtu);
  if (change.mac !== undefined) writer.attrBytes(IFLA_ADDRESS, macToBytes(change.mac, 'link mac'));
  if (change.alias !== undefined) writer.attrString(IFLA_IFALIAS, change.alias);
  if (change.group !== undefined) writer.attrU32(IFLA_GROUP, change.group);
  if (masterIndex !== undefined) writer.attrU32(IFLA_MASTER, masterIndex);
  if (netnsFd !== undefined) writer.attrU32(IFLA_NET_NS_FD, netnsFd);
  if (change.ipv4 === undefined && change.linkLocal === undefined) return;
  const spec = writer.openNest(IFLA_AF_SPEC);
  if (change.ipv4 !== undefined) writeIpv4(writer, change.ipv4);
  if (change.linkLocal !== undefined) {
    const inet6 = writer.openNest(AF_INET6);
    writer.attrU8(IFLA_INET6_ADDR_GEN_MODE, change.linkLocal ? 0 : 1).closeNest(inet6);
  }
  writer.closeNest(spec);
}

function writeIpv4(writer: MessageWriter, settings: LinkIpv4): void {
  const inet = writer.openNest(AF_INET);
  const conf = writer.openNest(IFLA_INET_CONF);
  for (const key of Object.keys(settings) as (keyof LinkIpv4)[]) {
    const value = settings[key];
    if (value !== undefined) writer.attrU32(DEVCONF[key], Number(value));
  }
  writer.closeNest(conf).closeNest(inet);
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

/** Asks for the counters of all links and nothing else. */
export function writeGetStats(writer: MessageWriter): void {
  writer
    .begin(RTM_GETSTATS, 0)
    .zero(4)
    .u32(0)
    .u32(1 << (IFLA_STATS_LINK_64 - 1));
}

export function readLinkStats(message: NetlinkMessage): [index: number, stats: LinkStats] | undefined {
  const reader = message.attributes(IF_STATS_LENGTH);
  while (reader.next()) if (reader.type === IFLA_STATS_LINK_64) return [message.u32(4), readStats(reader)];
  return undefined;
}
