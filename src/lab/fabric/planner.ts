import { formatCidr, parseCidr } from '../../address/cidr.ts';
import { formatAddress } from '../../address/ip.ts';
import { summarise } from '../../address/range.ts';
import { subnetGateway } from '../../address/subnet.ts';
import { PlanBuilder } from './builder.ts';
import type { FabricModel } from './model.ts';
import { linkName, MACHINE, MACHINE_LINK, namespaceOf, PORT_PREFIX } from './names.ts';
import type { FabricPlan, NamespacePlan } from './plan.ts';
import { PublicAddresses, planEgress, planFrontends } from './planner-public.ts';
import { planRouteTables } from './planner-routes.ts';
import {
  ANYWHERE,
  DNS_ADDRESS,
  LAB_LINK_ADDRESS,
  LAB_RANGES,
  MACHINE_LINK_ADDRESS,
  PRIVATE_RANGES,
  PUBLIC_RANGE,
  REGISTRY_ADDRESS,
  TRANSIT_GATEWAY,
} from './ranges.ts';

/** The first usable address of a subnet: Azure gives it to the gateway. */
export function gatewayOf(cidr: string): string {
  return formatAddress(subnetGateway(parseCidr(cidr)));
}

/**
 * Another address that Azure keeps in every subnet: the virtual network's router speaks from the first subnet's when
 * it reports an error. It cannot be a gateway's, which each routing domain has as well: a domain drops what
 * comes to it from an address of its own.
 */
function routerOf(cidr: string): string {
  const { family, value } = subnetGateway(parseCidr(cidr));
  return formatAddress({ family, value: value + 1n });
}

function prefixLength(cidr: string): number {
  return Number(cidr.slice(cidr.indexOf('/') + 1));
}

/** What the namespaces, cables, routes and filters of a lab with these resources are. Pure. */
export function planFabric(model: FabricModel): FabricPlan {
  const plan = new PlanBuilder();
  const internet = planInternet(plan, model.machineAddresses ?? []);
  for (const network of model.virtualNetworks) planVirtualNetwork(plan, internet, network);
  for (const [a, b] of model.peerings) planPeering(plan, model, a, b);
  for (const site of model.sites) planSite(plan, site);
  for (const cluster of model.clusters) {
    planDomain(plan, model, cluster);
    planControlPlane(plan, internet, model, cluster);
  }
  for (const host of model.hosts) planHost(plan, model, host);
  // What leads to machines has to know where they are, and what replaces routes, all of them.
  const publicAddresses = new PublicAddresses(internet);
  for (const cluster of model.clusters) planFrontends(plan, publicAddresses, model, cluster);
  for (const network of model.virtualNetworks) planEgress(plan, publicAddresses, model, network);
  planRouteTables(plan, model);
  return plan.build();
}

function planInternet(plan: PlanBuilder, machineAddresses: string[]): NamespacePlan {
  const internet = plan.namespace(namespaceOf.internet(), 'router');
  const machine = plan.namespace(MACHINE, 'machine');
  plan.transit(
    { in: internet, link: 'machine' },
    { in: machine, link: MACHINE_LINK },
    'flyover: machine <-> lab',
  );
  machine.addresses.push({ dev: MACHINE_LINK, address: MACHINE_LINK_ADDRESS, prefixLength: 32 });
  machine.routes.push({ dst: PUBLIC_RANGE, type: 'unicast', dev: MACHINE_LINK, via: TRANSIT_GATEWAY });
  // What nobody holds is refused here and never tried on the uplink.
  for (const range of LAB_RANGES) internet.routes.push({ dst: range, type: 'unreachable' });
  internet.addresses.push({ dev: 'lo', address: LAB_LINK_ADDRESS, prefixLength: 32 });
  internet.addresses.push({ dev: 'lo', address: REGISTRY_ADDRESS, prefixLength: 32 });
  internet.routes.push({
    dst: `${MACHINE_LINK_ADDRESS}/32`,
    type: 'unicast',
    dev: 'machine',
    via: TRANSIT_GATEWAY,
  });
  internet.filter = {
    kind: 'internet',
    sets: {
      sources: [['machine', MACHINE_LINK_ADDRESS]],
      private: PRIVATE_RANGES.map((range) => [range]),
      machine: machineAddresses.map((address) => [address]),
    },
  };
  return internet;
}

