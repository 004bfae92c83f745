import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { deleteNamespace } from '../netns.ts';
import { TestNamespaces } from '../test-namespaces.ts';
import { Rtnl } from './index.ts';

const spaces = new TestNamespaces();
const a = spaces.make('a');
const b = spaces.make('b');
let rt: Rtnl;
let peer: Rtnl;

beforeAll(() => {
  rt = Rtnl.open({ netns: a });
  peer = Rtnl.open({ netns: b });
});
afterAll(() => {
  rt.close();
  peer.close();
  spaces.cleanup();
});

interface IpLink {
  ifindex: number;
  ifname: string;
  flags: string[];
  mtu: number;
  group: string;
  address: string;
  operstate: string;
  ifalias?: string;
  master?: string;
  link_index?: number;
  link_netnsid?: number;
  linkinfo?: { info_kind: string; info_data: Record<string, unknown> };
  stats64: { rx: Record<string, number>; tx: Record<string, number> };
}
const ipLinks = (netns: string, ...more: string[]): IpLink[] =>
  spaces.json<IpLink[]>(netns, 'ip', '-d', '-s', '-j', 'link', 'show', ...more);

describe('veth', () => {
  test('each end is made straight in its namespace with all its attributes', () => {
    rt.createVeth({
      name: 'azv0123456789a',
      mac: '02:00:00:00:00:01',
      mtu: 1450,
      group: 70_000,
      alias: 'flyover:abc/eth0',
      peer: { name: 'eth0', mac: '02:00:00:00:00:02', mtu: 1400, group: 5, alias: 'pod é', netns: b },
    });
    expect(ipLinks(a, 'dev', 'azv0123456789a')[0]).toMatchObject({
      address: '02:00:00:00:00:01',
      mtu: 1450,
      group: '70000',
      ifalias: 'flyover:abc/eth0',
      linkinfo: { info_kind: 'veth' },
      operstate: 'DOWN',
    });
    expect(ipLinks(b, 'dev', 'eth0')[0]).toMatchObject({
      address: '02:00:00:00:00:02',
      mtu: 1400,
      group: '5',
      ifalias: 'pod é',
    });
  });

  test('links() says what ip says', () => {
    rt.setLink('azv0123456789a', { up: true });
    peer.setLink('eth0', { up: true });
    const expected = ipLinks(a).map((link) => ({
      index: link.ifindex,
      name: link.ifname,
      mtu: link.mtu,
      mac: link.address,
      up: link.flags.includes('UP'),
      operState: link.operstate.toLowerCase(),
      group: link.group === 'default' ? 0 : Number(link.group),
      ...(link.ifalias === undefined ? {} : { alias: link.ifalias }),
      ...(link.linkinfo === undefined ? {} : { kind: link.linkinfo.info_kind }),
      ...(link.link_index === undefined ? {} : { peerIndex: link.link_index }),
      ...(link.link_netnsid === undefined ? {} : { peerNetnsId: link.link_netnsid }),
    }));
    // iproute2 before 6.3 does not show the size of unsegmented packets; it has a test of its own.
    const seen = rt.links().map(({ stats, carrier, gsoIpv4MaxSize, ...link }) => link);
    expect(seen).toEqual(expected);
    expect(rt.link('azv0123456789a')).toMatchObject({ up: true, carrier: true, operState: 'up' });
  });

  test('the peer is found by index and namespace number, both ways', () => {
    const host = rt.link('azv0123456789a')!;
    const pod = peer.link('eth0')!;
    expect([host.peerIndex, host.peerNetnsId]).toEqual([pod.index, rt.netnsId(b)]);
    expect([pod.peerIndex, pod.peerNetnsId]).toEqual([host.index, peer.netnsId(a)]);
    expect(rt.netnsId(spaces.make('stranger'))).toBeUndefined();
  });

  test('both ends in one namespace', () => {
    rt.createVeth({ name: 'x0', peer: { name: 'x1' } });
    const [x0, x1] = [rt.link('x0')!, rt.link('x1')!];
    expect([x0.peerIndex, x1.peerIndex, x0.peerNetnsId]).toEqual([x1.index, x0.index, undefined]);
    rt.deleteLink('x1');
    expect(rt.link('x0')).toBeUndefined();
  });

  test('both ends elsewhere', () => {
    const [c, d] = [spaces.make('c'), spaces.make('d')];
    rt.createVeth({ name: 'left', netns: c, alias: 'l', peer: { name: 'right', netns: d, alias: 'r' } });
    expect(ipLinks(c).map((link) => [link.ifname, link.ifalias])).toContainEqual(['left', 'l']);
    expect(ipLinks(d).map((link) => [link.ifname, link.ifalias])).toContainEqual(['right', 'r']);
    expect(rt.link('left')).toBeUndefined();
  });

  test('a taken name: EEXIST, and the older link is not touched, alias included', () => {
    const options = { name: 'azv0123456789a', alias: 'other', peer: { name: 'zz' } };
    expect(() => rt.createVeth(options)).toThrow(`create link veth azv0123456789a in ${a}: EEXIST`);
    rt.createVeth(options, { ifExists: 'ignore' });
    expect(rt.link('azv0123456789a')?.alias).toBe('flyover:abc/eth0');
    expect(rt.link('zz')).toBeUndefined();
    const inPeer = { name: 'azv1', peer: { name: 'eth0', netns: b } };
    expect(() => rt.createVeth(inPeer)).toThrow(/EEXIST/);
    expect(rt.link('azv1')).toBeUndefined();
  });

  test('a name that is too long: the words of the kernel; no such namespace: ENOENT', () => {
    expect(() => rt.createVeth({ name: 'a-name-of-16-byt', peer: { name: 'q' } })).toThrow(
      /veth a-name-of-16-byt in .*ERANGE \(Attribute failed policy validation\)/,
    );
    expect(() => rt.createVeth({ name: 'q', peer: { name: 'r', netns: `${a}-none` } })).toThrow(/ENOENT/);
  });
});

