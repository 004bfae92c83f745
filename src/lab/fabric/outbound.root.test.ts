import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { ConntrackSocket } from '../../kernel/conntrack/index.ts';
import { NftSocket } from '../../kernel/nft/index.ts';
import type { Outbound } from '../azure/types.ts';
import type { FabricModel } from './model.ts';
import { namespaceOf } from './names.ts';
import { REGISTRY_ADDRESS } from './ranges.ts';
import { snatUsage } from './snat-usage.ts';
import { TestFabric, testCluster, testModel, testNode } from './testing.ts';
import { Puppets } from './testing-puppet.ts';

/** Needs root. Every type of outbound with real connections to servers on the internet. */
const fabric = new TestFabric();
const puppets = new Puppets(fabric.at.pathOf);
const puppet = (namespace: string) => puppets.in(namespace);
/** Milliseconds to wait for what must not come. */
const SHORT = 700;

const WEB = '203.0.113.4';
const NETWORK = '198.19.0.4';
const BALANCER = '198.19.0.50';
const SECOND = '198.19.0.51';
const GATEWAY = ['198.19.0.52', '198.19.0.53'];
const hub = 'vnet-hub';

/** Cluster `one` goes out so; `two` goes out as its network. */
function model(outbound?: Outbound): FabricModel {
  const base = testModel();
  base.machines.push(testNode('one', 2, '10.0.1.6'));
  base.virtualNetworks[0]!.subnets.push({ name: 'c', addressPrefix: '10.0.3.0/24' });
  base.publicIpAddresses = [
    { name: 'balancer', address: BALANCER },
    { name: 'second', address: SECOND },
    ...GATEWAY.map((address, i) => ({ name: `gateway-${i}`, address })),
  ];
  base.natGateways = [{ name: 'gw', publicIpAddresses: ['gateway-0', 'gateway-1'], idleTimeoutInMinutes: 4 }];
  base.hosts.push({
    name: 'appliance',
    place: { kind: 'vnet', virtualNetwork: 'hub', subnet: 'c' },
    address: '10.0.3.9',
    ipForwarding: true,
    masquerade: true,
  });
  if (outbound) base.clusters[0]!.outbound = outbound;
  return base;
}

const balanced = (ports: number, addresses = ['balancer']): Outbound => ({
  type: 'loadBalancer',
  publicIpAddresses: addresses,
  allocatedOutboundPorts: ports,
});

const node = (name: string) => puppet(namespaceOf.node(name));
const web = (port = 80, patience?: number) => ({ address: WEB, port, ...(patience ? { patience } : {}) });
const usage = (address: string) =>
  snatUsage(fabric.at.pathOf(hub)).nodes.find(({ nodeAddress }) => nodeAddress === address)!;

function forgetConnections(): void {
  using conntrack = ConntrackSocket.open({ netns: fabric.at.pathOf(hub) });
  for (const connection of conntrack.list()) conntrack.delete(connection);
}

beforeAll(async () => {
  fabric.apply(model());
  for (const port of [80, 81]) await puppet(namespaceOf.host('web')).listen('web', WEB, port);
  await puppet(namespaceOf.host('web')).listen('web', WEB, 53, 'udp');
  await puppet(namespaceOf.internet()).listen('registry', REGISTRY_ADDRESS, 80);
  await puppet(namespaceOf.host('vm')).listen('vm', '10.1.1.4', 80);
  await puppet(namespaceOf.host('near')).listen('near', '10.0.1.9', 80);
});
/** Nothing is left of the connections of the test before. */
beforeEach(forgetConnections);
afterAll(() => {
  puppets.kill();
  fabric.remove();
});

