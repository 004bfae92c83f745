import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ConntrackSocket } from '../../kernel/conntrack/index.ts';
import type { Route } from '../azure/types.ts';
import type { FabricModel } from './model.ts';
import { namespaceOf } from './names.ts';
import { REGISTRY_ADDRESS } from './ranges.ts';
import { TestFabric, testModel } from './testing.ts';
import { Puppets } from './testing-puppet.ts';

/** Needs root. Route tables and appliances, with real connections. */
const fabric = new TestFabric();
const puppets = new Puppets(fabric.at.pathOf);
const puppet = (namespace: string) => puppets.in(namespace);
/** Milliseconds to wait for what must not come. */
const SHORT = 700;

const WEB = '203.0.113.4';
const web = (patience?: number) => ({ address: WEB, port: 80, ...(patience ? { patience } : {}) });
const near = { address: '10.0.1.9', port: 80 };
const node = (name: string) => puppet(namespaceOf.node(name));
const appliance = namespaceOf.host('appliance');

const route = (addressPrefix: string, hop: string): Route =>
  hop.includes('.')
    ? { name: addressPrefix, addressPrefix, nextHopType: 'VirtualAppliance', nextHopIpAddress: hop }
    : { name: addressPrefix, addressPrefix, nextHopType: hop as Route['nextHopType'] };

/** Cluster `two`, in subnet b, has a route table; an appliance is in subnet c, and another in the peer `spoke`. */
function model(routes: Route[], forwards = true): FabricModel {
  const base = testModel();
  const { subnets } = base.virtualNetworks[0]!;
  subnets.push({ name: 'c', addressPrefix: '10.0.3.0/24' });
  subnets[1]!.routeTable = 'table';
  base.routeTables = [{ name: 'table', routes }];
  base.clusters[1]!.outbound = { type: 'userDefinedRouting' };
  base.hosts.push(
    {
      name: 'appliance',
      place: { kind: 'vnet', virtualNetwork: 'hub', subnet: 'c' },
      address: '10.0.3.9',
      ...(forwards ? { ipForwarding: true, masquerade: true } : {}),
    },
    {
      name: 'beyond',
      place: { kind: 'vnet', virtualNetwork: 'spoke', subnet: 'x' },
      address: '10.1.1.9',
      ipForwarding: true,
      masquerade: true,
    },
  );
  return base;
}

/** Connections to an address that an appliance has seen, and from whom. It tracks them, because it masquerades. */
function seen(by: string, to: string): string[] {
  using conntrack = ConntrackSocket.open({ netns: fabric.at.pathOf(by) });
  const found = conntrack.list({ family: 4 }).map(({ original }) => original);
  return found.filter(({ destination }) => destination === to).map(({ source }) => source);
}

beforeAll(async () => {
  fabric.apply(model([]));
  await puppet(namespaceOf.host('web')).listen('web', WEB, 80);
  await puppet(namespaceOf.host('near')).listen('near', near.address, near.port);
  await puppet(namespaceOf.host('other')).listen('other', '10.2.1.4', 80);
  await puppet(namespaceOf.internet()).listen('registry', REGISTRY_ADDRESS, 80);
});
afterAll(() => {
  puppets.kill();
  fabric.remove();
});

