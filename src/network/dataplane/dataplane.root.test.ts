import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Rtnl } from '../../kernel/netlink/rtnl.ts';
import { setNetSysctl } from '../../kernel/netns.ts';
import { Transaction } from '../../kernel/nft/index.ts';
import { NftSocket } from '../../kernel/nft/socket.ts';
import { Dataplane } from './dataplane.ts';
import type { NodeNetwork } from './model.ts';
import { hostLinkName } from './names.ts';
import type { PodLink } from './pod-link.ts';
import { SPOOFED, TABLE } from './table.ts';
import { TestNetwork } from './testing.ts';

const base: NodeNetwork = {
  nodeName: 'a',
  nodeAddresses: ['10.0.1.4', 'fd00::4'],
  nodeBlocks: ['10.244.0.0/24', 'fd12::/120'],
  podCIDRs: ['10.244.0.0/16', 'fd12::/64'],
  nonMasqueradeRanges: ['192.0.2.0/24'],
  routing: 'fabric',
  mtu: 0,
  trackPodTraffic: false,
  peers: [],
};

let net: TestNetwork;
let rtnl: Rtnl;
let nft: NftSocket;
let dataplane: Dataplane;

function pod(n: number, change: Partial<PodLink> = {}): PodLink {
  return {
    containerId: `c${n}`,
    ifName: 'eth0',
    netns: net.namespace(`p${n}`),
    addresses: [`10.244.0.${n}`, `fd12::${n}`],
    mtu: 1400,
    ...change,
  };
}
const spoofed = (): number => dataplane.counters().get(SPOOFED)?.packets ?? -1;

beforeAll(() => {
  net = new TestNetwork();
  net.join({ ns: 'node', address: '10.0.1.4/24' }, { ns: 'out', address: '10.0.1.1/24' });
  rtnl = Rtnl.open({ netns: net.namespace('node') });
  nft = NftSocket.open({ netns: net.namespace('node') });
  dataplane = new Dataplane(rtnl, nft);
  rtnl.addAddress('eth0', { address: 'fd00::4', prefixLength: 64 });
  rtnl.addRoute({ dst: 'default', via: '10.0.1.1' });
  using out = Rtnl.open({ netns: net.namespace('out') });
  out.addAddress('eth0', { address: 'fd00::1', prefixLength: 64 });
  out.addAddress('lo', { address: '192.0.2.1', prefixLength: 32 });
  out.addRoute({ dst: '10.244.0.0/16', via: '10.0.1.4' });
  out.addRoute({ dst: 'fd12::/64', via: 'fd00::4' });
  expect(dataplane.apply(base, []).problems).toEqual([]);
});
afterAll(async () => {
  dataplane.close();
  await net.close();
});