describe('setLink', () => {
  test('changes what is named and nothing else', () => {
    rt.createVeth({ name: 's0', mtu: 1400, alias: 'before', peer: { name: 's1' } });
    rt.setLink('s0', { mtu: 1300 });
    expect(rt.link('s0')).toMatchObject({ mtu: 1300, up: false, alias: 'before', group: 0 });
    rt.setLink('s0', { mac: '02:00:00:00:00:77', group: 3, alias: 'after', up: true });
    rt.setLink(rt.linkIndex('s0')!, { name: 's2' });
    expect(rt.link('s2')).toMatchObject({
      mac: '02:00:00:00:00:77',
      group: 3,
      alias: 'after',
      up: true,
      mtu: 1300,
    });
    rt.setLink('s2', { up: false, name: 's0' });
    expect(rt.link('s0')?.up).toBe(false);
  });

  test('has as many queues as it is told', () => {
    rt.createVeth({ name: 'q0', queues: 1, peer: { name: 'q1', queues: 2 } });
    const queues = (name: string): string[] =>
      spaces.run(a, 'ip', '-d', 'link', 'show', name).match(/num.xqueues \d+/g) ?? [];
    expect(queues('q0')).toEqual(['numtxqueues 1', 'numrxqueues 1']);
    expect(queues('q1')).toEqual(['numtxqueues 2', 'numrxqueues 2']);
    rt.deleteLink('q0');
  });

  test('raises the size of packets that are handed over unsegmented', () => {
    expect(rt.link('s0')?.gsoIpv4MaxSize).toBe(65536);
    rt.setLink('s0', { gsoIpv4MaxSize: 196_608 });
    expect(rt.link('s0')).toMatchObject({ gsoIpv4MaxSize: 196_608, mtu: 1300 });
    expect(() => rt.setLink('s0', { gsoIpv4MaxSize: 1 << 30 })).toThrow(/EINVAL/);
  });

  test('moves to another namespace', () => {
    rt.setLink('s1', { netns: b });
    expect(rt.link('s1')).toBeUndefined();
    expect(peer.link('s1')?.kind).toBe('veth');
  });

  test('settings of IPv4 and the link-local address', () => {
    rt.setLink('s0', {
      ipv4: { forwarding: true, proxyArp: true, rpFilter: 2, acceptLocal: true, routeLocalnet: true },
      linkLocal: false,
    });
    const read = (name: string): string => spaces.run(a, 'cat', `/proc/sys/net/ipv4/conf/s0/${name}`).trim();
    const names = ['forwarding', 'proxy_arp', 'rp_filter', 'accept_local', 'route_localnet', 'arp_ignore'];
    expect(names.map(read)).toEqual(['1', '1', '2', '1', '1', '0']);
    rt.setLink('s0', {
      ipv4: { proxyArp: false, arpIgnore: 1, arpAnnounce: 2, sendRedirects: false, acceptRedirects: false },
    });
    const more = [
      'proxy_arp',
      'arp_ignore',
      'arp_announce',
      'send_redirects',
      'accept_redirects',
      'forwarding',
    ];
    expect(more.map(read)).toEqual(['0', '1', '2', '0', '0', '1']);
    const [link] = spaces.json<{ inet6_addr_gen_mode: string }[]>(a, 'ip', '-d', '-j', 'link', 'show', 's0');
    expect(link?.inet6_addr_gen_mode).toBe('none');
  });

  test('a missing link: ENODEV, by name and by index', () => {
    expect(() => rt.setLink('none', { up: true })).toThrow(`set link none in ${a}: ENODEV`);
    expect(() => rt.setLink(9999, { up: true })).toThrow(/set link 9999 in .*ENODEV/);
    expect(() => rt.setLink('s0', { master: 'none' })).toThrow(/find link none in .*ENODEV/);
    expect(rt.link('none')).toBeUndefined();
    expect(rt.link(9999)).toBeUndefined();
  });
});

