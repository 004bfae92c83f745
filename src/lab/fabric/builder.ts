import { macOf } from './names.ts';
import type { Cable, FabricPlan, LinkEnd, NamespacePlan } from './plan.ts';
import { MTU, TRANSIT_GATEWAY } from './ranges.ts';

/** Collects a plan: namespaces on first mention, cables with the neighbour entries of both their ends. */
export class PlanBuilder {
  readonly #namespaces = new Map<string, NamespacePlan>();
  readonly #cables: Cable[] = [];

  namespace(name: string, role: NamespacePlan['role']): NamespacePlan {
    let plan = this.#namespaces.get(name);
    if (!plan) {
      plan = { name, role, addresses: [], routes: [], rules: [], neighbours: [] };
      this.#namespaces.set(name, plan);
    }
    return plan;
  }

  /** Joins two routers by a link without addresses: each is the other's `TRANSIT_GATEWAY`. */
  transit(
    a: { in: NamespacePlan; link: string },
    b: { in: NamespacePlan; link: string },
    alias: string,
  ): void {
    const [endA, endB] = this.#cable(a, b, alias);
    a.in.neighbours.push({ dev: a.link, address: TRANSIT_GATEWAY, mac: endB.mac });
    b.in.neighbours.push({ dev: b.link, address: TRANSIT_GATEWAY, mac: endA.mac });
  }

  /**
   * Plugs an endpoint's `eth0` into a router's port. As on Azure, everything an endpoint sends goes to its
   * gateway, its own subnet's neighbours included: the address brings no connected route. Both sides get
   * permanent neighbour entries, so the fabric carries no ARP.
   */
  plug(
    router: { in: NamespacePlan; link: string },
    endpoint: { in: NamespacePlan; address: string; prefixLength: number; gateway: string },
    alias: string,
  ): void {
    const [port, nic] = this.#cable(router, { in: endpoint.in, link: 'eth0' }, alias);
    endpoint.in.addresses.push({
      dev: 'eth0',
      address: endpoint.address,
      prefixLength: endpoint.prefixLength,
    });
    endpoint.in.routes.push({ dst: 'default', type: 'unicast', dev: 'eth0', via: endpoint.gateway });
    endpoint.in.neighbours.push({ dev: 'eth0', address: endpoint.gateway, mac: port.mac });
    router.in.routes.push({ dst: `${endpoint.address}/32`, type: 'unicast', dev: router.link });
    router.in.neighbours.push({ dev: router.link, address: endpoint.address, mac: nic.mac });
  }

  /** @throws Error when two cables would have one end, two routes of a table one destination, or two rules one priority */
  build(): FabricPlan {
    const ends = this.#cables.flatMap(({ a, b }) => [a, b]);
    refuseTwice('link', (end) => `${end.namespace}/${end.name}`, ends);
    for (const { name, routes, rules } of this.#namespaces.values()) {
      refuseTwice('route', ({ dst, table = 'main' }) => `${name} to ${dst} in table ${table}`, routes);
      refuseTwice('rule', ({ priority }) => `${name} with priority ${priority}`, rules);
    }
    return { namespaces: this.#namespaces, cables: this.#cables };
  }

  #cable(
    a: { in: NamespacePlan; link: string },
    b: { in: NamespacePlan; link: string },
    alias: string,
  ): [LinkEnd, LinkEnd] {
    const ends = [a, b].map((end) => ({
      namespace: end.in.name,
      name: end.link,
      mac: macOf(end.in.name, end.link),
    })) as [LinkEnd, LinkEnd];
    this.#cables.push({ a: ends[0], b: ends[1], mtu: MTU, alias });
    return ends;
  }
}

function refuseTwice<T>(what: string, keyOf: (item: T) => string, items: T[]): void {
  const seen = new Set<string>();
  for (const key of items.map(keyOf)) {
    if (seen.has(key)) throw new Error(`the fabric would have the ${what} ${key} twice`);
    seen.add(key);
  }
}
