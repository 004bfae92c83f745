import { type Cidr, cidrContains, cidrOf, firstAddress, formatCidr, parseCidr } from '../../address/cidr.ts';
import { addressBits, type Family, formatAddress, type IpAddress, parseAddress } from '../../address/ip.ts';
import type { NodeNetwork, Peer, Uplink } from './model.ts';
import { ROUTE_PROTOCOL, VXLAN_DEVICE, vxlanMac } from './names.ts';

/** IANA's port for VXLAN (RFC 7348). */
export const VXLAN_PORT = 4789;
/** 24 bits; the letters `FLY`, so that a capture shows whose tunnel it is. */
export const VXLAN_ID = 0x46_4c_59;

/** A route of ours; {@link planRouting} gives all of them except the pods' own. */
export interface WantedRoute {
  readonly dst: string;
  readonly type: 'unicast' | 'unreachable';
  readonly via?: string;
  readonly dev?: string;
  readonly onlink?: boolean;
  readonly src?: string;
  readonly protocol: number;
}

/** The tunnel device and what the kernel must know of the other ends: nothing is learned or asked for. */
export interface WantedVxlan {
  readonly name: string;
  readonly vni: number;
  readonly port: number;
  /** Outer source: the node's own address. */
  readonly local: string;
  /** Name of the interface that carries the outer packets. */
  readonly uplink: string;
  readonly mac: string;
  readonly mtu: number;
  /** The node's own inner addresses: the network address of each own block, which no pod ever gets. */
  readonly addresses: readonly string[];
  /** Inner next hop -> MAC of the other end's device. */
  readonly neighbours: readonly { readonly address: string; readonly mac: string }[];
  /** MAC of the other end's device -> outer address of that node. */
  readonly forwarding: readonly { readonly mac: string; readonly dst: string }[];
}

export interface RoutingPlan {
  readonly routes: readonly WantedRoute[];
  readonly vxlan?: WantedVxlan;
  /** Bytes; what pods that start now get. */
  readonly podMtu: number;
  /**
   * Bytes; the largest unsegmented IPv4 packet of pods that start now, copied from the NIC as the MTU is. Absent with
   * tunnels, whose outer header has 16 bits for the length.
   */
  readonly podGsoIpv4MaxSize?: number;
  /** Peers that the mode cannot reach, with the reason; their blocks get no route. */
  readonly unreachable: readonly { readonly peer: string; readonly why: string }[];
}

/**
 * Which routes, neighbours and tunnel ends the routing mode wants, from the configuration and the interface
 * that holds the node's address. Pure.
 *
 * In every mode the own block ends in `unreachable`, so that a packet to an address that no pod has is answered
 * here and does not travel back to the network by the default route. `fabric` wants nothing else.
 */
export function planRouting(network: NodeNetwork, uplink: Uplink): RoutingPlan {
  const routes: WantedRoute[] = network.nodeBlocks.map((dst) => ({
    dst,
    type: 'unreachable',
    protocol: ROUTE_PROTOCOL,
  }));
  const unreachable: { peer: string; why: string }[] = [];
  const tunnelled: TunnelEnd[] = [];
  if (network.routing !== 'fabric') {
    for (const peer of network.peers) {
      for (const text of peer.blocks) {
        const block = parseCidr(text);
        const direct = network.routing === 'vxlan' ? undefined : onLinkAddress(peer, block.family, uplink);
        if (direct) {
          routes.push({
            dst: text,
            type: 'unicast',
            via: direct,
            dev: uplink.name,
            protocol: ROUTE_PROTOCOL,
          });
        } else if (network.routing === 'direct') {
          const why = `none of its addresses (${peer.addresses.join(', ')}) is on the segment of ${uplink.name} for ${text}`;
          unreachable.push({ peer: peer.name, why });
        } else {
          const end = tunnelEnd(peer, block, network);
          if (end) tunnelled.push(end);
          else
            unreachable.push({
              peer: peer.name,
              why: "it has no address of the family of this node's first",
            });
        }
      }
    }
  }
  const header = tunnelHeader(network);
  const mayTunnel = network.routing === 'vxlan' || tunnelled.length > 0;
  const podMtu = network.mtu !== 0 ? network.mtu : uplink.mtu - (mayTunnel ? header : 0);
  if (!mayTunnel) {
    const { gsoIpv4MaxSize: size } = uplink;
    return { routes, podMtu, unreachable, ...(size === undefined ? {} : { podGsoIpv4MaxSize: size }) };
  }
  const own = network.nodeBlocks.map((text) => innerAddress(parseCidr(text)));
  for (const end of tunnelled) routes.push(tunnelRoute(end, own));
  return { routes, podMtu, unreachable, vxlan: tunnel(network, uplink, header, own, tunnelled) };
}

