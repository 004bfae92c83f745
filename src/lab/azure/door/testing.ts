import { LabError } from '../../errors.ts';
import { nodeGroup, resourceId, TYPES } from '../ids.ts';
import { type ClusterRequest, newCluster } from './cluster.ts';
import type { Inventory } from './inventory.ts';
import { newMachines } from './machine.ts';

/** A lab without anything. */
export const empty = (): Inventory => ({
  virtualNetworks: [],
  peerings: [],
  clusters: [],
  machines: [],
  hosts: [],
  sites: [],
  publicIpAddresses: [],
  natGateways: [],
  routeTables: [],
  loadBalancers: [],
});

/** Lets a cluster into the inventory as the supervisor does. */
export function admit(inventory: Inventory, request: Partial<ClusterRequest> & { name: string }): void {
  const wanted = { nodes: 1, ...request };
  const { cluster, network, outbound } = newCluster(inventory, wanted);
  const id = resourceId(TYPES.virtualNetwork, [network.name]);
  inventory.virtualNetworks = [
    ...inventory.virtualNetworks.filter((other) => other.name !== network.name),
    { ...network.properties, name: network.name, id },
  ];
  const named = { ...cluster, name: request.name, id: resourceId(TYPES.cluster, [request.name]) };
  inventory.clusters.push(named);
  for (const { name, properties } of outbound.made)
    inventory.publicIpAddresses.push({
      ...properties,
      name,
      id: resourceId(TYPES.publicIpAddress, [name], nodeGroup(request.name)),
    });
  for (const machine of newMachines(inventory, named, Number(wanted.nodes)))
    inventory.machines.push({ ...machine.properties, name: machine.name, id: machine.name });
}

/** The code of a refusal, or `accepted`. */
export function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof LabError) return error.refusal.code;
    return (error as { code: string }).code;
  }
  return 'accepted';
}
