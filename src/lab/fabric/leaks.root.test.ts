import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { linkName, namespaceOf, PORT_PREFIX } from './names.ts';
import { TestFabric, testCluster, testModel, testNode } from './testing.ts';

/** Needs root. What must not get through the fabric, and what errors must. */
const fabric = new TestFabric();
const nodeOne = namespaceOf.node('one-0');
const nodeTwo = namespaceOf.node('one-1');
const domain = namespaceOf.domain('one');
const internet = namespaceOf.internet();
const web = namespaceOf.host('web');

/** Packets that have come in at a link. */
function received(namespace: string, link = 'eth0'): number {
  const { output } = fabric.run(namespace, 'ip', '-s', '-j', 'link', 'show', link);
  return (JSON.parse(output) as { stats64: { rx: { packets: number } } }[])[0]!.stats64.rx.packets;
}

/** Runs `ip` in a namespace; it must succeed. */
function ip(namespace: string, ...argv: string[]): void {
  expect(fabric.run(namespace, 'ip', ...argv)).toEqual({ code: 0, output: '' });
}

beforeAll(() => {
  const model = testModel();
  model.virtualNetworks[0]!.subnets.push({ name: 'c', addressPrefix: '10.0.3.0/24' });
  model.clusters.push(testCluster('three', 'c', '10.245.0.0/16', 13));
  model.machines.push({ ...testNode('three', 0, '10.0.3.4'), nodeBlock: '10.245.0.0/24' });
  fabric.apply(model);
});
afterAll(() => fabric.remove());

describe('nothing gets through but what the plan says', () => {
  test.each([
    [
      'a node to the pods of another cluster of its network',
      nodeOne,
      '10.245.0.9',
      'vnet-hub',
      'outside_to_pod',
    ],
    ['a machine of a peer to a pod', namespaceOf.host('vm'), '10.244.0.9', internet, 'private'],
    ['a node to the machine that the lab runs on', nodeOne, '198.18.0.1', internet, 'to_machine'],
    ['the internet to the public address of a network', web, '198.19.0.4', 'vnet-hub', 'unsolicited'],
    ['a node to the public address of its network', nodeOne, '198.19.0.4', 'vnet-hub', 'unsolicited'],
  ])('not: %s; dropped and counted once', (_what, from, to, where, why) => {
    const before = fabric.refused(where, why);
    expect(fabric.ping(from, to)).toBe(false);
    expect(fabric.refused(where, why)).toBe(before + 1);
  });

  test('IPv6: no router takes it in or carries it, whatever a node tries', () => {
    const routers = fabric.namespaces().filter((name) => /^(vnet|domain|site)-|^internet$/.test(name));
    expect(routers.length).toBeGreaterThan(5);
    for (const router of routers) {
      expect([router, fabric.run(router, 'ip', '-6', 'addr').output]).toEqual([router, '']);
    }
    const mac = /lladdr (\S+)/.exec(fabric.run(nodeOne, 'ip', 'neigh', 'show', '10.0.1.1').output)![1]!;
    ip(nodeOne, '-6', 'addr', 'add', 'fd00:1::4/64', 'dev', 'eth0', 'nodad');
    ip(nodeOne, '-6', 'neigh', 'replace', 'fd00:1::5', 'lladdr', mac, 'dev', 'eth0');
    ip(nodeTwo, '-6', 'addr', 'add', 'fd00:1::5/64', 'dev', 'eth0', 'nodad');
    const port = linkName(PORT_PREFIX.node, 'one-0');
    const [atPort, atTwo] = [received(domain, port), received(nodeTwo)];
    expect(fabric.ping(nodeOne, 'fd00:1::5')).toBe(false);
    // It reached the router and went nowhere.
    expect(received(domain, port)).toBeGreaterThan(atPort);
    expect(received(nodeTwo)).toBe(atTwo);
    // The node hears itself.
    fabric.ping(nodeOne, 'ff02::1%eth0');
    expect(received(nodeTwo)).toBe(atTwo);
    ip(nodeOne, '-6', 'addr', 'flush', 'dev', 'eth0', 'scope', 'global');
    ip(nodeTwo, '-6', 'addr', 'flush', 'dev', 'eth0', 'scope', 'global');
  });

  test('broadcast and multicast end at the first router', () => {
    const others = [nodeTwo, namespaceOf.host('near'), namespaceOf.node('two-0')];
    const before = others.map((name) => received(name));
    for (const address of ['255.255.255.255', '224.0.0.1', '10.0.1.255', '239.1.2.3']) {
      fabric.run(nodeOne, 'ping', '-n', '-b', '-c', '1', '-W', '1', '-I', 'eth0', '-t', '9', address);
    }
    expect(others.map((name) => received(name))).toEqual(before);
  });

  test('a node that claims the address of another by ARP gets none of its packets', () => {
    const claimed = '10.0.1.5';
    const spoofed = fabric.refused(domain, 'spoofed');
    ip(nodeOne, 'addr', 'add', `${claimed}/32`, 'dev', 'eth0');
    ip(nodeOne, 'neigh', 'del', '10.0.1.1', 'dev', 'eth0');
    // It asks for its gateway as if it were the other.
    expect(fabric.ping(nodeOne, '10.0.1.1', claimed)).toBe(false);
    const mine = received(nodeOne);
    expect(fabric.ping(namespaceOf.node('two-0'), claimed)).toBe(true);
    expect(received(nodeOne)).toBe(mine);
    expect(fabric.refused(domain, 'spoofed')).toBeGreaterThan(spoofed);
    const { output } = fabric.run(domain, 'ip', 'neigh', 'show', claimed, 'nud', 'permanent');
    expect(output).toContain(linkName(PORT_PREFIX.node, 'one-1'));
    ip(nodeOne, 'addr', 'del', `${claimed}/32`, 'dev', 'eth0');
    fabric.forget();
  });

  test('nothing listens in a router', () => {
    for (const router of [internet, 'vnet-hub', domain, 'site-hq']) {
      expect([router, fabric.run(router, 'ss', '-Htuln').output]).toEqual([router, '']);
    }
  });
});

