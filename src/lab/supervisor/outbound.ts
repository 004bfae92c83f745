import { findCluster } from '../azure/door/cluster.ts';
import { MAX_NODES } from '../azure/door/machine.ts';
import { findNetwork } from '../azure/door/network.ts';
import {
  managedGatewayName,
  type NewOutbound,
  newOutbound,
  type OutboundRequest,
} from '../azure/door/outbound.ts';
import { nodeGroup, resourceId, TYPES } from '../azure/ids.ts';
import type { Cluster, NatGateway, PublicIpAddress, VirtualNetwork } from '../azure/types.ts';
import { LabError } from '../errors.ts';
import type { LabContext } from './context.ts';

/** Moves a running cluster to another way out, in one step. @throws LabError */
export function updateOutbound(lab: LabContext, name: string, request: OutboundRequest): void {
  const inventory = lab.inventory();
  const cluster = findCluster(inventory, name);
  const resource = lab.store.get<Cluster>(cluster.id)!;
  if (resource.provisioningState === 'Deleting') {
    throw new LabError({
      code: 'OperationNotAllowed',
      field: 'NAME',
      value: name,
      rule: 'is being deleted',
      fix: 'make it again when flyover cluster list does not show it any more',
      status: 409,
    });
  }
  const { name: network, id: _id, ...properties } = findNetwork(inventory, cluster.virtualNetwork);
  const nodes = inventory.machines.filter((machine) => machine.cluster === name).length;
  const wanted = newOutbound(
    inventory,
    {
      name,
      network: { name: network, properties },
      subnet: cluster.subnet,
      nodes: Math.min(MAX_NODES, cluster.autoscaler?.max ?? nodes),
      outbound: cluster.outbound,
    },
    request,
  );
  lab.change(() => {
    const { name: _name, createdAt: _createdAt, ...rest } = resource;
    lab.store.put<Cluster>({ ...rest, properties: { ...resource.properties, outbound: wanted.outbound } });
    writeOutbound(lab, name, wanted);
  });
}

/** Writes what a cluster's way out needs besides the cluster itself, inside somebody's transaction. */
export function writeOutbound({ store }: LabContext, cluster: string, wanted: NewOutbound): void {
  const group = nodeGroup(cluster);
  for (const { name, properties } of wanted.made) {
    store.put<PublicIpAddress>({
      id: resourceId(TYPES.publicIpAddress, [name], group),
      type: TYPES.publicIpAddress,
      provisioningState: 'Succeeded',
      properties,
    });
  }
  if (wanted.natGateway) {
    store.put<NatGateway>({
      id: resourceId(TYPES.natGateway, [wanted.natGateway.name], group),
      type: TYPES.natGateway,
      provisioningState: 'Succeeded',
      properties: wanted.natGateway.properties,
    });
  } else store.delete(resourceId(TYPES.natGateway, [managedGatewayName(cluster)], group));
  attachManagedGateway({ store }, cluster, wanted.natGateway !== undefined);
  for (const name of wanted.gone) store.delete(resourceId(TYPES.publicIpAddress, [name], group));
}

/** Removes all that a cluster's controllers made in the network, inside somebody's transaction. */
export function removeClusterNetworking(lab: LabContext, cluster: string): void {
  attachManagedGateway(lab, cluster, false);
  const { natGateways, publicIpAddresses, loadBalancers } = lab.inventory();
  for (const each of [...loadBalancers, ...natGateways, ...publicIpAddresses]) {
    if (each.cluster === cluster) lab.store.delete(each.id);
  }
}

/** The managed NAT gateway is on the subnet of its cluster, or on none. */
function attachManagedGateway(
  { store }: Pick<LabContext, 'store'>,
  cluster: string,
  attached: boolean,
): void {
  const owner = store.get<Cluster>(resourceId(TYPES.cluster, [cluster]));
  if (!owner) return;
  const { virtualNetwork, subnet: subnetName } = owner.properties;
  const network = store.get<VirtualNetwork>(resourceId(TYPES.virtualNetwork, [virtualNetwork]));
  if (!network) return;
  const managed = managedGatewayName(cluster);
  const subnets = network.properties.subnets.map((subnet) => {
    const { natGateway, ...rest } = subnet;
    if (subnet.name === subnetName && attached) return { ...rest, natGateway: managed };
    return natGateway === managed ? rest : subnet;
  });
  const { name: _name, createdAt: _createdAt, ...rest } = network;
  store.put<VirtualNetwork>({ ...rest, properties: { ...network.properties, subnets } });
}
