import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Rtnl } from '../../kernel/netlink/index.ts';
import { inNamespace } from '../../kernel/netns.ts';
import { namespaceOf } from './names.ts';
import { TestFabric, testModel, testNode } from './testing.ts';

/** Needs root. */
const fabric = new TestFabric();
const { at } = fabric;
const ping = (namespace: string, address: string, from?: string) => fabric.ping(namespace, address, from);

const nodeOne = namespaceOf.node('one-0');
const host = namespaceOf.host;

beforeAll(() => fabric.apply(testModel()));
afterAll(() => fabric.remove());

describe('the fabric in the kernel', () => {
  test('applying the same plan again changes nothing', () => {
    const all = fabric.namespaces();
    const before = all.map((name) => fabric.dump(name));
    fabric.apply(testModel());
    fabric.forget();
    fabric.apply(testModel());
    expect(all.map((name) => fabric.dump(name))).toEqual(before);
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
    const before = fabric.refused(where, why);
    expect(ping(from, to)).toBe(false);
    expect(fabric.refused(where, why)).toBe(before + 1);
  });

  test('a node may send from its address and its block, and from nothing else', () => {
    const own = { address: '10.244.0.7', prefixLength: 32 };
    const others = ['10.0.1.6', '10.244.1.7', '8.8.8.8'].map((address) => ({ address, prefixLength: 32 }));
    const socket = Rtnl.open({ netns: at.pathOf(nodeOne) });
    try {
      for (const address of [own, ...others]) socket.addAddress('lo', address);
      expect(ping(nodeOne, '10.0.1.5', own.address)).toBe(true);
      const domain = namespaceOf.domain('one');
      for (const { address } of others) {
        const before = fabric.refused(domain, 'spoofed');
        expect(ping(nodeOne, '10.0.1.5', address)).toBe(false);
        expect(fabric.refused(domain, 'spoofed')).toBe(before + 1);
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
    const domain = namespaceOf.domain('one');
    const before = fabric.refused(domain, 'unmasked');
    expect(ping(nodeOne, '10.0.1.9', own.address)).toBe(false);
    expect(fabric.refused(domain, 'unmasked')).toBe(before + 1);
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
    const before = fabric.dump(nodeOne);
    const grown = testModel();
    grown.machines.push(testNode('one', 2, '10.0.1.6'));
    fabric.apply(grown);
    expect(ping(nodeOne, '10.0.1.6')).toBe(true);
    fabric.apply(testModel());
    expect(fabric.dump(nodeOne)).toBe(before);
    expect(fabric.namespaces()).not.toContain(namespaceOf.node('one-2'));
    expect(fabric.dump(namespaceOf.domain('one'))).not.toContain('10.0.1.6');
    expect(fabric.dump('vnet-hub')).not.toContain('10.0.1.6');
  });

  test('what somebody broke is mended by whoever applies the plan anew', () => {
    const broken = namespaceOf.domain('one');
    inNamespace(at.pathOf(broken), () => {
      spawnSync('ip', ['link', 'delete', 'vnet']);
      spawnSync('ip', ['route', 'flush', 'table', 'main']);
    });
    expect(ping(nodeOne, '10.1.1.4')).toBe(false);
    fabric.forget();
    fabric.apply(testModel());
    expect(ping(nodeOne, '10.1.1.4')).toBe(true);
    expect(ping(nodeOne, '10.0.1.5')).toBe(true);
  });
});
