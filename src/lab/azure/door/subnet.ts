import { LabError, pickByName } from '../../errors.ts';
import type { Subnet, VirtualNetwork } from '../types.ts';
import type { Inventory, Named } from './inventory.ts';
import { findNetwork } from './network.ts';

/** What a subnet is associated with: a name, null for none any more, undefined for what it was. */
export interface SubnetGateways {
  natGateway?: string | null | undefined;
  routeTable?: string | null | undefined;
}

/** The virtual network with a subnet whose gateways are others. @throws LabError */
export function withSubnetGateways(
  inventory: Inventory,
  networkName: string,
  subnetName: string,
  gateways: SubnetGateways,
): VirtualNetwork {
  const network = findNetwork(inventory, networkName);
  const found = pickByName(`subnet of virtual network ${networkName}`, network.subnets, subnetName);
  if (gateways.natGateway) checkNatGateway(inventory, network, gateways.natGateway);
  if (gateways.natGateway !== undefined) checkNotManaged(inventory, found);
  if (gateways.routeTable) {
    pickByName('route table', inventory.routeTables, gateways.routeTable);
  }
  const { name: _name, id: _id, ...properties } = network;
  const subnets = network.subnets.map((subnet) => (subnet === found ? changed(subnet, gateways) : subnet));
  return { ...properties, subnets };
}

function changed(subnet: Subnet, { natGateway, routeTable }: SubnetGateways): Subnet {
  const { natGateway: oldGateway, routeTable: oldTable, ...rest } = subnet;
  const gateway = natGateway === undefined ? oldGateway : natGateway;
  const table = routeTable === undefined ? oldTable : routeTable;
  return {
    ...rest,
    ...(gateway ? { natGateway: gateway } : {}),
    ...(table ? { routeTable: table } : {}),
  };
}

/** Its cluster would be left with a gateway that serves nobody. */
function checkNotManaged(inventory: Inventory, { name, natGateway }: Subnet): void {
  const owner = inventory.natGateways.find((gateway) => gateway.name === natGateway)?.cluster;
  if (owner === undefined) return;
  throw new LabError({
    code: 'NatGatewayIsManaged',
    field: 'SUBNET',
    value: name,
    rule: `has the managed NAT gateway of cluster ${owner}`,
    fix: `give the cluster another way out first: flyover cluster update ${owner} --outbound-type loadBalancer`,
    status: 409,
  });
}

function checkNatGateway(inventory: Inventory, network: Named<VirtualNetwork>, name: string): void {
  const gateway = pickByName('NAT gateway', inventory.natGateways, name);
  const refuse = (code: string, rule: string, fix: string): LabError =>
    new LabError({ code, field: '--nat-gateway', value: name, rule, fix, status: 409 });
  if (gateway.cluster !== undefined) {
    const rule = `is the managed NAT gateway of cluster ${gateway.cluster}`;
    throw refuse(
      'NatGatewayIsManaged',
      rule,
      'make one: flyover nat-gateway create NAME --public-ip ADDRESS',
    );
  }
  const elsewhere = inventory.virtualNetworks.find(
    (other) => other.name !== network.name && other.subnets.some((subnet) => subnet.natGateway === name),
  );
  if (elsewhere) {
    const rule = `serves virtual network ${elsewhere.name}, and a NAT gateway serves subnets of one network`;
    throw refuse('NatGatewaySpansVirtualNetworks', rule, 'make another one for this network');
  }
}
