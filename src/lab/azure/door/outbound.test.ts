import { describe, expect, test } from 'vitest';
import { portsPerNode } from '../../fabric/snat-ports.ts';
import { resourceId, TYPES } from '../ids.ts';
import { newCluster } from './cluster.ts';
import type { Inventory } from './inventory.ts';
import { newMachines } from './machine.ts';
import { deletableNatGateway, newNatGateway } from './nat-gateway.ts';
import { newOutbound, type OutboundRequest } from './outbound.ts';
import { deletablePublicIp, newPublicIp } from './public-ip.ts';
import { deletableRouteTable, newRouteTable, withRoute } from './route-table.ts';
import { withSubnetGateways } from './subnet.ts';
import { admit, codeOf, empty } from './testing.ts';

function addPublicIp(inventory: Inventory, name: string): void {
  const id = resourceId(TYPES.publicIpAddress, [name]);
  inventory.publicIpAddresses.push({ ...newPublicIp(inventory, { name }), name, id });
}

function addNatGateway(inventory: Inventory, name: string): void {
  addPublicIp(inventory, `${name}-ip`);
  const gateway = newNatGateway(inventory, { name, publicIpAddresses: [`${name}-ip`] });
  inventory.natGateways.push({ ...gateway, name, id: resourceId(TYPES.natGateway, [name]) });
}

function addRouteTable(inventory: Inventory, name: string, hops: Record<string, string>): void {
  const routes = Object.entries(hops).map(([addressPrefix, nextHop]) => ({ addressPrefix, nextHop }));
  const table = newRouteTable(inventory, { name, routes });
  inventory.routeTables.push({ ...table, name, id: resourceId(TYPES.routeTable, [name]) });
}

/** What its subnet is associated with from now on. */
function attach(inventory: Inventory, gateways: { natGateway?: string; routeTable?: string }): void {
  const network = inventory.virtualNetworks[0]!;
  Object.assign(network, withSubnetGateways(inventory, network.name, 'nodes', gateways));
}

/** A running cluster `shop` gets another way out. */
function update(inventory: Inventory, request: OutboundRequest, nodes = 2) {
  const cluster = inventory.clusters[0]!;
  const { name, id: _id, ...properties } = inventory.virtualNetworks[0]!;
  const { subnet, outbound } = cluster;
  return newOutbound(
    inventory,
    { name: 'shop', network: { name, properties }, subnet, nodes, outbound },
    request,
  );
}

const withShop = (): Inventory => {
  const inventory = empty();
  admit(inventory, { name: 'shop', nodes: 2 });
  return inventory;
};