describe('a route table', () => {
  test('without routes changes nothing', async () => {
    expect(await node('two-0').open(web())).toMatchObject({ remote: '198.19.0.4' });
    expect(await node('two-0').open(near)).toMatchObject({ remote: '10.0.2.4' });
  });

  test('the internet by an appliance: it forwards, and wears its own address; the registry stays direct', async () => {
    fabric.apply(model([route('0.0.0.0/0', '10.0.3.9')]));
    expect(await node('two-0').open(web())).toMatchObject({ remote: '198.19.0.4' });
    expect(seen(appliance, WEB)).toEqual(['10.0.2.4']);
    // What the system's own routes are longer for, other subnets, and the registry.
    expect(await node('two-0').open(near)).toMatchObject({ remote: '10.0.2.4' });
    expect(await node('one-0').open(web())).toMatchObject({ remote: '198.19.0.4' });
    expect(await node('two-0').open({ address: REGISTRY_ADDRESS, port: 80 })).toMatchObject({
      remote: '198.19.0.4',
    });
    expect([WEB, near.address, REGISTRY_ADDRESS].flatMap((to) => seen(appliance, to))).toEqual(['10.0.2.4']);
    expect(fabric.ping(namespaceOf.node('two-0'), '198.19.0.12')).toBe(true);
  });

  test('an appliance that does not forward, or is not there: no way out', async () => {
    fabric.apply(model([route('0.0.0.0/0', '10.0.3.9')]));
    fabric.run(appliance, 'sysctl', '-qw', 'net.ipv4.ip_forward=0');
    expect(await node('two-0').open(web(SHORT))).toMatchObject({ error: 'timeout' });
    fabric.run(appliance, 'sysctl', '-qw', 'net.ipv4.ip_forward=1');
    expect(await node('two-0').open(web())).toMatchObject({ remote: '198.19.0.4' });
    fabric.apply(model([route('0.0.0.0/0', '10.0.3.77')]));
    expect(await node('two-0').open(web())).toMatchObject({ error: 'EHOSTUNREACH' });
  });

  test('one inside the network: also what the system would deliver itself', async () => {
    fabric.apply(model([route('10.0.1.0/24', '10.0.3.9')]));
    // An appliance masquerades what leaves its network only.
    expect(await node('two-0').open(near)).toMatchObject({ remote: '10.0.2.4' });
    expect(seen(appliance, near.address)).toEqual(['10.0.2.4']);
    fabric.apply(model([route('10.0.1.0/24', '10.0.3.9'), route('10.0.1.8/29', 'VnetLocal')]));
    expect(await node('two-0').open(near)).toMatchObject({ remote: '10.0.2.4' });
    expect(seen(appliance, near.address)).toEqual(['10.0.2.4']);
  });

  test('None: unreachable, also in a peer; a longer prefix to the internet leads out', async () => {
    fabric.apply(model([route('0.0.0.0/0', 'None'), route('10.2.0.0/16', 'None')]));
    // It is said at once, but the kernel says such things to one machine twice in a row and then once in a while.
    expect(await node('two-0').open(web())).toMatchObject({ error: 'EHOSTUNREACH' });
    const peer = { address: '10.2.1.4', port: 80, patience: SHORT };
    expect((await node('two-0').open(peer)).error).toMatch(/EHOSTUNREACH|timeout/);
    expect(await node('one-0').open({ address: '10.2.1.4', port: 80 })).toMatchObject({ remote: '10.0.1.4' });
    fabric.apply(model([route('0.0.0.0/0', 'None'), route('203.0.113.0/24', 'Internet')]));
    expect(await node('two-0').open(web())).toMatchObject({ remote: '198.19.0.4' });
  });

  test('an appliance in a peer: out by the peer', async () => {
    fabric.apply(model([route('0.0.0.0/0', '10.1.1.9')]));
    const beyond = namespaceOf.host('beyond');
    expect(await node('two-0').open(web())).toMatchObject({ remote: '198.19.0.5' });
    expect(await node('one-0').open(web())).toMatchObject({ remote: '198.19.0.4' });
    expect(seen(beyond, WEB)).toEqual(['10.0.2.4']);
  });

  test('connections that were open on another way end; the appliance never sees their translated source', async () => {
    fabric.apply(model([]));
    const { connection } = await node('two-0').open(web());
    fabric.apply(model([route('0.0.0.0/0', '10.0.3.9')]));
    const before = fabric.refused('vnet-hub', 'moved');
    expect(await node('two-0').say(connection!, SHORT)).toMatchObject({ error: 'timeout' });
    await expect.poll(() => fabric.refused('vnet-hub', 'moved'), { timeout: 50_000 }).toBeGreaterThan(before);
    expect(await node('two-0').open(web())).toMatchObject({ remote: '198.19.0.4' });
    expect(new Set(seen(appliance, WEB))).toEqual(new Set(['10.0.2.4']));
  });

  test('when it goes, nothing of it remains', () => {
    const without = model([]);
    delete without.virtualNetworks[0]!.subnets[1]!.routeTable;
    fabric.apply(without);
    const { output } = fabric.run('vnet-hub', 'ip', 'rule');
    expect(output).not.toContain('lookup 1');
    expect(fabric.run('vnet-hub', 'ip', 'route', 'show', 'table', '1001').output).not.toContain('via');
  });
});

describe('an appliance', () => {
  test('may send from any address; another machine may not', () => {
    fabric.apply(model([]));
    for (const [name, allowed] of [
      ['appliance', true],
      ['near', false],
    ] as const) {
      const namespace = namespaceOf.host(name);
      fabric.run(namespace, 'ip', 'addr', 'add', '192.0.2.9/32', 'dev', 'lo');
      const before = fabric.refused('vnet-hub', 'spoofed');
      fabric.ping(namespace, '10.0.2.4', '192.0.2.9');
      expect([name, fabric.refused('vnet-hub', 'spoofed') > before]).toEqual([name, !allowed]);
    }
  });
});

describe('168.63.129.16', () => {
  test('is in every virtual network, and reaches its nodes', async () => {
    await puppet('vnet-hub').listen('names', '168.63.129.16', 5353, 'udp');
    const answer = await node('one-0').open({ protocol: 'udp', address: '168.63.129.16', port: 5353 });
    expect(answer).toMatchObject({ name: 'names', remote: '10.0.1.4' });
    await node('one-0').listen('node', '10.0.1.4', 8080);
    const probe = await puppet('vnet-hub').open({ address: '10.0.1.4', port: 8080, from: '168.63.129.16' });
    expect(probe).toMatchObject({ name: 'node', remote: '168.63.129.16' });
    expect(
      await puppet('vnet-spoke').open({
        address: '10.0.1.4',
        port: 8080,
        from: '168.63.129.16',
        patience: SHORT,
      }),
    ).toMatchObject({ error: 'timeout' });
  });
});
