import { isKernelError } from '../../kernel/errno.ts';
import type { Route, RouteSpec } from '../../kernel/netlink/route.ts';
import type { Rtnl } from '../../kernel/netlink/rtnl.ts';
import { setNetSysctl } from '../../kernel/netns.ts';
import { HOST_LINK_PREFIX, ROUTE_PROTOCOL, VXLAN_DEVICE } from './names.ts';
import type { RoutingPlan, WantedRoute, WantedVxlan } from './routing.ts';

/** What was found to differ and was changed, in words. */
export type RoutingFindings = readonly string[];

/**
 * Brings routes and tunnel to the plan. What is right stays untouched, so a restart does not disturb a packet; new
 * routes come before old ones go. Routes to pods belong to their links and are left alone here, except those
 * that lead to an interface that is none of a pod's.
 *
 * @param rtnl bound to the node's namespace
 */
export function syncRouting(rtnl: Rtnl, plan: RoutingPlan): RoutingFindings {
  const findings: string[] = [];
  if (plan.vxlan) syncVxlan(rtnl, plan.vxlan, findings);
  const podLinks = new Set(
    rtnl
      .links()
      .filter((link) => link.name.startsWith(HOST_LINK_PREFIX))
      .map((link) => link.index),
  );
  const ours = rtnl
    .routes({ protocol: ROUTE_PROTOCOL })
    .filter((route) => route.linkIndex === undefined || !podLinks.has(route.linkIndex));
  const indexes = new Map<string, number | undefined>();
  const indexOf = (name: string): number | undefined => {
    if (!indexes.has(name)) indexes.set(name, rtnl.link(name)?.index);
    return indexes.get(name);
  };
  for (const wanted of plan.routes) {
    if (ours.some((route) => sameRoute(route, wanted, indexOf))) continue;
    rtnl.replaceRoute(wanted);
    findings.push(`route ${wanted.type === 'unreachable' ? 'unreachable ' : ''}${wanted.dst}: added`);
  }
  const dsts = new Set(plan.routes.map((route) => route.dst));
  for (const route of ours) {
    if (dsts.has(route.dst)) continue;
    rtnl.deleteRoute(specOf(route), { ifMissing: 'ignore' });
    findings.push(`route ${route.dst}: removed`);
  }
  if (!plan.vxlan && rtnl.link(VXLAN_DEVICE)) {
    rtnl.deleteLink(VXLAN_DEVICE, { ifMissing: 'ignore' });
    findings.push(`${VXLAN_DEVICE}: removed`);
  }
  return findings;
}

/** Forwarding on, for the families that pods have. `uplink` keeps its IPv6 default route from announcements. */
export function enableForwarding(
  netns: string | undefined,
  families: ReadonlySet<4 | 6>,
  uplink: string,
): void {
  if (families.has(4)) setNetSysctl(netns, 'ipv4/ip_forward', 1);
  if (!families.has(6)) return;
  // A forwarding machine ignores router announcements, unless told 2; the node may live by them.
  setNetSysctl(netns, `ipv6/conf/${uplink}/accept_ra`, 2);
  setNetSysctl(netns, 'ipv6/conf/all/forwarding', 1);
}

/** Removes every route and the tunnel of ours: for uninstall. Pod links are not touched. */
export function removeRouting(rtnl: Rtnl): void {
  for (const route of rtnl.routes({ protocol: ROUTE_PROTOCOL })) {
    if (route.type === 'unreachable' || route.via !== undefined) {
      rtnl.deleteRoute(specOf(route), { ifMissing: 'ignore' });
    }
  }
  rtnl.deleteLink(VXLAN_DEVICE, { ifMissing: 'ignore' });
}

function sameRoute(
  route: Route,
  wanted: WantedRoute,
  indexOf: (name: string) => number | undefined,
): boolean {
  if (route.dst !== wanted.dst || route.type !== wanted.type || route.via !== wanted.via) return false;
  // The kernel shows IPv6's unreachable routes on lo, and no source where none was asked for.
  if (wanted.dev !== undefined && route.linkIndex !== indexOf(wanted.dev)) return false;
  return route.src === wanted.src;
}

function specOf(route: Route): RouteSpec {
  const { dst, family, type, metric, via } = route;
  return {
    dst,
    family,
    type,
    protocol: ROUTE_PROTOCOL,
    ...(metric === undefined ? {} : { metric }),
    ...(via === undefined ? {} : { via }),
    ...(route.linkIndex === undefined || type === 'unreachable' ? {} : { dev: route.linkIndex }),
  };
}

function syncVxlan(rtnl: Rtnl, wanted: WantedVxlan, findings: string[]): void {
  const { name, mac, mtu } = wanted;
  let link = rtnl.link(name);
  // The kernel changes neither id nor source of a tunnel; the MAC is made from the source, so it tells.
  if (link && (link.kind !== 'vxlan' || link.mac !== mac)) {
    rtnl.deleteLink(name);
    link = undefined;
    findings.push(`${name}: replaced`);
  } else if (!link) findings.push(`${name}: added`);
  if (!link) {
    const { vni, port, local, uplink } = wanted;
    rtnl.createVxlan({ name, vni, port, local, mtu, mac, learning: false, dev: uplink });
  }
  // Before it is up, or the kernel has made its link-local address already.
  rtnl.setLink(name, { linkLocal: false });
  rtnl.setLink(name, { up: true, mtu, ipv4: { rpFilter: 0, sendRedirects: false } });
  const index = rtnl.link(name)?.index ?? 0;
  const present = rtnl.addresses(index);
  for (const address of wanted.addresses) {
    const prefixLength = address.includes(':') ? 128 : 32;
    rtnl.addAddress(index, { address, prefixLength }, { ifExists: 'ignore' });
  }
  for (const { address, prefixLength, scope } of present) {
    if (scope !== 'global' || wanted.addresses.includes(address)) continue;
    rtnl.deleteAddress(index, { address, prefixLength }, { ifMissing: 'ignore' });
  }
  syncEnds(rtnl, index, wanted, findings);
}

/** Neighbours and forwarding entries: new ones first, so that a peer that moved is never without. */
function syncEnds(rtnl: Rtnl, index: number, wanted: WantedVxlan, findings: string[]): void {
  const neighbours = new Map(
    rtnl
      .neighbours({ dev: index })
      .filter((one) => one.state === 'permanent')
      .map((one) => [one.address, one.mac]),
  );
  for (const { address, mac } of wanted.neighbours) {
    if (neighbours.get(address) === mac) continue;
    rtnl.setNeighbour({ dev: index, address, mac });
    findings.push(`${wanted.name}: neighbour ${address} set`);
  }
  const keep = new Set(wanted.neighbours.map((one) => one.address));
  for (const address of neighbours.keys()) {
    if (!keep.has(address)) rtnl.deleteNeighbour({ dev: index, address }, { ifMissing: 'ignore' });
  }
  const forwarding = rtnl.fdb({ dev: index });
  for (const { mac, dst } of wanted.forwarding) {
    if (forwarding.some((one) => one.mac === mac && one.dst === dst)) continue;
    rtnl.setFdb({ dev: index, mac, dst });
    findings.push(`${wanted.name}: forwarding ${mac} to ${dst} set`);
  }
  for (const { mac, dst } of forwarding) {
    if (dst === undefined || wanted.forwarding.some((one) => one.mac === mac)) continue;
    try {
      rtnl.deleteFdb({ dev: index, mac, dst });
    } catch (error) {
      if (!isKernelError(error, 'ENOENT')) throw error;
    }
  }
}
