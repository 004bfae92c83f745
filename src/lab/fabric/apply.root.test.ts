import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Rtnl } from '../../kernel/netlink/index.ts';
import { createNamespace, inNamespace } from '../../kernel/netns.ts';
import { applyPlan, type FabricLocation, removeFabric } from './apply.ts';
import { refusedPackets } from './filter.ts';
import type { FabricModel } from './model.ts';
import { namespaceOf } from './names.ts';
import { planFabric } from './planner.ts';

/** Needs root. All in namespaces of its own: the machine's end of the lab's link is a namespace here, too. */
const folder = mkdtempSync(join(tmpdir(), 'fly-test-fabric-'));
const MACHINE_STAND_IN = 'machine-stand-in';
const at: FabricLocation = {
  folder: join(folder, 'netns'),
  pathOf: (name) => join(folder, 'netns', name === '' ? MACHINE_STAND_IN : name),
};

const node = (cluster: string, index: number, address: string) => ({
  name: `${cluster}-${index}`,
  cluster,
  index,
  address,
  nodeBlock: `10.244.${index}.0/24`,
});
const model = (): FabricModel => ({
  virtualNetworks: [
    {
      name: 'hub',
      addressPrefixes: ['10.0.0.0/16'],
      subnets: [
        { name: 'a', addressPrefix: '10.0.1.0/24' },
        { name: 'b', addressPrefix: '10.0.2.0/24' },
      ],
      publicAddress: '198.19.0.4',
    },
    {
      name: 'spoke',
      addressPrefixes: ['10.1.0.0/16'],
      subnets: [{ name: 'x', addressPrefix: '10.1.1.0/24' }],
      publicAddress: '198.19.0.5',
    },
    {
      name: 'far',
      addressPrefixes: ['10.2.0.0/16'],
      subnets: [{ name: 'x', addressPrefix: '10.2.1.0/24' }],
      publicAddress: '198.19.0.6',
    },
  ],
  peerings: [
    ['hub', 'spoke'],
    ['far', 'hub'],
  ],
  clusters: [
    { name: 'one', virtualNetwork: 'hub', subnet: 'a', podCidr: '10.244.0.0/16', maxPods: 30 },
    { name: 'two', virtualNetwork: 'hub', subnet: 'b', podCidr: '10.244.0.0/16', maxPods: 30 },
  ],
  machines: [
    node('one', 0, '10.0.1.4'),
    node('one', 1, '10.0.1.5'),
    node('two', 0, '10.0.2.4'),
    node('two', 1, '10.0.2.5'),
  ],
  hosts: [
    { name: 'vm', place: { kind: 'vnet', virtualNetwork: 'spoke', subnet: 'x' }, address: '10.1.1.4' },
    { name: 'near', place: { kind: 'vnet', virtualNetwork: 'hub', subnet: 'a' }, address: '10.0.1.9' },
    { name: 'other', place: { kind: 'vnet', virtualNetwork: 'far', subnet: 'x' }, address: '10.2.1.4' },
    { name: 'web', place: { kind: 'internet' }, address: '203.0.113.4' },
    { name: 'desk', place: { kind: 'site', site: 'hq' }, address: '172.20.0.4' },
  ],
  sites: [{ name: 'hq', virtualNetwork: 'hub', addressPrefix: '172.20.0.0/16' }],
});

function apply(wanted: FabricModel): void {
  applyPlan(planFabric(wanted), at);
}

/** Whether a ping from a namespace is answered; `from` is the source it claims. */
function ping(namespace: string, address: string, from?: string): boolean {
  const argv = [
    `--net=${at.pathOf(namespace)}`,
    'ping',
    '-n',
    '-c',
    '1',
    '-W',
    '1',
    ...(from ? ['-I', from] : []),
    address,
  ];
  return spawnSync('nsenter', argv, { stdio: 'ignore' }).status === 0;
}

/** What `ip` says about a namespace, without what changes by itself. */
function dump(namespace: string): string {
  const say = (...argv: string[]): string =>
    spawnSync('nsenter', [`--net=${at.pathOf(namespace)}`, ...argv], { encoding: 'utf8' }).stdout;
  return [
    say('ip', 'addr'),
    say('ip', 'route', 'show', 'table', 'all'),
    say('ip', 'neigh'),
    say('nft', 'list', 'ruleset'),
  ]
    .join('\n')
    .replaceAll(/packets \d+ bytes \d+/g, '');
}

const nodeOne = namespaceOf.node('one-0');
const host = namespaceOf.host;

beforeAll(() => {
  createNamespace(at.pathOf(''));
  apply(model());
});
afterAll(() => {
  removeFabric(at);
  rmSync(folder, { recursive: true });
});

