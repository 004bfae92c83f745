import { beforeEach, describe, expect, test } from 'vitest';
import { LabError } from '../errors.ts';
import { createApi } from './api.ts';
import { TestLab } from './testing.ts';

const quiet = (): void => undefined;

let made: TestLab;
let app: ReturnType<typeof createApi>;
beforeEach(async () => {
  made = new TestLab();
  app = createApi(made.lab);
  made.lab.clusters.accept({ name: 'shop', nodes: 2 });
  await made.lab.clusters.build('shop', quiet);
});

/** What the door answers: its status and its body. */
async function ask(method: 'GET' | 'POST' | 'PUT' | 'DELETE', url: string, payload?: object) {
  const answer = await app.inject({ method, url, ...(payload ? { payload } : {}) });
  return { status: answer.statusCode, body: answer.json() };
}

const codeOf = (answer: { body: { error?: { code: string } } }): string =>
  answer.body.error?.code ?? 'accepted';
const names = (kind: string) =>
  ask('GET', `/v1/${kind}`).then(({ body }) => body.map((each: { name: string }) => each.name));

describe('public addresses, NAT gateways and subnets', () => {
  test('a cluster goes out through a gateway of a person, and nothing of it can be deleted meanwhile', async () => {
    await ask('POST', '/v1/public-ips', { name: 'one' });
    const gateway = await ask('POST', '/v1/nat-gateways', { name: 'nat', publicIpAddresses: ['one'] });
    expect(gateway.body).toMatchObject({
      name: 'nat',
      idleTimeoutInMinutes: 4,
      addresses: ['198.19.0.7'],
      subnets: [],
    });
    const path = '/v1/networks/vnet/subnets/nodes';
    const attached = await ask('PUT', path, { natGateway: 'nat' });
    expect(attached.body.properties.subnets).toMatchObject([{ name: 'nodes', natGateway: 'nat' }]);
    const moved = await ask('PUT', '/v1/clusters/shop/outbound', { outboundType: 'userAssignedNATGateway' });
    expect(moved.body.outbound).toEqual({ type: 'userAssignedNATGateway' });
    expect(await names('public-ips')).toEqual(['one']);
    expect(codeOf(await ask('DELETE', '/v1/public-ips/one'))).toBe('PublicIPAddressCannotBeDeleted');
    expect(codeOf(await ask('DELETE', '/v1/nat-gateways/nat'))).toBe('InUseNatGatewayCannotBeDeleted');
    await ask('PUT', '/v1/clusters/shop/outbound', { outboundType: 'loadBalancer' });
    await ask('PUT', path, { natGateway: null });
    for (const url of ['/v1/nat-gateways/nat', '/v1/public-ips/one']) {
      expect(codeOf(await ask('DELETE', url))).toBe('accepted');
    }
    expect([await names('public-ips'), await names('nat-gateways')]).toEqual([['shop-outbound-1'], []]);
  });

  test('a managed gateway comes and goes with the type, and with its cluster', async () => {
    const types = ['managedNATGateway', 'none', 'managedNATGateway'];
    const seen: unknown[] = [];
    for (const outboundType of types) {
      await ask('PUT', '/v1/clusters/shop/outbound', { outboundType });
      const [network] = made.lab.networks.list();
      seen.push([
        await names('nat-gateways'),
        await names('public-ips'),
        network!.properties.subnets[0]!.natGateway,
      ]);
    }
    const path = '/v1/networks/vnet/subnets/nodes';
    expect(codeOf(await ask('PUT', path, { natGateway: null }))).toBe('NatGatewayIsManaged');
    const managed = [['shop-natgateway'], ['shop-outbound-1'], 'shop-natgateway'];
    expect(seen).toEqual([managed, [[], [], undefined], managed]);
    made.lab.clusters.acceptDeletion('shop');
    await made.lab.clusters.remove('shop', quiet);
    expect([await names('nat-gateways'), await names('public-ips')]).toEqual([[], []]);
    expect(made.lab.networks.list()[0]!.properties.subnets[0]).not.toHaveProperty('natGateway');
  });

  test('a fabric that does not take it leaves the cluster as it was', async () => {
    made.fabricFailure = new Error('no more rules');
    const answer = await ask('PUT', '/v1/clusters/shop/outbound', { outboundType: 'none' });
    expect([answer.status, answer.body.error.message]).toEqual([500, 'no more rules']);
    expect(made.lab.clusters.show('shop').outbound?.type).toBe('loadBalancer');
    expect(await names('public-ips')).toEqual(['shop-outbound-1']);
  });
});