describe('a pod link', () => {
  it('joins pods of one node and of both families, without ARP and without conntrack', async () => {
    for (const n of [4, 5]) await dataplane.links.attach(pod(n));
    const before = net.connections('node');
    expect(net.pings('p4', '10.244.0.5')).toBe(true);
    expect(net.pings('p4', 'fd12::5')).toBe(true);
    expect(net.connections('node')).toBe(before);
    expect(net.run('p4', 'ip', '-o', 'neigh', 'show', '169.254.1.1')).toContain('PERMANENT');
    expect(net.run('p4', 'ip', '-o', 'link', 'show', 'eth0')).toContain('mtu 1400');
    for (const n of [4, 5]) expect(dataplane.check(pod(n))).toEqual([]);
    expect(spoofed()).toBe(0);
  });

  it("takes unsegmented packets as large as the node's NIC does, at both ends", async () => {
    rtnl.setLink('eth0', { gsoIpv4MaxSize: 196_608 });
    dataplane.apply(base, []);
    await dataplane.links.attach(pod(6));
    using inPod = Rtnl.open({ netns: net.namespace('p6') });
    expect(inPod.link('eth0')?.gsoIpv4MaxSize).toBe(196_608);
    expect(rtnl.link(hostLinkName(pod(6)))?.gsoIpv4MaxSize).toBe(196_608);
    await dataplane.links.detach(pod(6), pod(6).addresses);
    dataplane.apply(
      base,
      [4, 5].flatMap((n) => pod(n).addresses.map((address) => ({ link: hostLinkName(pod(n)), address }))),
    );
  });

  it('is found with its attachment and addresses', () => {
    const found = dataplane.foundLink(hostLinkName(pod(4)));
    expect(found?.attachment).toEqual({ containerId: 'c4', ifName: 'eth0' });
    expect(found?.addresses.toSorted()).toEqual(['10.244.0.4', 'fd12::4']);
    expect(dataplane.foundLinks()).toHaveLength(2);
  });

  it.each<[string, () => void, RegExp]>([
    ['pod down', () => net.run('p4', 'ip', 'link', 'set', 'eth0', 'down'), /eth0 in the pod: is down/],
    ['pod MTU', () => net.run('p4', 'ip', 'link', 'set', 'eth0', 'mtu', '1300'), /MTU is 1300, must be 1400/],
    [
      'pod address',
      () => net.run('p4', 'ip', 'addr', 'del', '10.244.0.4/32', 'dev', 'eth0'),
      /address of eth0.*must be 10.244.0.4\/32/,
    ],
    ['pod route', () => net.run('p4', 'ip', 'route', 'del', 'default'), /IPv4 default route: is missing/],
    [
      'pod neighbour',
      () => net.run('p4', 'ip', 'neigh', 'del', '169.254.1.1', 'dev', 'eth0'),
      /pod's neighbour 169.254.1.1/,
    ],
    [
      'node route',
      () => net.run('node', 'ip', 'route', 'del', '10.244.0.4'),
      /node's route to 10.244.0.4\/32: is missing/,
    ],
    [
      'node neighbour',
      () => net.run('node', 'ip', 'neigh', 'del', '10.244.0.4', 'dev', hostLinkName(pod(4))),
      /node's neighbour 10.244.0.4/,
    ],
    [
      'proxy_arp',
      () => rtnl.setLink(hostLinkName(pod(4)), { ipv4: { proxyArp: false } }),
      /proxy_arp.*is 0, must be 1/,
    ],
    ['host down', () => rtnl.setLink(hostLinkName(pod(4)), { up: false }), /azv.*: is down/],
    ['alias', () => rtnl.setLink(hostLinkName(pod(4)), { alias: 'x' }), /alias is 'x'/],
    [
      'element',
      () =>
        nft.commit(
          new Transaction().deleteElements({
            table: TABLE,
            set: 'pod_sources',
            elements: [{ key: [hostLinkName(pod(4)), '10.244.0.4'] }],
          }),
        ),
      /set pod_sources: azv.* is missing/,
    ],
  ])('is checked and repaired: %s', (_, damage, expected) => {
    damage();
    expect(
      dataplane.check(pod(4)).some((text) => expected.test(text)),
      dataplane.check(pod(4)).join('\n'),
    ).toBe(true);
    dataplane.links.repair(pod(4));
    expect(dataplane.check(pod(4))).toEqual([]);
    expect(net.pings('p4', '10.244.0.5')).toBe(true);
  });

  it('is refused, without a trace, where something is in its way', async () => {
    const links = (): string[] => rtnl.links().map(({ name }) => name);
    const before = [links(), dataplane.links.sources()];
    await expect(dataplane.links.attach(pod(4))).rejects.toThrow(
      /azv.* of c4\/eth0 already exists on the node/,
    );
    const second = pod(4, { containerId: 'x', addresses: ['10.244.0.77'] });
    await expect(dataplane.links.attach(second)).rejects.toThrow(/eth0 already exists in .*p4/);
    await expect(dataplane.links.attach({ ...second, ifName: 'eth1' })).rejects.toThrow(
      /already has a default route/,
    );
    const taken = pod(6, { addresses: ['10.244.0.5'] });
    await expect(dataplane.links.attach(taken)).rejects.toThrow(/already has a route to 10.244.0.5/);
    await expect(dataplane.links.attach(pod(6, { netns: net.nowhere('p9') }))).rejects.toThrow(
      /not a network namespace/,
    );
    await expect(dataplane.links.attach(pod(6, { netns: '/etc/passwd' }))).rejects.toThrow(
      /not a network namespace/,
    );
    expect([links(), dataplane.links.sources()]).toEqual(before);
    expect(net.run('p6', 'ip', '-o', 'link')).not.toContain('eth0');
  });

  it('gets IPv6 also where the runtime has switched it off', async () => {
    setNetSysctl(net.namespace('p7'), 'ipv6/conf/default/disable_ipv6', 1);
    await dataplane.links.attach(pod(7));
    expect(dataplane.check(pod(7))).toEqual([]);
    expect(net.pings('p7', 'fd12::5')).toBe(true);
    await dataplane.links.detach(pod(7), pod(7).addresses);
  });

  it('leaves nothing when detached, also when its addresses are not known, and twice', async () => {
    for (const n of [8, 9]) await dataplane.links.attach(pod(n, { tracked: true }));
    await dataplane.links.detach(pod(8), pod(8).addresses);
    await dataplane.links.detach(pod(9), undefined);
    await dataplane.links.detach(pod(9), pod(9).addresses);
    expect(dataplane.foundLinks()).toHaveLength(2);
    expect(dataplane.links.sources().some(({ address }) => /[.:][89]$/.test(address))).toBe(false);
    expect(dataplane.links.trackedAddresses().size).toBe(0);
    expect(rtnl.routes().some(({ dst }) => /[.:][89]\//.test(dst))).toBe(false);
    expect(net.run('p8', 'ip', '-o', 'link')).not.toContain('eth0');
  });
});

describe("the node's table", () => {
  it("lets pods leave under the node's address, but not to the ranges that see pods", async () => {
    await net.serve('out', 7000);
    expect(net.seenBy('p4', '10.0.1.1', 7000)).toBe('10.0.1.4');
    expect(net.seenBy('p4', 'fd00::1', 7000)).toBe('fd00::4');
    expect(net.seenBy('p4', '192.0.2.1', 7000)).toBe('10.244.0.4');
  });

  it('leaves the source alone between pods', async () => {
    await net.serve('p5', 7000);
    expect(net.seenBy('p4', '10.244.0.5', 7000)).toBe('10.244.0.4');
    expect(net.seenBy('p4', 'fd12::5', 7000)).toBe('fd12::4');
  });

  it('tracks what pods with host ports say, so that it can be translated back', async () => {
    await dataplane.links.attach(pod(10, { tracked: true }));
    const before = net.connections('node');
    expect(net.pings('p4', '10.244.0.10')).toBe(true);
    expect(net.connections('node')).toBeGreaterThan(before);
    await dataplane.links.detach(pod(10), pod(10).addresses);
  });

  it('drops and counts what a pod sends from another address, of a pod or of nobody', async () => {
    const start = spoofed();
    net.run('p4', 'ip', 'addr', 'add', '10.244.0.5/32', 'dev', 'lo');
    net.run('p4', 'ip', 'addr', 'add', '8.8.8.8/32', 'dev', 'lo');
    net.run('p4', 'ip', 'addr', 'add', 'fd12::5/128', 'dev', 'lo');
    expect(net.pings('p4', '10.0.1.1', '-I', '8.8.8.8')).toBe(false);
    expect(spoofed()).toBe(start + 2);
    expect(net.pings('p4', '10.0.1.1', '-I', '10.244.0.5')).toBe(false);
    expect(spoofed()).toBe(start + 4);
    expect(net.pings('p4', 'fd00::1', '-I', 'fd12::5')).toBe(false);
    expect(spoofed()).toBe(start + 6);
    // Its own address on another's link is foreign too.
    net.run('p5', 'ip', 'addr', 'add', '10.244.0.4/32', 'dev', 'lo');
    expect(net.pings('p5', '10.0.1.1', '-I', '10.244.0.4')).toBe(false);
    expect(spoofed()).toBe(start + 8);
    for (const [ns, address] of [
      ['p4', '10.244.0.5/32'],
      ['p4', '8.8.8.8/32'],
      ['p4', 'fd12::5/128'],
      ['p5', '10.244.0.4/32'],
    ] as const) {
      net.run(ns, 'ip', 'addr', 'del', address, 'dev', 'lo');
    }
    expect(net.pings('p4', '10.0.1.1')).toBe(true);
  });

  it('answers for addresses that no pod has, instead of sending them back to the network', () => {
    expect(() => net.run('out', 'ping', '-c1', '-W1', '10.244.0.200')).toThrow();
    const failure = (() => {
      try {
        return net.run('out', 'ping', '-c1', '-W1', '10.244.0.200');
      } catch (error) {
        return String((error as { stdout: string }).stdout);
      }
    })();
    expect(failure).toContain('Host Unreachable');
  });

  it('is replaced under traffic without losing a packet, and keeps its counters', async () => {
    const start = spoofed();
    const ping = net.spawn('p4', ['ping', '-q', '-i', '0.002', '-w', '2', '10.0.1.1']);
    let output = '';
    ping.stdout?.on('data', (chunk) => {
      output += String(chunk);
    });
    const ended = new Promise<void>((resolve) => ping.once('close', () => resolve()));
    let running = true;
    void ended.then(() => {
      running = false;
    });
    let rounds = 0;
    while (running) {
      const sources = dataplane.links.sources();
      dataplane.apply(
        {
          ...base,
          trackPodTraffic: rounds % 2 === 0,
          podCIDRs: [...base.podCIDRs, '10.99.0.0/16'].slice(0, 2 + (rounds % 2)),
        },
        sources,
      );
      rounds++;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(rounds).toBeGreaterThan(20);
    expect(output).toContain(' 0% packet loss');
    expect(spoofed()).toBe(start);
    dataplane.apply(base, dataplane.links.sources());
  });
});

it('removes all of its own and nothing else', async () => {
  for (const n of [4, 5]) await dataplane.links.detach(pod(n), pod(n).addresses);
  dataplane.remove();
  expect(nft.listTables()).toEqual([]);
  expect(rtnl.routes({ protocol: 70 })).toEqual([]);
  expect(rtnl.routes().some(({ dst }) => dst === 'default')).toBe(true);
});
