import { cidrContains, parseCidr } from '../../address/cidr.ts';
import { parseAddress } from '../../address/ip.ts';
import type { Route } from '../azure/types.ts';
import type { PlanBuilder } from './builder.ts';
import type { FabricModel } from './model.ts';
import { linkName, namespaceOf, PORT_PREFIX } from './names.ts';
import type { NamespacePlan, RoutePlan } from './plan.ts';
import { ANYWHERE, REGISTRY_ADDRESS, TRANSIT_GATEWAY } from './ranges.ts';

/**
 * Azure's route tables. A subnet's table adds to the system's routes (the virtual network, its peers and sites, and the
 * internet) for what the subnet's machines send; of all of them the longest prefix wins, and of two equal ones the
 * table's. Each such subnet has a table of its own in the network's router, and a rule for each port that its
 * machines are behind: what an appliance in another subnet sends comes by another port and takes the system's routes.
 *
 * Inside of a routing domain nodes reach each other without the virtual network, as they do without a table.
 */

type Network = FabricModel['virtualNetworks'][number];
type Link = Pick<RoutePlan, 'dev' | 'via'>;

const RULE_PRIORITY = 100;
const SUBNET_TABLE = 1000;
/** The tables of a network for what its peers send to appliances in it. */
const PEER_TABLE = 2000;

export function planRouteTables(plan: PlanBuilder, model: FabricModel): void {
  const peerings: Detour[] = [];
  for (const network of model.virtualNetworks) {
    const router = plan.namespace(namespaceOf.virtualNetwork(network.name), 'router');
    const hops = new Hops(model, network);
    network.subnets.forEach((subnet, index) => {
      const routes = model.routeTables?.find(({ name }) => name === subnet.routeTable)?.routes;
      const ports = routes ? portsOf(model, network, subnet.name) : [];
      if (!routes || ports.length === 0) return;
      const table = SUBNET_TABLE + index;
      addTable(router, hops.system, table, routes, (route) => hops.of(route));
      for (const iif of ports) {
        router.rules.push({ priority: RULE_PRIORITY + router.rules.length, iif, table });
      }
      for (const route of routes) {
        const peer = hops.peerOf(route);
        if (peer) peerings.push({ from: network, peer, route });
      }
    });
  }
  planDetours(plan, model, peerings);
}

/** A route to an appliance in a peer: the peer's router has to know of it, too. */
interface Detour {
  from: Network;
  peer: Network;
  route: Route;
}

/** Subnets of one network that disagree about a prefix get, in a peer, the appliance that comes first. */
function planDetours(plan: PlanBuilder, model: FabricModel, detours: Detour[]): void {
  for (const peer of model.virtualNetworks) {
    const router = plan.namespace(namespaceOf.virtualNetwork(peer.name), 'router');
    const hops = new Hops(model, peer);
    const here = detours.filter((detour) => detour.peer === peer);
    [...Map.groupBy(here, ({ from }) => from)].forEach(([from, all], index) => {
      const routes = new Map(all.toReversed().map(({ route }) => [route.addressPrefix, route]));
      const table = PEER_TABLE + index;
      addTable(router, hops.system, table, [...routes.values()], (route) => hops.of(route));
      const iif = linkName(PORT_PREFIX.peering, from.name);
      router.rules.push({ priority: RULE_PRIORITY + router.rules.length, iif, table });
    });
  }
}

/** Ports of the network's router that machines of a subnet are behind. */
function portsOf(model: FabricModel, network: Network, subnet: string): string[] {
  const clusters = model.clusters.filter((c) => c.virtualNetwork === network.name && c.subnet === subnet);
  const hosts = model.hosts.filter(
    ({ place }) => place.kind === 'vnet' && place.virtualNetwork === network.name && place.subnet === subnet,
  );
  return [
    ...clusters.map(({ name }) => linkName(PORT_PREFIX.cluster, name)),
    ...hosts.map(({ name }) => linkName(PORT_PREFIX.host, name)),
  ];
}

