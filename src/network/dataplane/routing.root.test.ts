import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Rtnl } from '../../kernel/netlink/rtnl.ts';
import { setNetSysctl } from '../../kernel/netns.ts';
import { NftSocket } from '../../kernel/nft/socket.ts';
import { Dataplane } from './dataplane.ts';
import type { NodeNetwork, RoutingMode } from './model.ts';
import { TestNetwork } from './testing.ts';

// a and b share a segment, c is behind a router, which knows no pods.
const addresses: Record<string, string> = { a: '10.0.1.4', b: '10.0.1.5', c: '10.0.2.6' };
const blocks: Record<string, string> = { a: '10.244.0.0/24', b: '10.244.1.0/24', c: '10.244.2.0/24' };
const pods: Record<string, string> = { a: '10.244.0.4', b: '10.244.1.4', c: '10.244.2.4' };
const nodes = ['a', 'b', 'c'];

let net: TestNetwork;
const planes = new Map<string, Dataplane>();

function network(node: string, routing: RoutingMode): NodeNetwork {
  return {
    nodeName: node,
    nodeAddresses: [addresses[node] ?? ''],
    nodeBlocks: [blocks[node] ?? ''],
    podCIDRs: ['10.244.0.0/16'],
    nonMasqueradeRanges: [],
    routing,
    mtu: 0,
    trackPodTraffic: false,
    peers: nodes
      .filter((other) => other !== node)
      .map((other) => ({ name: other, addresses: [addresses[other] ?? ''], blocks: [blocks[other] ?? ''] })),
  };
}
function apply(node: string, routing: RoutingMode) {
  const plane = planes.get(node)!;
  return plane.apply(network(node, routing), plane.links.sources());
}
const routes = (node: string): string[] =>
  net
    .run(node, 'ip', 'route')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
const seen = (from: string, to: string): string | undefined =>
  net.seenBy(`pod-${from}`, pods[to] ?? '', 7000);

beforeAll(async () => {
  net = new TestNetwork();
  using router = Rtnl.open({ netns: net.namespace('router') });
  router.createBridge({ name: 'segment', up: true });
  router.addAddress('segment', { address: '10.0.1.1', prefixLength: 24 });
  for (const node of nodes) {
    net.join(
      { ns: node, address: `${addresses[node]}/24` },
      { ns: 'router', name: node, address: node === 'c' ? '10.0.2.1/24' : '0.0.0.0/0' },
    );
    using rtnl = Rtnl.open({ netns: net.namespace(node) });
    rtnl.addRoute({ dst: 'default', via: node === 'c' ? '10.0.2.1' : '10.0.1.1' });
    if (node !== 'c') router.setLink(node, { master: 'segment' });
    planes.set(
      node,
      new Dataplane(
        Rtnl.open({ netns: net.namespace(node) }),
        NftSocket.open({ netns: net.namespace(node) }),
      ),
    );
  }
  setNetSysctl(net.namespace('router'), 'ipv4/ip_forward', 1);
  for (const node of nodes) {
    expect(apply(node, 'vxlan').problems).toEqual([]);
    const plane = planes.get(node)!;
    await plane.links.attach({
      containerId: node,
      ifName: 'eth0',
      netns: net.namespace(`pod-${node}`),
      addresses: [pods[node] ?? ''],
      mtu: plane.podMtu ?? 0,
    });
    await net.serve(`pod-${node}`, 7000);
  }
});
afterAll(async () => {
  for (const plane of planes.values()) plane.close();
  await net.close();
});

describe('vxlan', () => {
  it('carries pod traffic over a network that knows no pods, the source unchanged', () => {
    for (const from of nodes) {
      for (const to of nodes) expect(seen(from, to), `${from} to ${to}`).toBe(pods[from]);
    }
  });

  it('lets pods fill its packets: the MTU has room for the outer headers', () => {
    expect(planes.get('a')?.podMtu).toBe(1450);
    expect(net.pings('pod-a', pods.c ?? '', '-M', 'do', '-s', String(1450 - 28))).toBe(true);
  });

  it('brings answers back to the node itself through the tunnel', () => {
    expect(net.pings('a', pods.c ?? '')).toBe(true);
    expect(net.seenBy('a', pods.c ?? '', 7000)).toBe('10.244.0.0');
  });

  it('is left alone by a second run', () => {
    expect(apply('a', 'vxlan')).toMatchObject({ routing: [], problems: [], warnings: [] });
  });

  it('is mended', () => {
    net.run('a', 'ip', 'neigh', 'del', '10.244.2.0', 'dev', 'flyover.vxlan');
    net.run('a', 'ip', 'route', 'del', '10.244.1.0/24');
    expect(apply('a', 'vxlan').routing).toEqual([
      'flyover.vxlan: neighbour 10.244.2.0 set',
      'route 10.244.1.0/24: added',
    ]);
    expect(seen('a', 'c')).toBe(pods.a);
  });
});

describe('auto', () => {
  it('routes on the segment and tunnels beyond it', () => {
    for (const node of nodes) apply(node, 'auto');
    expect(routes('a')).toContain('10.244.1.0/24 via 10.0.1.5 dev eth0 proto 70');
    expect(routes('a')).toContain(
      '10.244.2.0/24 via 10.244.2.0 dev flyover.vxlan proto 70 src 10.244.0.0 onlink',
    );
    for (const to of nodes) expect(seen('a', to), to).toBe(pods.a);
  });
});

describe('direct', () => {
  it('routes on the segment, takes the tunnel away, and says whom it cannot reach', () => {
    const [applied] = nodes.map((node) => apply(node, 'direct'));
    expect(applied?.warnings).toEqual([
      'no way to the pods of node c: none of its addresses (10.0.2.6) is on the segment of eth0 for 10.244.2.0/24',
    ]);
    expect(net.run('a', 'ip', '-o', 'link')).not.toContain('flyover.vxlan');
    expect(planes.get('a')?.podMtu).toBe(1500);
    expect(seen('a', 'b')).toBe(pods.a);
    expect(seen('a', 'c')).toBeUndefined();
  });
});

describe('fabric', () => {
  it('has no route but the default, its subnet, its own pods and the end of its block', () => {
    for (const node of nodes) apply(node, 'fabric');
    expect(routes('a').map((line) => line.replace(/azv[0-9a-f]+/, 'azv'))).toEqual([
      'default via 10.0.1.1 dev eth0 proto static',
      '10.0.1.0/24 dev eth0 proto kernel scope link src 10.0.1.4',
      'unreachable 10.244.0.0/24 proto 70',
      '10.244.0.4 dev azv proto 70 scope link',
    ]);
  });

  it('works once the network knows the blocks', () => {
    using router = Rtnl.open({ netns: net.namespace('router') });
    for (const node of nodes) router.addRoute({ dst: blocks[node] ?? '', via: addresses[node] ?? '' });
    for (const to of nodes) expect(seen('a', to), to).toBe(pods.a);
  });
});

it("is not ready while the node's address is on no interface, and checks sources all the same", () => {
  using rtnl = Rtnl.open({ netns: net.namespace('a') });
  rtnl.deleteAddress('eth0', { address: '10.0.1.4', prefixLength: 24 });
  const { problems } = apply('a', 'fabric');
  expect(problems).toEqual([
    "nodeAddresses[0] '10.0.1.4' is on no interface of this node; give it to one, or correct node.json",
  ]);
  expect(planes.get('a')?.podMtu).toBeUndefined();
  expect(planes.get('a')?.links.sources()).toHaveLength(1);
});