describe('the fabric in the kernel', () => {
  test('applying the same plan again changes nothing', () => {
    const all = readdirSync(at.folder);
    const before = all.map(dump);
    apply(model());
    expect(all.map(dump)).toEqual(before);
  });

  test.each([
    ['node to node of its cluster', nodeOne, '10.0.1.5'],
    ['node to its gateway', nodeOne, '10.0.1.1'],
    ['node to a node of another cluster', nodeOne, '10.0.2.4'],
    ['node to a machine in its own subnet', nodeOne, '10.0.1.9'],
    ['node to a machine in a peered network', nodeOne, '10.1.1.4'],
    ['node to on-premises', nodeOne, '172.20.0.4'],
    ['node to the internet', nodeOne, '203.0.113.4'],
    ['a machine to a node', host('vm'), '10.0.1.4'],
    ['on-premises to a node', host('desk'), '10.0.2.4'],
  ])('%s', (_what, from, to) => {
    expect(ping(from, to)).toBe(true);
  });

  test.each([
    ['the internet to a node', host('web'), '10.0.1.4', namespaceOf.internet(), 'private'],
    ['a peer to the peer of its peer', host('vm'), '10.2.1.4', namespaceOf.internet(), 'private'],
    ['on-premises through a network to its peer', host('desk'), '10.1.1.4', 'vnet-hub', 'transit'],
    ['a machine to a pod address', host('near'), '10.244.0.9', 'vnet-hub', 'outside_to_pod'],
    ['on-premises to a pod address', host('desk'), '10.244.0.9', 'vnet-hub', 'outside_to_pod'],
    ['the internet to a pod address', host('web'), '10.244.0.9', namespaceOf.internet(), 'private'],
    [
      'the internet to the machine that the lab runs on',
      host('web'),
      '198.18.0.1',
      namespaceOf.internet(),
      'to_machine',
    ],
  ])('not: %s; dropped and counted', (_what, from, to, where, why) => {
    const before = refusedPackets(at.pathOf(where))[why] ?? 0;
    expect(ping(from, to)).toBe(false);
    expect(refusedPackets(at.pathOf(where))[why]).toBe(before + 1);
  });

  test('a node may send from its address and its block, and from nothing else', () => {
    const own = { address: '10.244.0.7', prefixLength: 32 };
    const others = ['10.0.1.6', '10.244.1.7', '8.8.8.8'].map((address) => ({ address, prefixLength: 32 }));
    const socket = Rtnl.open({ netns: at.pathOf(nodeOne) });
    try {
      for (const address of [own, ...others]) socket.addAddress('lo', address);
      expect(ping(nodeOne, '10.0.1.5', own.address)).toBe(true);
      const domain = at.pathOf(namespaceOf.domain('one'));
      for (const { address } of others) {
        const before = refusedPackets(domain).spoofed ?? 0;
        expect(ping(nodeOne, '10.0.1.5', address)).toBe(false);
        expect(refusedPackets(domain).spoofed).toBe(before + 1);
      }
    } finally {
      for (const address of [own, ...others]) socket.deleteAddress('lo', address);
      socket.close();
    }
  });

  test('a pod address that was not translated does not leave its domain', () => {
    const own = { address: '10.244.0.7', prefixLength: 32 };
    using socket = Rtnl.open({ netns: at.pathOf(nodeOne) });
    socket.addAddress('lo', own);
    const domain = at.pathOf(namespaceOf.domain('one'));
    const before = refusedPackets(domain).unmasked ?? 0;
    expect(ping(nodeOne, '10.0.1.9', own.address)).toBe(false);
    expect(refusedPackets(domain).unmasked).toBe(before + 1);
    socket.deleteAddress('lo', own);
  });

  test('two clusters with the same blocks: each reaches its own', () => {
    const pod = { address: '10.244.1.7', prefixLength: 32 };
    using one = Rtnl.open({ netns: at.pathOf(namespaceOf.node('one-1')) });
    one.addAddress('lo', pod);
    expect(ping(nodeOne, pod.address)).toBe(true);
    expect(ping(namespaceOf.node('two-0'), pod.address)).toBe(false);
    one.deleteAddress('lo', pod);
  });

  test('a node that joins and one that leaves touch no other; nothing of the one that left remains', () => {
    const before = dump(nodeOne);
    const grown = model();
    grown.machines.push(node('one', 2, '10.0.1.6'));
    apply(grown);
    expect(ping(nodeOne, '10.0.1.6')).toBe(true);
    apply(model());
    expect(dump(nodeOne)).toBe(before);
    expect(readdirSync(at.folder)).not.toContain(namespaceOf.node('one-2'));
    expect(dump(namespaceOf.domain('one'))).not.toContain('10.0.1.6');
    expect(dump('vnet-hub')).not.toContain('10.0.1.6');
  });

  test('what somebody broke is mended by applying the plan', () => {
    const broken = namespaceOf.domain('one');
    inNamespace(at.pathOf(broken), () => {
      spawnSync('ip', ['link', 'delete', 'vnet']);
      spawnSync('ip', ['route', 'flush', 'table', 'main']);
    });
    expect(ping(nodeOne, '10.1.1.4')).toBe(false);
    apply(model());
    expect(ping(nodeOne, '10.1.1.4')).toBe(true);
    expect(ping(nodeOne, '10.0.1.5')).toBe(true);
  });
});