function addTable(
  router: NamespacePlan,
  system: string[],
  table: number,
  routes: readonly Route[],
  hopOf: (route: Route) => RoutePlan,
): void {
  const main = router.routes.filter((route) => route.table === undefined);
  const own = routes.map((route) => ({ ...hopOf(route), table }));
  const replaced = new Set(own.map(({ dst }) => dst));
  const elsewhere = routes.filter(({ nextHopType }) => nextHopType !== 'VnetLocal');
  const kept = main.filter(({ dst }) => {
    if (replaced.has(dst)) return false;
    // The system knows prefixes only. A single machine's route is how this router carries out one of them.
    return system.includes(dst) || !winsOver(elsewhere, [...system, ...routes.map(prefixOf)], dst);
  });
  const registry: RoutePlan = {
    dst: `${REGISTRY_ADDRESS}/32`,
    type: 'unicast',
    dev: 'internet',
    via: TRANSIT_GATEWAY,
  };
  router.routes.push(
    ...own.filter(({ dst }) => dst !== registry.dst),
    ...kept.map((route) => ({ ...route, table })),
    // As AKS reaches Microsoft's registry, in every type of outbound.
    { ...registry, table },
  );
}

/** Whether the longest of all prefixes with the destination is one of these routes'. */
function winsOver(routes: readonly Route[], all: readonly string[], dst: string): boolean {
  const target = parseCidr(dst);
  const matching = all.map((prefix) => parseCidr(prefix === 'default' ? ANYWHERE : prefix));
  const longest = matching
    .filter((prefix) => cidrContains(prefix, target))
    .reduce((most, { prefixLength }) => Math.max(most, prefixLength), -1);
  return routes.some(({ addressPrefix }) => {
    const prefix = parseCidr(addressPrefix);
    return prefix.prefixLength === longest && cidrContains(prefix, target);
  });
}

function prefixOf({ addressPrefix }: Route): string {
  return addressPrefix === ANYWHERE ? 'default' : addressPrefix;
}

/** Where routes of a network's route tables lead. */
class Hops {
  /** Destinations of the system's routes. */
  readonly system: string[];
  readonly #model: FabricModel;
  readonly #network: Network;
  readonly #peers: Network[];

  constructor(model: FabricModel, network: Network) {
    this.#model = model;
    this.#network = network;
    const names = model.peerings.flatMap(([a, b]) =>
      a === network.name ? [b] : b === network.name ? [a] : [],
    );
    this.#peers = model.virtualNetworks.filter(({ name }) => names.includes(name));
    const sites = model.sites.filter(({ virtualNetwork }) => virtualNetwork === network.name);
    this.system = [
      'default',
      ...network.addressPrefixes,
      ...this.#peers.flatMap(({ addressPrefixes }) => addressPrefixes),
      ...sites.map(({ addressPrefix }) => addressPrefix),
    ];
  }

  of(route: Route): RoutePlan {
    const link = this.#linkOf(route);
    const dst = prefixOf(route);
    return link ? { dst, type: 'unicast', ...link } : { dst, type: 'unreachable' };
  }

  /** The peer that an appliance is in. */
  peerOf({ nextHopType, nextHopIpAddress }: Route): Network | undefined {
    if (nextHopType !== 'VirtualAppliance' || nextHopIpAddress === undefined) return undefined;
    const hop = parseAddress(nextHopIpAddress);
    return this.#peers.find(({ addressPrefixes }) =>
      addressPrefixes.some((prefix) => cidrContains(parseCidr(prefix), hop)),
    );
  }

  /** Undefined: nowhere. */
  #linkOf(route: Route): Link | undefined {
    if (route.nextHopType === 'Internet') return { dev: 'internet', via: TRANSIT_GATEWAY };
    if (route.nextHopType !== 'VirtualAppliance') return undefined;
    const host = this.#model.hosts.find(
      ({ address, place }) =>
        address === route.nextHopIpAddress &&
        place.kind === 'vnet' &&
        place.virtualNetwork === this.#network.name,
    );
    if (host) return { dev: linkName(PORT_PREFIX.host, host.name), via: host.address };
    const peer = this.peerOf(route);
    return peer && { dev: linkName(PORT_PREFIX.peering, peer.name), via: TRANSIT_GATEWAY };
  }
}
