import type { Inventory } from '../../azure/door/inventory.ts';
import { namespaceOf } from '../../fabric/names.ts';
import { namespacePath } from '../../paths.ts';
import type { ServedNetwork } from './lab-dns.ts';
import type { NamedMachine } from './network-zone.ts';

/** The virtual networks, each with its machines: nodes, and hosts in its subnets. */
export function servedNetworks(
  inventory: Pick<Inventory, 'virtualNetworks' | 'clusters' | 'machines' | 'hosts'>,
): ServedNetwork[] {
  const machines = new Map<string, NamedMachine[]>(inventory.virtualNetworks.map(({ name }) => [name, []]));
  const networkOf = new Map(inventory.clusters.map(({ name, virtualNetwork }) => [name, virtualNetwork]));
  for (const { name, cluster, address } of inventory.machines)
    machines.get(networkOf.get(cluster) ?? '')?.push({ name, address });
  for (const { name, place, address } of inventory.hosts)
    if (place.kind === 'vnet') machines.get(place.virtualNetwork)?.push({ name, address });
  return [...machines].map(([name, own]) => ({
    name,
    netns: namespacePath(namespaceOf.virtualNetwork(name)),
    machines: own,
  }));
}