describe('route tables', () => {
  test('lead a cluster through an appliance', async () => {
    const appliance = await ask('POST', '/v1/hosts', {
      name: 'fw',
      vnet: 'vnet',
      ipForwarding: true,
      masquerade: true,
    });
    expect(appliance.body.properties).toMatchObject({ ipForwarding: true, masquerade: true });
    const { address } = appliance.body.properties;
    await ask('POST', '/v1/route-tables', { name: 'egress', routes: [] });
    await ask('PUT', '/v1/networks/vnet/subnets/nodes', { routeTable: 'egress' });
    const move = () => ask('PUT', '/v1/clusters/shop/outbound', { outboundType: 'userDefinedRouting' });
    expect(codeOf(await move())).toBe('RouteTableMissingDefaultRouteError');
    const route = { addressPrefix: '0.0.0.0/0', nextHop: address };
    const table = await ask('POST', '/v1/route-tables/egress/routes', route);
    expect(table.body).toMatchObject({
      routes: [{ name: 'to-0-0-0-0-0', nextHopType: 'VirtualAppliance', nextHopIpAddress: address }],
      subnets: ['vnet/nodes'],
    });
    expect(codeOf(await move())).toBe('accepted');
    expect(codeOf(await ask('DELETE', '/v1/route-tables/egress'))).toBe('InUseRouteTableCannotBeDeleted');
    const without = await ask('DELETE', '/v1/route-tables/egress/routes/to-0-0-0-0-0');
    expect(without.body.routes).toEqual([]);
  });
});

test('a cluster is made behind an appliance, in a network of a person', async () => {
  const subnets = [
    { name: 'nodes', addressPrefix: '10.9.1.0/24' },
    { name: 'dmz', addressPrefix: '10.9.2.0/24' },
  ];
  await ask('POST', '/v1/networks', { name: 'hub', addressPrefixes: ['10.9.0.0/16'], subnets });
  await ask('POST', '/v1/hosts', { name: 'fw', vnet: 'hub', subnet: 'dmz', ipForwarding: true });
  const route = { addressPrefix: '0.0.0.0/0', nextHop: '10.9.2.4' };
  await ask('POST', '/v1/route-tables', { name: 'egress', routes: [route] });
  await ask('PUT', '/v1/networks/hub/subnets/nodes', { routeTable: 'egress' });
  const place = { vnet: 'hub', subnet: 'nodes' };
  made.lab.clusters.accept({ name: 'blue', nodes: 1, ...place, outboundType: 'userDefinedRouting' });
  await made.lab.clusters.build('blue', quiet);
  expect(made.lab.clusters.show('blue').outbound).toEqual({ type: 'userDefinedRouting' });
  // What its subnet is associated with is still there, and no address was made for it.
  const hub = made.lab.networks.list().find(({ name }) => name === 'hub')!;
  expect(hub.properties.subnets[0]).toMatchObject({ name: 'nodes', routeTable: 'egress' });
  expect(await names('public-ips')).toEqual(['shop-outbound-1']);
});

describe('refusals', () => {
  test.each<[string, 'POST' | 'PUT' | 'DELETE', string, object?]>([
    ['PublicIPAddressExists', 'POST', '/v1/public-ips', { name: 'shop-outbound-1' }],
    ['PublicIPAddressCannotBeDeleted', 'DELETE', '/v1/public-ips/shop-outbound-1'],
    ['NotFound', 'DELETE', '/v1/public-ips/none'],
    ['InvalidParameter', 'POST', '/v1/nat-gateways', { name: 'nat', publicIpAddresses: [] }],
    [
      'PublicIPAddressInUse',
      'POST',
      '/v1/nat-gateways',
      { name: 'nat', publicIpAddresses: ['shop-outbound-1'] },
    ],
    ['InvalidParameter', 'POST', '/v1/hosts', { name: 'fw', internet: true, ipForwarding: true }],
    ['InvalidParameter', 'POST', '/v1/hosts', { name: 'fw', vnet: 'vnet', masquerade: true }],
    ['InvalidRequestContent', 'PUT', '/v1/clusters/shop/outbound', { outbound: 'none' }],
    ['NotFound', 'PUT', '/v1/clusters/other/outbound', { outboundType: 'none' }],
    ['NotFound', 'PUT', '/v1/networks/vnet/subnets/none', { routeTable: null }],
  ])('%s: %s %s %j', async (code, method, url, payload) => {
    expect(codeOf(await ask(method, url, payload))).toBe(code);
  });

  test('a cluster that is being deleted gets no other way out', () => {
    made.lab.clusters.acceptDeletion('shop');
    expect(() => made.lab.clusters.updateOutbound('shop', { outboundType: 'none' })).toThrow(LabError);
  });
});