function planVirtualNetwork(
  plan: PlanBuilder,
  internet: NamespacePlan,
  network: FabricModel['virtualNetworks'][number],
): void {
  const router = plan.namespace(namespaceOf.virtualNetwork(network.name), 'router');
  const port = linkName(PORT_PREFIX.virtualNetwork, network.name);
  plan.transit(
    { in: internet, link: port },
    { in: router, link: 'internet' },
    `flyover: internet <-> ${network.name}`,
  );
  internet.routes.push({
    dst: `${network.publicAddress}/32`,
    type: 'unicast',
    dev: port,
    via: TRANSIT_GATEWAY,
  });
  internet.filter?.sets.sources?.push([port, network.publicAddress]);
  router.routes.push({ dst: 'default', type: 'unicast', dev: 'internet', via: TRANSIT_GATEWAY });
  for (const prefix of network.addressPrefixes) router.routes.push({ dst: prefix, type: 'unreachable' });
  const [first] = network.subnets;
  // The kernel speaks from the address that it got first.
  if (first) router.addresses.push({ dev: 'lo', address: routerOf(first.addressPrefix), prefixLength: 32 });
  for (const subnet of network.subnets) {
    router.addresses.push({ dev: 'lo', address: gatewayOf(subnet.addressPrefix), prefixLength: 32 });
  }
  // Names are served, and load balancers probe, from here.
  router.addresses.push({ dev: 'lo', address: DNS_ADDRESS, prefixLength: 32 });
  router.filter = { kind: 'vnet', sets: { sources: [], pods: [] }, publicAddress: network.publicAddress };
}

function planPeering(plan: PlanBuilder, model: FabricModel, a: string, b: string): void {
  const sides = [a, b].map((name) => ({
    router: plan.namespace(namespaceOf.virtualNetwork(name), 'router'),
    network: model.virtualNetworks.find((network) => network.name === name)!,
  }));
  const [left, right] = sides as [(typeof sides)[0], (typeof sides)[0]];
  const leftLink = linkName(PORT_PREFIX.peering, b);
  const rightLink = linkName(PORT_PREFIX.peering, a);
  plan.transit(
    { in: left.router, link: leftLink },
    { in: right.router, link: rightLink },
    `flyover: ${a} <-> ${b}`,
  );
  for (const [from, link, to] of [
    [left, leftLink, right],
    [right, rightLink, left],
  ] as const) {
    for (const prefix of to.network.addressPrefixes) {
      from.router.routes.push({ dst: prefix, type: 'unicast', dev: link, via: TRANSIT_GATEWAY });
      if (!hasAppliance(model, to.network.name)) from.router.filter?.sets.sources?.push([link, prefix]);
    }
    if (hasAppliance(model, to.network.name)) from.router.filter?.sets.sources?.push([link, ANYWHERE]);
  }
}

function planSite(plan: PlanBuilder, site: FabricModel['sites'][number]): void {
  const network = plan.namespace(namespaceOf.virtualNetwork(site.virtualNetwork), 'router');
  const router = plan.namespace(namespaceOf.site(site.name), 'router');
  const port = linkName(PORT_PREFIX.site, site.name);
  plan.transit(
    { in: network, link: port },
    { in: router, link: 'gateway' },
    `flyover: ${site.virtualNetwork} <-> on-premises ${site.name}`,
  );
  network.routes.push({ dst: site.addressPrefix, type: 'unicast', dev: port, via: TRANSIT_GATEWAY });
  network.filter?.sets.sources?.push([port, site.addressPrefix]);
  router.addresses.push({ dev: 'lo', address: gatewayOf(site.addressPrefix), prefixLength: 32 });
  router.routes.push({ dst: site.addressPrefix, type: 'unreachable' });
  router.routes.push({ dst: 'default', type: 'unicast', dev: 'gateway', via: TRANSIT_GATEWAY });
  router.filter = { kind: 'site', sets: { sources: [] } };
}

function planDomain(plan: PlanBuilder, model: FabricModel, cluster: FabricModel['clusters'][number]): void {
  const network = plan.namespace(namespaceOf.virtualNetwork(cluster.virtualNetwork), 'router');
  const domain = plan.namespace(namespaceOf.domain(cluster.name), 'router');
  const port = linkName(PORT_PREFIX.cluster, cluster.name);
  plan.transit(
    { in: network, link: port },
    { in: domain, link: 'vnet' },
    `flyover: ${cluster.virtualNetwork} <-> cluster ${cluster.name}`,
  );
  const subnet = model.virtualNetworks
    .find((candidate) => candidate.name === cluster.virtualNetwork)!
    .subnets.find((candidate) => candidate.name === cluster.subnet)!;
  const gateway = gatewayOf(subnet.addressPrefix);
  domain.addresses.push({ dev: 'lo', address: gateway, prefixLength: 32 });
  domain.routes.push({ dst: 'default', type: 'unicast', dev: 'vnet', via: TRANSIT_GATEWAY });
  const machines = model.machines.filter((candidate) => candidate.cluster === cluster.name);
  // Blocks that no node holds end here: pod addresses never reach the virtual network.
  if (!machines.some((machine) => machine.nodeBlock === cluster.podCidr)) {
    domain.routes.push({ dst: cluster.podCidr, type: 'unreachable' });
  }
  domain.filter = { kind: 'domain', sets: { sources: [], pods: [[cluster.podCidr]] } };
  if (network.filter) network.filter.sets.pods = withRange(network.filter.sets.pods ?? [], cluster.podCidr);

  for (const machine of machines) {
    const node = plan.namespace(namespaceOf.node(machine.name), 'endpoint');
    const link = linkName(PORT_PREFIX.node, machine.name);
    plan.plug(
      { in: domain, link },
      { in: node, address: machine.address, prefixLength: prefixLength(subnet.addressPrefix), gateway },
      `flyover: node ${machine.name}`,
    );
    domain.routes.push({ dst: machine.nodeBlock, type: 'unicast', dev: link, via: machine.address });
    domain.filter.sets.sources?.push([link, machine.address], [link, machine.nodeBlock]);
    network.routes.push({ dst: `${machine.address}/32`, type: 'unicast', dev: port, via: TRANSIT_GATEWAY });
    network.filter?.sets.sources?.push([port, machine.address]);
  }
  // The domain is its nodes' gateway: its errors (no such pod, too many hops) may travel on.
  network.filter?.sets.sources?.push([port, gateway]);
}