describe('bridge and vxlan', () => {
  test('ports join and leave', () => {
    rt.createBridge({ name: 'br0', mtu: 1400, up: true, alias: 'a bridge' });
    rt.createBridge({ name: 'br1', mtu: 1500 });
    rt.setLink('s0', { master: 'br1' });
    rt.setLink('s0', { master: 'br0' });
    expect(ipLinks(a, 'dev', 's0')[0]?.master).toBe('br0');
    expect(rt.link('s0')?.master).toBe(rt.linkIndex('br0'));
    expect(rt.links({ master: 'br0' }).map((link) => link.name)).toEqual(['s0']);
    rt.setLink('s0', { master: null });
    expect(rt.links({ master: 'br0' })).toEqual([]);
    expect(ipLinks(a, 'dev', 'br0')[0]).toMatchObject({ mtu: 1400, ifalias: 'a bridge' });
    expect(rt.link('br1')?.mtu).toBe(1500);
  });

  test('vxlan over IPv4 and IPv6', () => {
    rt.createVxlan({ name: 'vx4', vni: 77, local: '10.0.0.1', mtu: 1400, dev: 's0' });
    rt.createVxlan({ name: 'vx6', vni: 16777215, local: 'fd00::1', port: 8472, learning: true });
    expect(ipLinks(a, 'dev', 'vx4')[0]?.linkinfo).toMatchObject({
      info_kind: 'vxlan',
      info_data: { id: 77, local: '10.0.0.1', port: 4789, learning: false, link: 's0' },
    });
    expect(ipLinks(a, 'dev', 'vx6')[0]?.linkinfo?.info_data).toMatchObject({
      id: 16777215,
      local6: 'fd00::1',
      port: 8472,
      learning: true,
      udp_zero_csum6_tx: true,
      udp_zero_csum6_rx: true,
    });
    expect(rt.links({ kind: 'vxlan' }).map((link) => link.name)).toEqual(['vx4', 'vx6']);
  });

  test('forwarding entries, replaced, appended and deleted', () => {
    rt.setFdb({ dev: 'vx4', mac: '02:aa:00:00:00:01', dst: '10.0.0.2' });
    rt.setFdb({ dev: 'vx4', mac: '02:aa:00:00:00:01', dst: '10.0.0.3' });
    const flood = { dev: 'vx4', mac: '00:00:00:00:00:00', append: true };
    rt.setFdb({ ...flood, dst: '10.0.0.4' });
    rt.setFdb({ ...flood, dst: '10.0.0.5', port: 9, vni: 78 });
    rt.setFdb({ dev: 'vx6', mac: '02:aa:00:00:00:02', dst: 'fd00::2' });
    const shown = (): string[] =>
      spaces
        .json<{ mac: string; dst?: string; ifname: string }[]>(a, 'bridge', '-j', 'fdb', 'show')
        .filter((entry) => entry.ifname.startsWith('vx'))
        .map((entry) => `${entry.mac} ${entry.dst}`)
        .sort();
    const seen = (): string[] =>
      ['vx4', 'vx6']
        .flatMap((dev) => rt.fdb({ dev }))
        .map((entry) => `${entry.mac} ${entry.dst}`)
        .sort();
    expect(shown()).toEqual([
      '00:00:00:00:00:00 10.0.0.4',
      '00:00:00:00:00:00 10.0.0.5',
      '02:aa:00:00:00:01 10.0.0.3',
      '02:aa:00:00:00:02 fd00::2',
    ]);
    expect(seen()).toEqual(shown());
    expect(rt.fdb({ dev: 'vx4' }).find((entry) => entry.dst === '10.0.0.5')).toMatchObject({
      port: 9,
      vni: 78,
    });
    rt.deleteFdb({ dev: 'vx4', mac: '00:00:00:00:00:00', dst: '10.0.0.4' });
    expect(seen()).toHaveLength(3);
    expect(seen()).toEqual(shown());
    const gone = { dev: 'vx4', mac: '02:aa:00:00:00:09', dst: '10.0.0.9' };
    expect(() => rt.deleteFdb(gone)).toThrow(/delete forwarding entry 02:aa:00:00:00:09 on vx4 .*ENOENT/);
    rt.deleteFdb(gone, { ifMissing: 'ignore' });
  });
});

