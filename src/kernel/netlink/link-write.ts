import { type MessageWriter, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL } from './attributes.ts';
import { AF_INET, AF_INET6, ipToBytes, macToBytes } from './ip.ts';
import {
  type BridgeOptions,
  IFF_UP,
  IFINFO_LENGTH,
  IFLA_ADDRESS,
  IFLA_GRO_IPV4_MAX_SIZE,
  IFLA_GROUP,
  IFLA_GSO_IPV4_MAX_SIZE,
  IFLA_IFALIAS,
  IFLA_IFNAME,
  IFLA_INFO_KIND,
  IFLA_LINKINFO,
  IFLA_MASTER,
  IFLA_MTU,
  IFLA_STATS_LINK_64,
  type LinkChange,
  type LinkIpv4,
  type LinkOptions,
  RTM_GETSTATS,
  RTM_NEWLINK,
  RTM_SETLINK,
  type VethOptions,
  type VxlanOptions,
} from './link.ts';

// include/uapi/linux/if_link.h, veth.h
const IFLA_NET_NS_FD = 28;
const IFLA_AF_SPEC = 26;
const IFLA_NUM_TX_QUEUES = 31;
const IFLA_NUM_RX_QUEUES = 32;
const VETH_INFO_PEER = 1;
const IFLA_INET_CONF = 1;
const IFLA_INET6_ADDR_GEN_MODE = 8;
const IFLA_INFO_DATA = 2;
const IFLA_VXLAN_ID = 1;
const IFLA_VXLAN_LINK = 3;
const IFLA_VXLAN_LOCAL = 4;
const IFLA_VXLAN_LEARNING = 7;
const IFLA_VXLAN_PORT = 15;
const IFLA_VXLAN_LOCAL6 = 17;
const IFLA_VXLAN_UDP_ZERO_CSUM6_TX = 19;
const IFLA_VXLAN_UDP_ZERO_CSUM6_RX = 20;

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
  if (link.queues !== undefined) {
    writer.attrU32(IFLA_NUM_TX_QUEUES, link.queues).attrU32(IFLA_NUM_RX_QUEUES, link.queues);
  }
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
  if (change.gsoIpv4MaxSize !== undefined) {
    writer.attrU32(IFLA_GSO_IPV4_MAX_SIZE, change.gsoIpv4MaxSize);
    writer.attrU32(IFLA_GRO_IPV4_MAX_SIZE, change.gsoIpv4MaxSize);
  }
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

/** Asks for the counters of all links and nothing else. */
export function writeGetStats(writer: MessageWriter): void {
  writer
    .begin(RTM_GETSTATS, 0)
    .zero(4)
    .u32(0)
    .u32(1 << (IFLA_STATS_LINK_64 - 1));
}
