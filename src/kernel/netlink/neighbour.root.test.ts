import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestNamespaces } from '../test-namespaces.ts';
import { Rtnl } from './index.ts';

const spaces = new TestNamespaces();
const a = spaces.make('a');
const b = spaces.make('b');
let rt: Rtnl;

beforeAll(() => {
  rt = Rtnl.open({ netns: a });
  rt.createVeth({ name: 'eth0', mac: '02:00:00:00:00:01', peer: { name: 'eth0', netns: b } });
  rt.createVeth({ name: 'eth1', peer: { name: 'eth1', netns: b } });
  using other = Rtnl.open({ netns: b });
  for (const name of ['lo', 'eth0', 'eth1']) {
    rt.setLink(name, { up: true, linkLocal: false });
    other.setLink(name, { up: true, linkLocal: false });
  }
});
afterAll(() => {
  rt.close();
  spaces.cleanup();
});

describe('neighbours', () => {
  interface IpNeighbour {
    dst: string;
    dev: string;
    lladdr?: string;
    state?: string[];
    proxy?: null;
  }

  test('set, replaced, shown and deleted in both families', () => {
    const mac = '02:00:00:00:00:02';
    rt.setNeighbour({ dev: 'eth0', address: '169.254.1.1', mac: '02:00:00:00:00:99' });
    rt.setNeighbour({ dev: 'eth0', address: '169.254.1.1', mac });
    rt.setNeighbour({ dev: 'eth0', address: 'fe80::1234:5678:9abc', mac });
    rt.setNeighbour({ dev: 'eth1', address: '10.0.0.9', mac, state: 'stale' });
    const expected = spaces
      .json<IpNeighbour[]>(a, 'ip', '-j', 'neigh', 'show', 'nud', 'all')
      .filter((entry) => !entry.state?.includes('NOARP'))
      .map((entry) => [entry.dst, rt.linkIndex(entry.dev), entry.lladdr, entry.state?.[0]?.toLowerCase()]);
    const all = rt
      .neighbours()
      .filter((entry) => entry.state !== 'noarp')
      .map((entry) => [entry.address, entry.linkIndex, entry.mac, entry.state]);
    expect(all.sort()).toEqual(expected.sort());
    expect(all).toHaveLength(3);
    expect(rt.neighbours({ dev: 'eth0', family: 4 })).toEqual([
      {
        linkIndex: rt.linkIndex('eth0'),
        family: 4,
        address: '169.254.1.1',
        mac,
        state: 'permanent',
        proxy: false,
        router: false,
      },
    ]);
    rt.deleteNeighbour({ dev: 'eth0', address: '169.254.1.1' });
    expect(rt.neighbours({ dev: 'eth0', family: 4 })).toEqual([]);
    const gone = { dev: 'eth0', address: '169.254.1.9' };
    expect(() => rt.deleteNeighbour(gone)).toThrow(/delete neighbour 169.254.1.9 on eth0 .*ENOENT/);
    rt.deleteNeighbour(gone, { ifMissing: 'ignore' });
    rt.deleteNeighbour({ ...gone, dev: 'none' }, { ifMissing: 'ignore' });
  });

  test('proxy entries are a table of their own', () => {
    rt.setNeighbour({ dev: 'eth0', address: '10.0.1.77', proxy: true });
    rt.setNeighbour({ dev: 'eth0', address: 'fd00::77', proxy: true });
    const shownProxies = spaces.json<IpNeighbour[]>(a, 'ip', '-j', 'neigh', 'show', 'proxy');
    const proxies = rt.neighbours({ proxy: true }).map((entry) => entry.address);
    expect(proxies.sort()).toEqual(shownProxies.map((entry) => entry.dst).sort());
    expect(proxies).toEqual(['10.0.1.77', 'fd00::77']);
    expect(rt.neighbours().filter((entry) => entry.proxy)).toEqual([]);
    rt.deleteNeighbour({ dev: 'eth0', address: 'fd00::77', proxy: true });
    expect(rt.neighbours({ proxy: true })).toHaveLength(1);
  });
});