/**
 * The machine with a cluster's Kubernetes API: on the internet for everybody who uses it, and by a tunnel to its own
 * nodes, as AKS has it: through that the API reaches kubelets and pods, and nodes the API. The tunnel ends in the
 * routing domain, so that clusters in networks with the same addresses do not meet.
 */
function planControlPlane(
  plan: PlanBuilder,
  internet: NamespacePlan,
  model: FabricModel,
  cluster: FabricModel['clusters'][number],
): void {
  const machine = plan.namespace(namespaceOf.controlPlane(cluster.name), 'endpoint');
  const domain = plan.namespace(namespaceOf.domain(cluster.name), 'router');
  const port = linkName(PORT_PREFIX.controlPlane, cluster.name);
  const address = cluster.apiServerAddress;
  plan.plug(
    { in: internet, link: port },
    { in: machine, address, prefixLength: 32, gateway: TRANSIT_GATEWAY },
    `flyover: Kubernetes API of ${cluster.name}`,
  );
  internet.filter?.sets.sources?.push([port, address]);
  plan.transit(
    { in: domain, link: 'control' },
    { in: machine, link: 'nodes' },
    `flyover: Kubernetes API of ${cluster.name} <-> its nodes`,
  );
  domain.routes.push({ dst: `${address}/32`, type: 'unicast', dev: 'control', via: TRANSIT_GATEWAY });
  domain.filter?.sets.sources?.push(['control', address]);
  const subnet = model.virtualNetworks
    .find((candidate) => candidate.name === cluster.virtualNetwork)!
    .subnets.find((candidate) => candidate.name === cluster.subnet)!;
  for (const dst of [subnet.addressPrefix, cluster.podCidr]) {
    machine.routes.push({ dst, type: 'unicast', dev: 'nodes', via: TRANSIT_GATEWAY });
  }
}

/** The elements of a set of ranges with one more. The kernel refuses ranges that overlap: they are merged. */
function withRange(elements: string[][], range: string): string[][] {
  const ranges = [...elements.flat(), range].map((text) => parseCidr(text));
  return summarise(ranges).map((merged) => [formatCidr(merged)]);
}

function planHost(plan: PlanBuilder, model: FabricModel, host: FabricModel['hosts'][number]): void {
  const endpoint = plan.namespace(namespaceOf.host(host.name), 'endpoint');
  const { place } = host;
  const link = linkName(PORT_PREFIX.host, host.name);
  let router: NamespacePlan;
  let range: string;
  if (place.kind === 'vnet') {
    router = plan.namespace(namespaceOf.virtualNetwork(place.virtualNetwork), 'router');
    range = model.virtualNetworks
      .find((candidate) => candidate.name === place.virtualNetwork)!
      .subnets.find((candidate) => candidate.name === place.subnet)!.addressPrefix;
  } else if (place.kind === 'site') {
    router = plan.namespace(namespaceOf.site(place.site), 'router');
    range = model.sites.find((candidate) => candidate.name === place.site)!.addressPrefix;
  } else {
    router = plan.namespace(namespaceOf.internet(), 'router');
    range = `${host.address}/32`;
  }
  // A host on the internet has no subnet to take a gateway from.
  const gateway = place.kind === 'internet' ? TRANSIT_GATEWAY : gatewayOf(range);
  plan.plug(
    { in: router, link },
    { in: endpoint, address: host.address, prefixLength: prefixLength(range), gateway },
    `flyover: host ${host.name}`,
  );
  router.filter?.sets.sources?.push([link, host.ipForwarding ? ANYWHERE : host.address]);
  if (!host.ipForwarding) return;
  const network =
    place.kind === 'vnet'
      ? model.virtualNetworks.find(({ name }) => name === place.virtualNetwork)
      : undefined;
  const inside = network?.addressPrefixes ?? [range];
  endpoint.filter = {
    kind: 'appliance',
    sets: { inside: inside.map((prefix) => [prefix]) },
    masquerades: host.masquerade === true,
  };
  endpoint.sysctls = { 'ipv4/ip_forward': 1 };
}

/** Whether a machine of the network forwards: what comes from there may then have any source. */
function hasAppliance(model: FabricModel, network: string): boolean {
  return model.hosts.some(
    ({ place, ipForwarding }) => ipForwarding && place.kind === 'vnet' && place.virtualNetwork === network,
  );
}