describe('counters', () => {
  test('stats() and links() agree with ip', () => {
    peer.addAddress('eth0', { address: '10.9.0.2', prefixLength: 24 });
    rt.addAddress('azv0123456789a', { address: '10.9.0.1', prefixLength: 24 });
    // IPv6 talks by itself, so both sides are silenced before they are compared.
    spaces.run(a, 'ping', '-c', '3', '-i', '0.01', '-q', '10.9.0.2');
    rt.setLink('azv0123456789a', { up: false });
    const { rx, tx } = ipLinks(a, 'dev', 'azv0123456789a')[0]!.stats64;
    const link = rt.link('azv0123456789a')!;
    expect(link.stats).toMatchObject({
      rxPackets: rx.packets,
      rxBytes: rx.bytes,
      rxErrors: rx.errors,
      rxDropped: rx.dropped,
      txPackets: tx.packets,
      txBytes: tx.bytes,
      txErrors: tx.errors,
      txDropped: tx.dropped,
    });
    expect(link.stats.rxPackets).toBeGreaterThanOrEqual(3);
    expect(rt.stats().get(link.index)).toEqual(link.stats);
    expect([...rt.stats().keys()].sort()).toEqual(
      rt
        .links()
        .map((entry) => entry.index)
        .sort(),
    );
  });
});

