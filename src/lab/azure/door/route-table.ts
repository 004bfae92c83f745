import { formatCidr, parseCidr } from '../../../address/cidr.ts';
import { formatAddress, parseAddress } from '../../../address/ip.ts';
import { LabError, pickByName } from '../../errors.ts';
import type { Route, RouteTable } from '../types.ts';
import { checkCount, checkName } from './checks.ts';
import type { Inventory, Named } from './inventory.ts';

/** Routes of one table. Source: Azure networking limits. */
const MOST_ROUTES = 400;
const HOPS = ['Internet', 'VnetLocal', 'None'] as const;

/** A route as somebody writes it. */
export interface RouteRequest {
  /** Made from the range when left out. */
  name?: string | undefined;
  addressPrefix: string;
  /** An address, of a virtual appliance; or `Internet`, `VnetLocal`, `None`. */
  nextHop: string;
}

/** @throws LabError, AddressError */
export function newRouteTable(
  inventory: Inventory,
  request: { name: string; routes: RouteRequest[] },
): RouteTable {
  checkName('NAME', request.name);
  if (inventory.routeTables.some((table) => table.name === request.name)) {
    throw new LabError({
      code: 'RouteTableExists',
      field: 'NAME',
      value: request.name,
      rule: 'is the name of a route table that exists',
      fix: 'choose another name, or delete that table',
      status: 409,
    });
  }
  return request.routes.reduce<RouteTable>(withRoute, { routes: [] });
}

/** The table with one more route. @throws LabError, AddressError */
export function withRoute(table: RouteTable, request: RouteRequest): RouteTable {
  const field = '--route';
  const range = parseCidr(request.addressPrefix, field);
  if (range.family !== 4) {
    throw new LabError({
      code: 'AddressFamilyNotSupported',
      field,
      value: request.addressPrefix,
      rule: 'is IPv6, and the fabric of the lab carries IPv4 so far',
      fix: 'give an IPv4 range',
    });
  }
  checkCount('routes of the table', table.routes.length + 1, 1, MOST_ROUTES);
  const addressPrefix = formatCidr(range);
  const name = request.name ?? `to-${addressPrefix.replace(/[./]/g, '-')}`;
  checkName(field, name);
  const clash = table.routes.find((route) => route.name === name || route.addressPrefix === addressPrefix);
  if (clash) {
    throw new LabError({
      code: 'RouteConflict',
      field,
      value: addressPrefix,
      rule: `has the name or the range of route ${clash.name} (${clash.addressPrefix})`,
      fix: 'remove that route first',
      status: 409,
    });
  }
  return { routes: [...table.routes, { name, addressPrefix, ...hopOf(request.nextHop) }] };
}

function hopOf(text: string): Pick<Route, 'nextHopType' | 'nextHopIpAddress'> {
  const type = HOPS.find((hop) => hop.toLowerCase() === text.toLowerCase());
  if (type) return { nextHopType: type };
  if (!/^[\d.]+$/.test(text)) {
    throw new LabError({
      code: 'InvalidNextHop',
      field: '--route',
      value: text,
      rule: 'is neither an IPv4 address nor one of Internet, VnetLocal, None',
      fix: 'write RANGE=HOP, such as 0.0.0.0/0=10.0.2.4 for an appliance at 10.0.2.4',
    });
  }
  const hop = formatAddress(parseAddress(text, '--route'));
  return { nextHopType: 'VirtualAppliance', nextHopIpAddress: hop };
}

/** The table without a route. @throws LabError NotFound */
export function withoutRoute(table: Named<RouteTable>, route: string): RouteTable {
  const gone = pickByName(`route of table ${table.name}`, table.routes, route);
  return { routes: table.routes.filter((each) => each !== gone) };
}

/** Subnets that a route table is associated with, as `network/subnet`. */
export function subnetsOfRouteTable(inventory: Inventory, name: string): string[] {
  return inventory.virtualNetworks.flatMap((network) =>
    network.subnets
      .filter((subnet) => subnet.routeTable === name)
      .map((subnet) => `${network.name}/${subnet.name}`),
  );
}

/** @throws LabError `NotFound`, `InUseRouteTableCannotBeDeleted` */
export function deletableRouteTable(inventory: Inventory, name: string): Named<RouteTable> {
  const found = pickByName('route table', inventory.routeTables, name);
  const users = subnetsOfRouteTable(inventory, name);
  if (users.length === 0) return found;
  throw new LabError({
    code: 'InUseRouteTableCannotBeDeleted',
    field: 'NAME',
    value: name,
    rule: `is in use by subnet ${users.join(', ')}`,
    fix: 'flyover vnet update-subnet NETWORK SUBNET --no-route-table takes it from a subnet',
    status: 409,
  });
}