describe('the uplink', () => {
  /** A cable in the place of the uplink's tap; its other end lies where the machine's end of the lab does. */
  beforeEach(() => {
    ip(internet, 'link', 'add', 'uplink', 'type', 'veth', 'peer', 'name', 'wire');
    fabric.move(internet, 'wire', '');
    ip(internet, 'addr', 'add', '198.18.1.2/30', 'dev', 'uplink');
    ip(internet, 'link', 'set', 'uplink', 'up');
    ip('', 'addr', 'add', '198.18.1.1/30', 'dev', 'wire');
    ip('', 'link', 'set', 'wire', 'up');
    ip(internet, 'route', 'add', 'default', 'via', '198.18.1.1');
  });
  afterEach(() => ip(internet, 'link', 'delete', 'uplink'));

  test('leads out, as one address, but not to the addresses of the machine itself', () => {
    ip('', 'addr', 'add', '192.0.2.77/32', 'dev', 'lo');
    ip('', 'addr', 'add', '192.0.2.78/32', 'dev', 'lo');
    expect(fabric.ping(nodeOne, '192.0.2.78')).toBe(true);
    const before = fabric.refused(internet, 'to_machine');
    expect(fabric.ping(nodeOne, '192.0.2.77')).toBe(false);
    expect(fabric.ping(web, '192.0.2.77')).toBe(false);
    expect(fabric.refused(internet, 'to_machine')).toBe(before + 2);
  });

  test('lets nothing in', () => {
    ip('', 'route', 'add', '203.0.113.0/24', 'via', '198.18.1.2');
    const before = fabric.refused(internet, 'inbound');
    expect(fabric.ping('', '203.0.113.4', '198.18.1.1')).toBe(false);
    expect(fabric.refused(internet, 'inbound')).toBe(before + 1);
    ip('', 'route', 'del', '203.0.113.0/24');
  });
});

describe('errors find their way back', () => {
  test.each([
    ['its own domain', '10.1.1.4', 1, '10.0.1.1'],
    ['its network', '10.1.1.4', 2, '10.0.1.2'],
    ['the peer', '10.1.1.4', 3, '10.1.1.2'],
    ['the internet, through the translation', '203.0.113.4', 3, '198.18.0.2'],
    ['on-premises', '172.20.0.4', 3, '172.20.0.1'],
  ])('too many hops, from %s', (_where, to, hops, from) => {
    const { output } = fabric.run(nodeOne, 'ping', '-n', '-c', '1', '-W', '1', '-t', String(hops), to);
    expect(output).toContain(`From ${from}`);
    expect(output).toContain('Time to live exceeded');
  });

  test.each([
    ['between peers', 'vnet-hub', linkName(PORT_PREFIX.peering, 'spoke'), '10.1.1.4'],
    ['out of the domain', domain, 'vnet', '10.1.1.4'],
    ['on the internet, through the translation', internet, linkName(PORT_PREFIX.host, 'web'), '203.0.113.4'],
  ])('a packet too big for a link %s', (_where, router, link, to) => {
    ip(router, 'link', 'set', link, 'mtu', '1400');
    const big = ['ping', '-n', '-M', 'do', '-c', '1', '-W', '1', '-s', '1400', to];
    expect(fabric.run(nodeOne, ...big).output).toMatch(/Frag needed and DF set \(mtu = 1400\)/);
    // Known from then on: the sender itself refuses.
    expect(fabric.run(nodeOne, ...big).output).toMatch(/mtu ?= ?1400/);
    ip(router, 'link', 'set', link, 'mtu', '1500');
    ip(nodeOne, 'route', 'flush', 'cache');
  });

  test('no such pod: told at once', () => {
    const { output } = fabric.run(nodeOne, 'ping', '-n', '-c', '1', '-W', '1', '10.244.77.1');
    expect(output).toContain('From 10.0.1.1');
    expect(output).toContain('Destination Host Unreachable');
  });
});