describe('loadBalancer', () => {
  test('each node wears the public address, with ports of its own', async () => {
    fabric.apply(model(balanced(64)));
    for (const [index, name] of ['one-0', 'one-1', 'one-2'].entries()) {
      const answers = await node(name).openMany([web(), web(81), { ...web(53), protocol: 'udp' }]);
      for (const { remote, port } of answers) {
        expect(remote).toBe(BALANCER);
        expect(port).toBeGreaterThanOrEqual(1024 + index * 64);
        expect(port).toBeLessThan(1024 + (index + 1) * 64);
      }
      const machine = model().machines.find((candidate) => candidate.name === name)!;
      expect(usage(machine.address)).toMatchObject({ address: BALANCER, udp: 1, allocated: 64, refused: 0 });
    }
    expect(await puppet(namespaceOf.node('two-0')).open(web())).toMatchObject({ remote: NETWORK });
    expect(await puppet(namespaceOf.host('near')).open(web())).toMatchObject({ remote: NETWORK });
    expect(await puppet(namespaceOf.host('vm')).open(web())).toMatchObject({ remote: '198.19.0.5' });
  });

  test.each([8, 64, 128])(
    'all of %d ports are used; one more connection is dropped and counted',
    async (ports) => {
      fabric.apply(model(balanced(ports)));
      const held = await node('one-0').openMany(Array.from({ length: ports }, () => web()));
      const first = 1024;
      expect(held.map(({ port }) => port!).sort((a, b) => a - b)).toEqual(
        Array.from({ length: ports }, (_, i) => first + i),
      );
      expect(usage('10.0.1.4')).toMatchObject({ tcp: ports, allocated: ports, refused: 0 });
      const before = fabric.refused(hub, 'snat_exhausted');
      expect(await node('one-0').open(web(80, SHORT))).toMatchObject({ error: 'timeout' });
      await expect.poll(() => usage('10.0.1.4').refused, { timeout: 50_000 }).toBeGreaterThan(0);
      expect(fabric.refused(hub, 'snat_exhausted')).toBeGreaterThan(before);
      // Ports run out by destination, by node, and by protocol.
      expect(await node('one-0').open(web(81))).toMatchObject({ remote: BALANCER });
      expect(await node('one-0').open({ ...web(53), protocol: 'udp' })).toMatchObject({ remote: BALANCER });
      expect(await node('one-1').open(web())).toMatchObject({ remote: BALANCER });
      expect(await node('one-0').open({ address: REGISTRY_ADDRESS, port: 80 })).toMatchObject({
        remote: NETWORK,
      });
      expect(usage('10.0.1.4').tcp).toBe(ports);
      // A connection that ends gives its port back.
      await node('one-0').reset(held[0]!.connection!);
      expect(await node('one-0').open(web())).toMatchObject({ remote: BALANCER });
      for (const { connection } of held.slice(1)) await node('one-0').reset(connection!);
    },
  );

  test('nodes that one address has no ports for wear the next; those beyond all of them get nothing', async () => {
    fabric.apply(model(balanced(32_000, ['balancer'])));
    expect(await node('one-1').open(web())).toMatchObject({ remote: BALANCER });
    expect(await node('one-2').open(web(80, SHORT))).toMatchObject({ error: 'timeout' });
    await expect
      .poll(() => usage('10.0.1.6'), { timeout: 50_000 })
      .toMatchObject({ address: '', allocated: 0 });
    await expect.poll(() => usage('10.0.1.6').refused, { timeout: 50_000 }).toBeGreaterThan(0);
    fabric.apply(model(balanced(32_000, ['balancer', 'second'])));
    expect(await node('one-2').open(web())).toMatchObject({ remote: SECOND });
  });

  test('a new supervisor counts on, and leaves connections alone', async () => {
    fabric.apply(model(balanced(8)));
    const held = await node('one-0').openMany(Array.from({ length: 8 }, () => web()));
    const commits = vi.spyOn(NftSocket.prototype, 'commit');
    fabric.forget();
    fabric.apply(model(balanced(8)));
    expect(commits).not.toHaveBeenCalled();
    commits.mockRestore();
    expect(await node('one-0').open(web(80, SHORT))).toMatchObject({ error: 'timeout' });
    await expect.poll(() => usage('10.0.1.4').refused, { timeout: 50_000 }).toBeGreaterThan(0);
    for (const { connection } of held) {
      expect(await node('one-0').say(connection!)).toMatchObject({ remote: BALANCER });
      await node('one-0').reset(connection!);
    }
  });
});

describe('NAT gateway', () => {
  test('whoever is in its subnet wears one of its addresses, from port 1024 on', async () => {
    const plan = model({ type: 'userAssignedNATGateway' });
    plan.virtualNetworks[0]!.subnets[0]!.natGateway = 'gw';
    fabric.apply(plan);
    const answers = await node('one-0').openMany(Array.from({ length: 40 }, () => web()));
    expect(new Set(answers.map(({ remote }) => remote))).toEqual(new Set(GATEWAY));
    for (const { port } of answers) expect(port).toBeGreaterThanOrEqual(1024);
    expect(GATEWAY).toContain((await puppet(namespaceOf.host('near')).open(web())).remote);
    expect(await node('two-0').open(web())).toMatchObject({ remote: NETWORK });
    const flows = snatUsage(fabric.at.pathOf(hub)).addresses.filter(({ address }) =>
      GATEWAY.includes(address),
    );
    expect(flows.reduce((sum, each) => sum + each.flows, 0)).toBe(41);
    // Forty of one node, one of the host beside it, all to the same server.
    expect(flows.reduce((sum, each) => sum + each.busiest.flows, 0)).toBe(41);
    expect(new Set(flows.flatMap(({ clients }) => clients)).size).toBe(2);
  });

  test('a cluster finds its managed one; without any it does not get out', async () => {
    const plan = model({ type: 'managedNATGateway', publicIpAddresses: ['gateway-0', 'gateway-1'] });
    fabric.apply(plan);
    const before = fabric.refused(hub, 'no_outbound');
    expect(await node('one-0').open(web(80, SHORT))).toMatchObject({ error: 'timeout' });
    await expect.poll(() => fabric.refused(hub, 'no_outbound'), { timeout: 50_000 }).toBeGreaterThan(before);
    plan.natGateways![0]!.cluster = 'one';
    fabric.apply(plan);
    expect(GATEWAY).toContain((await node('one-0').open(web())).remote);
    expect(await puppet(namespaceOf.host('near')).open(web())).toMatchObject({ remote: NETWORK });
  });
});

