import { TYPES } from '../ids.ts';
import type { ResourceStore } from '../store.ts';
import type { Cluster, Host, Machine, Peering, Site, VirtualNetwork } from '../types.ts';

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
  };
}
