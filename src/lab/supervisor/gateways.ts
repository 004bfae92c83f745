import {
  deletableNatGateway,
  type NatGatewayRequest,
  newNatGateway,
  subnetsOfNatGateway,
} from '../azure/door/nat-gateway.ts';
import { deletablePublicIp, newPublicIp, usersOfPublicIp } from '../azure/door/public-ip.ts';
import {
  deletableRouteTable,
  newRouteTable,
  type RouteRequest,
  subnetsOfRouteTable,
  withoutRoute,
  withRoute,
} from '../azure/door/route-table.ts';
import { type ResourceType, resourceGroup, resourceId, TYPES } from '../azure/ids.ts';
import type { NatGateway, PublicIpAddress, RouteTable } from '../azure/types.ts';
import { pickByName } from '../errors.ts';
import type { LabContext } from './context.ts';
import type { NatGatewayView, PublicIpView, RouteTableView } from './views.ts';

/** What leads out of virtual networks: public addresses, NAT gateways and route tables. Each call is done when it returns. */
export class Gateways {
  readonly #lab: LabContext;

  constructor(lab: LabContext) {
    this.#lab = lab;
  }

  publicIps(): PublicIpView[] {
    const inventory = this.#lab.inventory();
    return inventory.publicIpAddresses.map((each) => ({
      ...each,
      resourceGroup: resourceGroup(each.id),
      users: usersOfPublicIp(inventory, each.name),
    }));
  }

  /** @throws LabError */
  createPublicIp(request: { name: string }): PublicIpView {
    const properties = newPublicIp(this.#lab.inventory(), request);
    this.#lab.change(() => this.#put<PublicIpAddress>(TYPES.publicIpAddress, request.name, properties));
    return pickByName('public address', this.publicIps(), request.name);
  }

  /** @throws LabError */
  deletePublicIp(name: string): void {
    const { id } = deletablePublicIp(this.#lab.inventory(), name);
    this.#lab.change(() => this.#lab.store.delete(id));
  }

  natGateways(): NatGatewayView[] {
    const inventory = this.#lab.inventory();
    const addressOf = new Map(inventory.publicIpAddresses.map((each) => [each.name, each.address]));
    return inventory.natGateways.map((each) => ({
      ...each,
      addresses: each.publicIpAddresses.map((name) => addressOf.get(name) ?? name),
      subnets: subnetsOfNatGateway(inventory, each.name),
    }));
  }

  /** @throws LabError */
  createNatGateway(request: NatGatewayRequest): NatGatewayView {
    const properties = newNatGateway(this.#lab.inventory(), request);
    this.#lab.change(() => this.#put<NatGateway>(TYPES.natGateway, request.name, properties));
    return pickByName('NAT gateway', this.natGateways(), request.name);
  }

  /** @throws LabError */
  deleteNatGateway(name: string): void {
    const { id } = deletableNatGateway(this.#lab.inventory(), name);
    this.#lab.change(() => this.#lab.store.delete(id));
  }

  routeTables(): RouteTableView[] {
    const inventory = this.#lab.inventory();
    return inventory.routeTables.map((each) => ({
      ...each,
      subnets: subnetsOfRouteTable(inventory, each.name),
    }));
  }

  /** @throws LabError, AddressError */
  createRouteTable(request: { name: string; routes: RouteRequest[] }): RouteTableView {
    return this.#writeTable(request.name, newRouteTable(this.#lab.inventory(), request));
  }

  /** @throws LabError, AddressError */
  addRoute(table: string, route: RouteRequest): RouteTableView {
    const found = pickByName('route table', this.#lab.inventory().routeTables, table);
    return this.#writeTable(table, withRoute({ routes: found.routes }, route));
  }

  /** @throws LabError */
  removeRoute(table: string, route: string): RouteTableView {
    const found = pickByName('route table', this.#lab.inventory().routeTables, table);
    return this.#writeTable(table, withoutRoute(found, route));
  }

  /** @throws LabError */
  deleteRouteTable(name: string): void {
    const { id } = deletableRouteTable(this.#lab.inventory(), name);
    this.#lab.change(() => this.#lab.store.delete(id));
  }

  #writeTable(name: string, properties: RouteTable): RouteTableView {
    this.#lab.change(() => this.#put<RouteTable>(TYPES.routeTable, name, properties));
    return pickByName('route table', this.routeTables(), name);
  }

  #put<P>(type: ResourceType, name: string, properties: P): void {
    const id = resourceId(type, [name]);
    this.#lab.store.put<P>({ id, type, provisioningState: 'Succeeded', properties });
  }
}