describe('a new cluster', () => {
  test('goes out through its load balancer, with a public address of its own', () => {
    const inventory = withShop();
    const [shop] = inventory.clusters;
    expect(shop!.outbound).toEqual({
      type: 'loadBalancer',
      publicIpAddresses: ['shop-outbound-1'],
      allocatedOutboundPorts: 0,
      idleTimeoutInMinutes: 30,
    });
    admit(inventory, { name: 'other' });
    const taken = [
      ...inventory.publicIpAddresses.map(({ address }) => address),
      ...inventory.clusters.map(({ apiServerAddress }) => apiServerAddress),
      ...inventory.virtualNetworks.map(({ publicAddress }) => publicAddress),
    ];
    expect([taken.length, new Set(taken).size]).toEqual([5, 5]);
  });

  test('has as many SNAT ports for each node as AKS gives', () => {
    const outbound = { type: 'loadBalancer' as const, allocatedOutboundPorts: 0 };
    expect([50, 51].map((nodes) => portsPerNode(outbound, nodes))).toEqual([1024, 512]);
    expect(portsPerNode({ ...outbound, allocatedOutboundPorts: 64 }, 51)).toBe(64);
  });

  test.each<[string, OutboundRequest]>([
    ['InvalidOutboundType', { outboundType: 'direct' }],
    ['InvalidLoadBalancerProfileAllocatedOutboundPorts', { loadBalancerOutboundPorts: 100 }],
    ['InvalidLoadBalancerProfileAllocatedOutboundPorts', { loadBalancerOutboundPorts: 32_008 }],
    ['InvalidParameter', { loadBalancerOutboundPorts: 64_008 }],
    ['InvalidParameter', { loadBalancerIdleTimeout: 3 }],
    ['InvalidParameter', { loadBalancerManagedOutboundIpCount: 17 }],
    ['InvalidParameter', { natGatewayIdleTimeout: 10 }],
    ['InvalidParameter', { loadBalancerManagedOutboundIpCount: 1, loadBalancerOutboundIps: ['mine'] }],
    ['NotFound', { loadBalancerOutboundIps: ['mine'] }],
    ['SubnetNotAssociatedWithNATGateway', { outboundType: 'userAssignedNATGateway' }],
    ['ExistingRouteTableNotAssociatedWithSubnet', { outboundType: 'userDefinedRouting' }],
    ['accepted', { outboundType: 'none' }],
    ['accepted', { outboundType: 'managednatgateway', natGatewayManagedOutboundIpCount: 16 }],
    ['accepted', { loadBalancerOutboundPorts: 32_000 }],
  ])('%s: %j', (code, request) => {
    expect(codeOf(() => newCluster(empty(), { name: 'shop', nodes: 2, ...request }))).toBe(code);
  });

  test('with too many ports is told in the words of Azure', () => {
    const request = { name: 'shop', nodes: 3, loadBalancerOutboundPorts: 32_000 };
    expect(() => newCluster(empty(), request)).toThrow(
      'Load balancer profile allocated ports 32000 is not in an allowable range given the number of nodes and IPs provisioned. Total node count 3 requires 96000 ports but only 64000 ports are available given 1 outbound public IPs.',
    );
  });

  test('in a network of a person gets no managed NAT gateway', () => {
    const request = { name: 'shop', nodes: 1, vnet: 'hub', vnetPrefix: '10.9.0.0/16' };
    expect(codeOf(() => newCluster(empty(), { ...request, outboundType: 'managedNATGateway' }))).toBe(
      'ManagedNATGatewayWithCustomVNetNotAllowed',
    );
  });
});

