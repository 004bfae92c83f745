import { parseCidr } from '../../../address/cidr.ts';
import { LabError, pickByName } from '../../errors.ts';
import { resourceId, TYPES } from '../ids.ts';
import type { Subnet, VirtualNetwork } from '../types.ts';
import type { Inventory } from './inventory.ts';

/** Where the nodes of a cluster stand. */
export interface ClusterPlace {
  network: { name: string; properties: VirtualNetwork };
  subnet: string;
}

function subnetOf({ network, subnet }: ClusterPlace): { found: Subnet | undefined; id: string } {
  const found = network.properties.subnets.find((each) => each.name === subnet);
  return { found, id: `${resourceId(TYPES.virtualNetwork, [network.name])}/subnets/${subnet}` };
}

/** @param managed - the NAT gateway that is the cluster's own. @throws LabError `SubnetNotAssociatedWithNATGateway` */
export function checkUserGateway(cluster: ClusterPlace, managed: string): void {
  const { found, id } = subnetOf(cluster);
  if (found?.natGateway !== undefined && found.natGateway !== managed) return;
  throw new LabError({
    code: 'SubnetNotAssociatedWithNATGateway',
    field: '--outbound-type',
    value: 'userAssignedNATGateway',
    rule: `needs a NAT gateway of yours on subnet ${id}, and it has none`,
    fix: `flyover vnet update-subnet ${cluster.network.name} ${cluster.subnet} --nat-gateway NAME attaches one`,
  });
}

/** @throws LabError when the subnet's routes lead to no appliance */
export function checkRouting(inventory: Inventory, cluster: ClusterPlace): void {
  const { found, id } = subnetOf(cluster);
  const refuse = (code: string, rule: string, fix: string): LabError =>
    new LabError({ code, field: '--outbound-type', value: 'userDefinedRouting', rule, fix });
  if (found?.routeTable === undefined) {
    throw refuse(
      'ExistingRouteTableNotAssociatedWithSubnet',
      `is refused: An existing route table has not been associated with subnet ${id}. Please update the route table association`,
      `flyover vnet update-subnet ${cluster.network.name} ${cluster.subnet} --route-table NAME associates one`,
    );
  }
  const table = pickByName('route table', inventory.routeTables, found.routeTable);
  const byDefault = table.routes.find((route) => parseCidr(route.addressPrefix).prefixLength === 0);
  const fix = `flyover route-table add-route ${table.name} 0.0.0.0/0=ADDRESS, the address of an appliance`;
  if (!byDefault) {
    const rule = `needs a route for 0.0.0.0/0, and the route table ${table.name} of subnet ${id} has none`;
    throw refuse('RouteTableMissingDefaultRouteError', rule, fix);
  }
  if (byDefault.nextHopType !== 'VirtualAppliance') {
    throw refuse(
      'RouteTableInvalidNextHop',
      `is refused: Default route 0.0.0.0/0 has a next hop of ${byDefault.nextHopType} but only next hops of VirtualAppliance or VirtualNetworkGateway are allowed. Please see http://aka.ms/aks/outboundtype for more details`,
      `remove the route ${byDefault.name}, then ${fix}`,
    );
  }
}