interface TunnelEnd {
  readonly block: Cidr;
  readonly inner: IpAddress;
  readonly outer: string;
  readonly mac: string;
}

/** The inner address of a node: its block's network address, known to all without being announced. */
function innerAddress(block: Cidr): IpAddress {
  return firstAddress(block);
}

/** The outer address decides over IPv4 or IPv6 underneath: the family of the node's first address. */
function underlay(network: NodeNetwork): IpAddress {
  return parseAddress(network.nodeAddresses[0] ?? '', 'nodeAddresses[0]');
}

/** Outer IP, UDP and VXLAN headers and the inner Ethernet header, in bytes (RFC 7348). */
function tunnelHeader(network: NodeNetwork): number {
  return (underlay(network).family === 4 ? 20 : 40) + 8 + 8 + 14;
}

function tunnelEnd(peer: Peer, block: Cidr, network: NodeNetwork): TunnelEnd | undefined {
  const family = underlay(network).family;
  const outer = peer.addresses.find((text) => parseAddress(text).family === family);
  if (outer === undefined) return undefined;
  return { block, inner: innerAddress(block), outer, mac: vxlanMac(outer) };
}

/**
 * The block through the other end's inner address. The preferred source is ours: an answer to the node itself then
 * comes back by the tunnel too, where the underlay would drop it for its foreign source.
 */
function tunnelRoute(end: TunnelEnd, own: readonly IpAddress[]): WantedRoute {
  const src = own.find((address) => address.family === end.block.family);
  return {
    dst: formatCidr(end.block),
    type: 'unicast',
    via: formatAddress(end.inner),
    dev: VXLAN_DEVICE,
    onlink: true,
    ...(src ? { src: formatAddress(src) } : {}),
    protocol: ROUTE_PROTOCOL,
  };
}

function tunnel(
  network: NodeNetwork,
  uplink: Uplink,
  header: number,
  own: readonly IpAddress[],
  ends: readonly TunnelEnd[],
): WantedVxlan {
  const local = formatAddress(underlay(network));
  return {
    name: VXLAN_DEVICE,
    vni: VXLAN_ID,
    port: VXLAN_PORT,
    local,
    uplink: uplink.name,
    mac: vxlanMac(local),
    mtu: uplink.mtu - header,
    addresses: own.map(formatAddress),
    neighbours: ends.map(({ inner, mac }) => ({ address: formatAddress(inner), mac })),
    // A dual-stack peer has two blocks behind one device.
    forwarding: [...new Map(ends.map(({ mac, outer }) => [mac, { mac, dst: outer }])).values()],
  };
}

/** The peer's address of this family, when it lies in a subnet of the uplink. */
function onLinkAddress(peer: Peer, family: Family, uplink: Uplink): string | undefined {
  return peer.addresses.find((text) => {
    const address = parseAddress(text);
    return (
      address.family === family &&
      uplink.addresses.some(({ address: own, prefixLength }) => {
        const parsed = parseAddress(own);
        // A /32 or /128 has no neighbours: behind it everything is routed.
        if (parsed.family !== family || prefixLength >= addressBits(family)) return false;
        return cidrContains(cidrOf(parsed, prefixLength), address);
      })
    );
  });
}