describe('deletion', () => {
  const make = (netns: Rtnl, from: number, to: number, group = 0): string[] => {
    const names = Array.from({ length: to - from }, (_, i) => `del${from + i}`);
    for (const name of names) netns.createVeth({ name, group, peer: { name: `${name}p` } });
    return names;
  };
  const left = (): string[] =>
    rt
      .links()
      .map((link) => link.name)
      .filter((name) => name.startsWith('del'));

  test('of a missing link: ENODEV unless that is fine', async () => {
    expect(() => rt.deleteLink('none')).toThrow(`delete link none in ${a}: ENODEV`);
    rt.deleteLink('none', { ifMissing: 'ignore' });
    rt.deleteLink(9999, { ifMissing: 'ignore' });
    await expect(rt.deleteLinkAsync('none')).rejects.toThrow(`delete link none in ${a}: ENODEV`);
    await rt.deleteLinkAsync('none', { ifMissing: 'ignore' });
  });

  test('of a group, and only of it; never of group 0', () => {
    make(rt, 0, 20, 42);
    const [other] = make(rt, 20, 21, 43);
    rt.deleteGroup(42);
    expect(left()).toEqual([`${other}p`, other]);
    expect(() => rt.deleteGroup(42)).toThrow(/delete link group 42 in .*ENODEV/);
    rt.deleteGroup(42, { ifMissing: 'ignore' });
    expect(() => rt.deleteGroup(0)).toThrow(RangeError);
    rt.deleteGroup(43);
    expect(left()).toEqual([]);
  });

  test('in the background: many at once, each with its own outcome, and the event loop goes on', async () => {
    const names = make(rt, 0, 40);
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const wanted = [...names, 'none', ...names.slice(0, 1)];
    const outcomes = await Promise.allSettled(wanted.map((name) => rt.deleteLinkAsync(name)));
    clearInterval(timer);
    expect(left()).toEqual([]);
    expect(outcomes.map((outcome) => outcome.status === 'fulfilled')).toEqual(
      wanted.map((name) => name !== 'none'),
    );
    expect(String((outcomes[40] as PromiseRejectedResult).reason)).toContain(`none in ${a}: ENODEV`);
    expect(turns).toBeGreaterThan(2);
  });

  test('in the background: a deleted link is done with before the kernel lets the caller go', async () => {
    const names = make(rt, 0, 12);
    const inTurn = process.hrtime.bigint();
    for (const name of names.slice(0, 6)) rt.deleteLink(name);
    const background = process.hrtime.bigint();
    for (const name of names.slice(6)) {
      await rt.deleteLinkAsync(name);
      expect(rt.link(name)).toBeUndefined();
    }
    const end = process.hrtime.bigint();
    expect(end - background).toBeLessThan(background - inTurn);
    expect(left()).toEqual([]);
  });

  test('one that cannot be deleted does not spoil the others', async () => {
    const names = make(rt, 0, 4);
    const outcomes = await Promise.allSettled(
      [names[0]!, 'lo', ...names.slice(1)].map((name) => rt.deleteLinkAsync(name)),
    );
    expect(outcomes.map((outcome) => outcome.status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'fulfilled',
      'fulfilled',
    ]);
    expect(left()).toEqual([]);
    expect(rt.link('lo')).toMatchObject({ name: 'lo' });
  });

  test('what was asked for is done although the object is closed', async () => {
    const other = Rtnl.open({ netns: a });
    const names = make(other, 0, 3);
    const done = names.map((name) => other.deleteLinkAsync(name));
    other.close();
    await Promise.all(done);
    expect(left()).toEqual([]);
    expect(() => other.links()).toThrow(/the socket is closed/);
  });
});

test('the object works in its namespace also after the pin is gone', () => {
  const path = spaces.make('unpinned');
  using held = Rtnl.open({ netns: path });
  deleteNamespace(path);
  held.setLink('lo', { up: true });
  expect(held.link('lo')?.up).toBe(true);
  expect(() => Rtnl.open({ netns: path })).toThrow(/ENOENT/);
});
