import { TYPES } from '../ids.ts';
import type { ResourceStore } from '../store.ts';
import type {
  Cluster,
  Host,
  LoadBalancer,
  Machine,
  NatGateway,
  Peering,
  PublicIpAddress,
  RouteTable,
  Site,
  VirtualNetwork,
} from '../types.ts';

export type Named<P> = P & { name: string; id: string };

/** What exists, as the rules at the door look at it. */
export interface Inventory {
  virtualNetworks: Named<VirtualNetwork>[];
  /** `from` is the name of the network that has the peering. */
  peerings: (Named<Peering> & { from: string })[];
  clusters: Named<Cluster>[];
  machines: Named<Machine>[];
  hosts: Named<Host>[];
  sites: Named<Site>[];
  /** Their names are unique in the lab, whatever group they are in; so are those of NAT gateways and route tables. */
  publicIpAddresses: Named<PublicIpAddress>[];
  natGateways: Named<NatGateway>[];
  routeTables: Named<RouteTable>[];
  /** A cluster's are called `kubernetes` and `kubernetes-internal`. */
  loadBalancers: Named<LoadBalancer>[];
}

/** Reads all that the rules need in one go. */
export function readInventory(store: ResourceStore): Inventory {
  const all = <P>(type: (typeof TYPES)[keyof typeof TYPES]): Named<P>[] =>
    store.list<P>(type).map((resource) => ({ ...resource.properties, name: resource.name, id: resource.id }));
  return {
    virtualNetworks: all<VirtualNetwork>(TYPES.virtualNetwork),
    peerings: all<Peering>(TYPES.peering).map((peering) => ({
      ...peering,
      from: peering.id.split('/').at(-3)!,
    })),
    clusters: all<Cluster>(TYPES.cluster),
    machines: all<Machine>(TYPES.machine),
    hosts: all<Host>(TYPES.host),
    sites: all<Site>(TYPES.site),
    publicIpAddresses: all<PublicIpAddress>(TYPES.publicIpAddress),
    natGateways: all<NatGateway>(TYPES.natGateway),
    routeTables: all<RouteTable>(TYPES.routeTable),
    loadBalancers: all<LoadBalancer>(TYPES.loadBalancer),
  };
}