describe('a running cluster', () => {
  test('that gets another type gives its addresses back, and keeps what is not said of its own type', () => {
    const inventory = withShop();
    expect(update(inventory, { outboundType: 'none' })).toEqual({
      outbound: { type: 'none' },
      made: [],
      gone: ['shop-outbound-1'],
    });
    const more = update(inventory, { loadBalancerManagedOutboundIpCount: 3, loadBalancerOutboundPorts: 64 });
    expect(more.outbound.publicIpAddresses).toEqual([
      'shop-outbound-1',
      'shop-outbound-2',
      'shop-outbound-3',
    ]);
    expect([more.made.length, more.gone]).toEqual([2, []]);
    expect(new Set(more.made.map(({ properties }) => properties.address)).size).toBe(2);
    for (const { name, properties } of more.made) {
      inventory.publicIpAddresses.push({
        ...properties,
        name,
        id: resourceId(TYPES.publicIpAddress, [name]),
      });
    }
    inventory.clusters[0]!.outbound = { ...more.outbound, idleTimeoutInMinutes: 7 };
    const again = update(inventory, { loadBalancerOutboundPorts: 128 });
    expect(again.outbound).toMatchObject({ allocatedOutboundPorts: 128, idleTimeoutInMinutes: 7 });
    expect(update(inventory, { loadBalancerManagedOutboundIpCount: 1 }).gone).toEqual([
      'shop-outbound-2',
      'shop-outbound-3',
    ]);
  });

  test('gets a managed NAT gateway with the addresses that it has', () => {
    const { outbound, made, gone, natGateway } = update(withShop(), { outboundType: 'managedNATGateway' });
    expect([outbound.publicIpAddresses, made, gone]).toEqual([['shop-outbound-1'], [], []]);
    expect(natGateway).toEqual({
      name: 'shop-natgateway',
      properties: { publicIpAddresses: ['shop-outbound-1'], idleTimeoutInMinutes: 4, cluster: 'shop' },
    });
  });

  test('gets addresses of a person, and leaves them to that person', () => {
    const inventory = withShop();
    addPublicIp(inventory, 'mine');
    const wanted = update(inventory, { loadBalancerOutboundIps: ['mine'] });
    expect([wanted.outbound.publicIpAddresses, wanted.gone]).toEqual([['mine'], ['shop-outbound-1']]);
    inventory.clusters[0]!.outbound = wanted.outbound;
    expect(update(inventory, { loadBalancerOutboundPorts: 8 }).outbound.publicIpAddresses).toEqual(['mine']);
    expect(codeOf(() => deletablePublicIp(inventory, 'mine'))).toBe('PublicIPAddressCannotBeDeleted');
    expect(codeOf(() => newNatGateway(inventory, { name: 'nat', publicIpAddresses: ['mine'] }))).toBe(
      'PublicIPAddressInUse',
    );
    expect(update(inventory, { outboundType: 'none' }).gone).toEqual([]);
  });

  test('gets no node for which there are no ports left', () => {
    const inventory = withShop();
    const [shop] = inventory.clusters;
    shop!.outbound = update(inventory, { loadBalancerOutboundPorts: 32_000 }).outbound;
    expect(codeOf(() => newMachines(inventory, shop!, 1))).toBe(
      'InvalidLoadBalancerProfileAllocatedOutboundPorts',
    );
  });

  test('goes out through the NAT gateway of its subnet once there is one', () => {
    const inventory = withShop();
    addNatGateway(inventory, 'nat');
    expect(codeOf(() => update(inventory, { outboundType: 'userAssignedNATGateway' }))).toBe(
      'SubnetNotAssociatedWithNATGateway',
    );
    attach(inventory, { natGateway: 'nat' });
    expect(codeOf(() => update(inventory, { outboundType: 'userAssignedNATGateway' }))).toBe('accepted');
    expect(codeOf(() => update(inventory, { outboundType: 'managedNATGateway' }))).toBe(
      'SubnetAlreadyHasNATGateway',
    );
    expect(codeOf(() => deletableNatGateway(inventory, 'nat'))).toBe('InUseNatGatewayCannotBeDeleted');
  });

  test.each<[string, Record<string, string>]>([
    ['RouteTableMissingDefaultRouteError', { '10.1.0.0/16': '10.0.1.200' }],
    ['RouteTableInvalidNextHop', { '0.0.0.0/0': 'Internet' }],
    ['accepted', { '0.0.0.0/0': '10.0.1.200', '10.1.0.0/16': 'None' }],
  ])('by the routes of its subnet: %s', (code, hops) => {
    const inventory = withShop();
    addRouteTable(inventory, 'egress', hops);
    attach(inventory, { routeTable: 'egress' });
    expect(codeOf(() => update(inventory, { outboundType: 'userDefinedRouting' }))).toBe(code);
    expect(codeOf(() => deletableRouteTable(inventory, 'egress'))).toBe('InUseRouteTableCannotBeDeleted');
  });
});

describe('what a subnet is associated with', () => {
  test('must exist, and stays until it is taken away', () => {
    const inventory = withShop();
    addNatGateway(inventory, 'nat');
    addRouteTable(inventory, 'egress', {});
    const change = (gateways: Parameters<typeof withSubnetGateways>[3]) =>
      withSubnetGateways(inventory, 'vnet', 'nodes', gateways).subnets[0]!;
    expect(codeOf(() => change({ natGateway: 'no' }))).toBe('NotFound');
    expect(codeOf(() => change({ routeTable: 'no' }))).toBe('NotFound');
    attach(inventory, { natGateway: 'nat' });
    expect(change({ routeTable: 'egress' })).toMatchObject({ natGateway: 'nat', routeTable: 'egress' });
    attach(inventory, { routeTable: 'egress' });
    expect(change({ natGateway: null })).not.toHaveProperty('natGateway');
    expect(change({ natGateway: null })).toHaveProperty('routeTable', 'egress');
  });
});

describe('routes', () => {
  test.each([
    ['accepted', '10.5.0.0/16', 'vnetlocal'],
    ['accepted', '10.5.0.0/16', '10.0.1.9'],
    ['InvalidNextHop', '10.5.0.0/16', 'gateway'],
    ['RouteConflict', '10.1.0.0/16', 'None'],
    ['AddressFamilyNotSupported', '::/0', 'None'],
  ])('%s: %s by %s', (code, addressPrefix, nextHop) => {
    const table = newRouteTable(empty(), {
      name: 'egress',
      routes: [{ addressPrefix: '10.1.0.0/16', nextHop: '10.0.1.9' }],
    });
    expect(codeOf(() => withRoute(table, { addressPrefix, nextHop }))).toBe(code);
  });
});