describe('none', () => {
  test('nothing to the internet, dropped and counted; the registry, the API and private networks are there', async () => {
    fabric.apply(model({ type: 'none' }));
    const before = fabric.refused(hub, 'no_outbound');
    expect(await node('one-0').open(web(80, SHORT))).toMatchObject({ error: 'timeout' });
    await expect.poll(() => fabric.refused(hub, 'no_outbound'), { timeout: 50_000 }).toBeGreaterThan(before);
    expect(await node('one-0').open({ address: REGISTRY_ADDRESS, port: 80 })).toMatchObject({
      remote: NETWORK,
    });
    expect(await node('one-0').open({ address: '10.1.1.4', port: 80 })).toMatchObject({ remote: '10.0.1.4' });
    expect(fabric.ping(namespaceOf.node('one-0'), '198.19.0.11')).toBe(true);
    expect(await node('two-0').open(web())).toMatchObject({ remote: NETWORK });
  });
});

describe('a change of type while connections are open', () => {
  test('to a NAT gateway: open connections keep their address, new ones wear the new', async () => {
    fabric.apply(model(balanced(64)));
    const { connection } = await node('one-0').open(web());
    const plan = model({ type: 'userAssignedNATGateway' });
    plan.virtualNetworks[0]!.subnets[0]!.natGateway = 'gw';
    fabric.apply(plan);
    expect(GATEWAY).toContain((await node('one-0').open(web())).remote);
    // The address leads nowhere any more, so nothing comes back.
    expect(await node('one-0').say(connection!, SHORT)).toMatchObject({ error: 'timeout' });
    // While something still wears it, it does.
    fabric.apply(model(balanced(64)));
    const { connection: kept } = await node('one-0').open(web());
    const other = { ...model().clusters[1]!, outbound: balanced(64) };
    fabric.apply({ ...plan, clusters: [plan.clusters[0]!, other] });
    expect(await node('one-0').say(kept!)).toMatchObject({ remote: BALANCER });
  });

  test('to none: open connections end', async () => {
    fabric.apply(model(balanced(64)));
    const { connection } = await node('one-0').open(web());
    fabric.apply(model({ type: 'none' }));
    expect(await node('one-0').say(connection!, SHORT)).toMatchObject({ error: 'timeout' });
    fabric.apply(model());
    expect(await node('one-0').open(web())).toMatchObject({ remote: NETWORK });
  });

  test('nothing is sent untranslated at any moment', async () => {
    // Others wear all the addresses all the time, so that a source that the internet refuses is one that was not translated.
    const among = (plan: FabricModel): FabricModel => {
      plan.virtualNetworks[0]!.subnets[1]!.natGateway = 'gw';
      plan.clusters.push({ ...testCluster('three', 'c', '10.246.0.0/16', 13), outbound: balanced(8) });
      plan.machines.push({ ...testNode('three', 0, '10.0.3.4'), nodeBlock: '10.246.0.0/24' });
      return plan;
    };
    const gateway = model({ type: 'userAssignedNATGateway' });
    gateway.virtualNetworks[0]!.subnets[0]!.natGateway = 'gw';
    const types = [model(balanced(64)), gateway, model(balanced(128)), model(), model({ type: 'none' })].map(
      among,
    );
    fabric.apply(types[0]!);
    forgetConnections();
    const spoofed = () => fabric.refused(namespaceOf.internet(), 'spoofed');
    const before = spoofed();
    for (const plan of types) {
      const opening = node('one-0').openMany(Array.from({ length: 50 }, () => web(80, SHORT)));
      fabric.apply(plan);
      await opening;
    }
    expect(spoofed()).toBe(before);
  });
});