describe('rules', () => {
  interface IpRule {
    priority: number;
    src: string;
    srclen?: number;
    dst?: string;
    dstlen?: number;
    iif?: string;
    fwmark?: string;
    fwmask?: string;
    table?: string;
    action?: string;
    not?: null;
  }

  test('added, shown and deleted in both families', () => {
    rt.addRule({ priority: 100, from: '10.244.0.0/16', to: '10.0.0.1', table: 70_000 });
    rt.addRule({ priority: 101, mark: 0x10, mask: 0xff, iif: 'eth0', table: 100 });
    rt.addRule({ priority: 102, from: '10.9.0.0/16', action: 'unreachable' });
    rt.addRule({ priority: 103, oif: 'eth1', invert: true, table: 100 });
    rt.addRule({ priority: 104, family: 6, table: 254, suppressPrefixLength: 0 });
    rt.addRule({ priority: 105, from: 'fd00::/64', action: 'blackhole' });
    const four = spaces.json<IpRule[]>(a, 'ip', '-4', '-N', '-j', 'rule').filter((rule) => rule.priority > 0);
    const summary = four.map((rule) => [
      rule.priority,
      rule.src === 'all' ? undefined : `${rule.src}/${rule.srclen ?? 32}`,
      rule.dst === undefined ? undefined : `${rule.dst}/${rule.dstlen ?? 32}`,
      rule.iif,
      rule.fwmark === undefined ? undefined : Number(rule.fwmark),
      'not' in rule,
    ]);
    const ours = rt.rules({ family: 4 }).filter((rule) => rule.priority > 0);
    expect(
      ours.map((rule) => [rule.priority, rule.from, rule.to, rule.iif, rule.mark, rule.invert ?? false]),
    ).toEqual(summary);
    expect(ours.slice(0, 4).map((rule) => [rule.action, rule.table])).toEqual([
      ['lookup', 70_000],
      ['lookup', 100],
      ['unreachable', undefined],
      ['lookup', 100],
    ]);
    expect(spaces.run(a, 'ip', '-4', 'rule')).toContain('from all fwmark 0x10/0xff iif eth0 lookup 100');
    expect(spaces.run(a, 'ip', '-6', 'rule')).toContain('suppress_prefixlength 0');
    const six = rt.rules({ family: 6 }).filter((rule) => rule.priority >= 104 && rule.priority < 200);
    expect(six).toEqual([
      { family: 6, priority: 104, action: 'lookup', protocol: 4, table: 254, suppressPrefixLength: 0 },
      { family: 6, priority: 105, action: 'blackhole', protocol: 4, from: 'fd00::/64' },
    ]);
    const first = { priority: 100, from: '10.244.0.0/16', to: '10.0.0.1', table: 70_000 };
    expect(() => rt.addRule(first)).toThrow(/add rule priority 100 from .*EEXIST/);
    rt.addRule(first, { ifExists: 'ignore' });
    for (const rule of rt.rules()) if (rule.protocol !== 2) rt.deleteRule(rule);
    expect(rt.rules().filter((rule) => rule.priority >= 100 && rule.priority < 200)).toEqual([]);
    expect(() => rt.deleteRule(first)).toThrow(/ENOENT/);
    rt.deleteRule(first, { ifMissing: 'ignore' });
    rt.deleteRule({ family: 6, priority: 104 }, { ifMissing: 'ignore' });
  });

  test('a packet follows them', () => {
    rt.addRule({ priority: 100, mark: 7, table: 100 });
    rt.replaceRoute({ dst: '203.0.113.0/24', dev: 'eth1', table: 100 });
    expect(rt.routeTo('203.0.113.9', { mark: 7 }).dev).toBe(rt.linkIndex('eth1'));
    expect(() => rt.routeTo('203.0.113.9')).toThrow(/ENETUNREACH/);
  });
});

describe('batch', () => {
  test('many changes in one datagram', () => {
    const dev = rt.linkIndex('eth1')!;
    rt.batch((batch) => {
      batch.createVeth({ name: 'b0', alias: 'made in a batch', peer: { name: 'b1', netns: b } });
      batch.setLink('b0', { up: true });
      batch.addAddress(dev, { address: '10.50.0.1', prefixLength: 24 });
      batch.addRoute({ dst: '10.51.0.0/16', via: '10.50.0.2', dev: 'eth1' });
      batch.deleteLink('none', { ifMissing: 'ignore' });
    });
    expect(rt.link('b0')).toMatchObject({ up: true, alias: 'made in a batch' });
    expect(rt.routeTo('10.51.1.1').via).toBe('10.50.0.2');
  });

  test('a refusal names its operation; the others are made', () => {
    expect(() =>
      rt.batch((batch) => {
        batch.addRoute({ dst: '10.52.0.0/16', dev: 'eth1' });
        batch.addRoute({ dst: '10.53.0.1/16', dev: 'eth1' });
        batch.createVeth({ name: 'b2', alias: 'after a refusal', peer: { name: 'b3' } });
      }),
    ).toThrow(`add route 10.53.0.1/16 dev eth1 in ${a}: EINVAL (Invalid prefix for given prefix length)`);
    expect(rt.routeTo('10.52.0.9').dev).toBe(rt.linkIndex('eth1'));
    expect(rt.link('b2')?.alias).toBe('after a refusal');
  });

  test('a body that throws sends nothing; the next batch is clean', () => {
    expect(() =>
      rt.batch((batch) => {
        batch.deleteLink('b0');
        batch.addRoute({ dst: 'not a prefix', dev: 'eth1' });
      }),
    ).toThrow(RangeError);
    expect(rt.link('b0')?.name).toBe('b0');
    rt.batch(() => {});
    expect(rt.link('b0')?.name).toBe('b0');
    expect(() => rt.batch(() => rt.batch(() => {}))).toThrow(/a batch inside a batch/);
  });
});
