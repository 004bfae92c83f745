import { balancingOf } from './balancing.ts';
import type { PlanBuilder } from './builder.ts';
import type { FabricModel } from './model.ts';
import { linkName, namespaceOf, PORT_PREFIX } from './names.ts';
import { egressOf } from './outbound.ts';
import type { NamespacePlan } from './plan.ts';
import { TRANSIT_GATEWAY } from './ranges.ts';

/** Policy routing of a domain: unmarked packets pay one rule, and each node of a cluster with load balancers has one. */
const UNMARKED_PRIORITY = 10;
const NODE_PRIORITY = 1000;
/** The routing table of node 0; `main` has 254. */
const NODE_TABLE = 1000;
const MAIN = 254;
/** Seconds: a load balancer's default outbound idle timeout. Source: AKS, `--load-balancer-idle-timeout`. */
const LEAST_IDLE = 1800;

/** Public addresses on the lab's internet, each routed to one virtual network. */
export class PublicAddresses {
  readonly #internet: NamespacePlan;
  readonly #owners = new Map<string, string>();

  constructor(internet: NamespacePlan) {
    this.#internet = internet;
  }

  /** Routes the address to the network, once. @returns whether it leads there: an address has one network */
  lead(address: string, network: string): boolean {
    const owner = this.#owners.get(address);
    if (owner !== undefined) return owner === network;
    if (this.#internet.routes.some(({ dst }) => dst === `${address}/32`)) return false;
    this.#owners.set(address, network);
    const dev = linkName(PORT_PREFIX.virtualNetwork, network);
    this.#internet.routes.push({ dst: `${address}/32`, type: 'unicast', dev, via: TRANSIT_GATEWAY });
    this.#internet.filter?.sets.sources?.push([dev, address]);
    return true;
  }
}

/**
 * The frontends of a cluster's load balancers: everybody routes them to the virtual network, its router to the
 * cluster's domain, and that to a node. See filter-balance.ts for why there.
 */
export function planFrontends(
  plan: PlanBuilder,
  publicAddresses: PublicAddresses,
  model: FabricModel,
  cluster: FabricModel['clusters'][number],
): void {
  const router = plan.namespace(namespaceOf.virtualNetwork(cluster.virtualNetwork), 'router');
  const domain = plan.namespace(namespaceOf.domain(cluster.name), 'router');
  const port = linkName(PORT_PREFIX.cluster, cluster.name);
  router.filter!.sets.frontends ??= [];
  const balancers = (model.loadBalancers ?? []).filter((balancer) => balancer.cluster === cluster.name);
  const taken = new Set(router.routes.map(({ dst }) => dst));
  const led = new Set<string>();
  for (const { address, publicIpAddress } of balancers.flatMap(({ frontends }) => frontends)) {
    if (led.has(address) || taken.has(`${address}/32`)) continue;
    if (publicIpAddress !== undefined && !publicAddresses.lead(address, cluster.virtualNetwork)) continue;
    led.add(address);
    router.routes.push({ dst: `${address}/32`, type: 'unicast', dev: port, via: TRANSIT_GATEWAY });
    router.filter!.sets.sources?.push([port, address]);
    router.filter!.sets.frontends.push([address]);
    // Of a flow whose node is gone: it must not go back where it came from.
    domain.routes.push({ dst: `${address}/32`, type: 'blackhole' });
  }
  if (led.size === 0) return;
  const machines = model.machines.filter((machine) => machine.cluster === cluster.name);
  const backends = machines.map(({ name, index }) => ({
    name,
    number: index + 1,
    port: linkName(PORT_PREFIX.node, name),
  }));
  const reachable = balancers.map((balancer) => ({
    ...balancer,
    frontends: balancer.frontends.filter(({ address }) => led.has(address)),
  }));
  const { sets, maps } = balancingOf(reachable, backends, model.healthyNodes);
  domain.filter = {
    ...domain.filter!,
    balances: true,
    sets: { ...domain.filter!.sets, ...sets },
    maps: { ...maps },
  };
  domain.rules.push({ priority: UNMARKED_PRIORITY, mark: 0, table: MAIN });
  machines.forEach(({ address, index }, i) => {
    const mark = index + 1;
    const table = NODE_TABLE + mark;
    domain.rules.push({ priority: NODE_PRIORITY + mark, mark, table });
    domain.routes.push({ dst: 'default', type: 'unicast', dev: backends[i]!.port, via: address, table });
  });
}

/** Who of a virtual network wears which address on the internet. */
export function planEgress(
  plan: PlanBuilder,
  publicAddresses: PublicAddresses,
  model: FabricModel,
  network: FabricModel['virtualNetworks'][number],
): void {
  const router = plan.namespace(namespaceOf.virtualNetwork(network.name), 'router');
  const { addresses, snatPorts, sets, maps } = egressOf(model, network);
  for (const address of addresses) publicAddresses.lead(address, network.name);
  const { sources, pods, frontends = [] } = router.filter!.sets;
  router.filter = {
    ...router.filter!,
    sets: { sources: sources!, pods: pods!, frontends, ...sets },
    maps: { ...maps },
    snatPorts: snatPorts.sort((a, b) => a - b),
  };
  // For all that the router translates: conntrack's timeouts are a namespace's, not a connection's.
  const minutes = [
    ...model.clusters.filter(({ virtualNetwork }) => virtualNetwork === network.name).map((c) => c.outbound),
    ...network.subnets.map(({ natGateway }) => model.natGateways?.find(({ name }) => name === natGateway)),
  ].map((outbound) => outbound?.idleTimeoutInMinutes ?? 0);
  router.sysctls = {
    'netfilter/nf_conntrack_tcp_timeout_established': Math.max(LEAST_IDLE, ...minutes.map((m) => m * 60)),
    // The SNAT port of a connection that ended by FIN is given again at once, but of one that was reset only then.
    'netfilter/nf_conntrack_tcp_timeout_close': 1,
  };
}
