import { describe, expect, it } from 'vitest';
import type { NodeNetwork, Uplink } from './model.ts';
import { vxlanMac } from './names.ts';
import { planRouting } from './routing.ts';

const network: NodeNetwork = {
  nodeName: 'a',
  nodeAddresses: ['10.0.1.4'],
  nodeBlocks: ['10.244.0.0/24'],
  podCIDRs: ['10.244.0.0/16'],
  nonMasqueradeRanges: [],
  routing: 'fabric',
  mtu: 0,
  trackPodTraffic: false,
  peers: [
    { name: 'b', addresses: ['10.0.1.5'], blocks: ['10.244.1.0/24'] },
    { name: 'c', addresses: ['10.0.9.5'], blocks: ['10.244.2.0/24'] },
  ],
};
const uplink: Uplink = {
  name: 'eth0',
  index: 2,
  mtu: 1500,
  addresses: [{ address: '10.0.1.4', prefixLength: 24 }],
};
const unreachable = { dst: '10.244.0.0/24', type: 'unreachable', protocol: 70 };

describe('planRouting', () => {
  it('wants nothing but the end of the own block in fabric mode', () => {
    expect(planRouting(network, uplink)).toEqual({ routes: [unreachable], podMtu: 1500, unreachable: [] });
  });

  it("copies the NIC's largest unsegmented packet, but not into a tunnel", () => {
    const big = { ...uplink, gsoIpv4MaxSize: 196_608 };
    expect(planRouting(network, big).podGsoIpv4MaxSize).toBe(196_608);
    expect(planRouting({ ...network, routing: 'direct' }, big).podGsoIpv4MaxSize).toBe(196_608);
    expect(planRouting({ ...network, routing: 'vxlan' }, big).podGsoIpv4MaxSize).toBeUndefined();
  });

  it('routes to peers on the segment in direct mode, and names those that are not', () => {
    const plan = planRouting({ ...network, routing: 'direct' }, uplink);
    expect(plan.routes).toEqual([
      unreachable,
      { dst: '10.244.1.0/24', type: 'unicast', via: '10.0.1.5', dev: 'eth0', protocol: 70 },
    ]);
    expect(plan.unreachable).toEqual([
      { peer: 'c', why: 'none of its addresses (10.0.9.5) is on the segment of eth0 for 10.244.2.0/24' },
    ]);
    expect(plan.vxlan).toBeUndefined();
  });

  it('tunnels to every peer in vxlan mode, with nothing to learn', () => {
    const plan = planRouting({ ...network, routing: 'vxlan' }, uplink);
    expect(plan.podMtu).toBe(1450);
    expect(plan.vxlan).toMatchObject({
      name: 'flyover.vxlan',
      local: '10.0.1.4',
      mtu: 1450,
      mac: vxlanMac('10.0.1.4'),
      addresses: ['10.244.0.0'],
      neighbours: [
        { address: '10.244.1.0', mac: vxlanMac('10.0.1.5') },
        { address: '10.244.2.0', mac: vxlanMac('10.0.9.5') },
      ],
      forwarding: [
        { mac: vxlanMac('10.0.1.5'), dst: '10.0.1.5' },
        { mac: vxlanMac('10.0.9.5'), dst: '10.0.9.5' },
      ],
    });
    expect(plan.routes[1]).toEqual({
      dst: '10.244.1.0/24',
      type: 'unicast',
      via: '10.244.1.0',
      dev: 'flyover.vxlan',
      onlink: true,
      src: '10.244.0.0',
      protocol: 70,
    });
  });

  it('tunnels only where the segment ends in auto mode', () => {
    const plan = planRouting({ ...network, routing: 'auto' }, uplink);
    expect(plan.routes.map((route) => [route.dst, route.dev])).toEqual([
      ['10.244.0.0/24', undefined],
      ['10.244.1.0/24', 'eth0'],
      ['10.244.2.0/24', 'flyover.vxlan'],
    ]);
    expect(plan.podMtu).toBe(1450);
  });

  it('keeps the full MTU in auto mode while every peer is on the segment', () => {
    const plan = planRouting({ ...network, routing: 'auto', peers: network.peers.slice(0, 1) }, uplink);
    expect(plan.podMtu).toBe(1500);
    expect(plan.vxlan).toBeUndefined();
  });

  it('sees no neighbours behind a /32', () => {
    const alone = { ...uplink, addresses: [{ address: '10.0.1.4', prefixLength: 32 }] };
    const plan = planRouting({ ...network, routing: 'auto' }, alone);
    expect(plan.routes.slice(1).every((route) => route.dev === 'flyover.vxlan')).toBe(true);
  });

  it('takes both families of a dual-stack peer through one tunnel end', () => {
    const plan = planRouting(
      {
        ...network,
        routing: 'vxlan',
        nodeAddresses: ['10.0.1.4', 'fd00::4'],
        nodeBlocks: ['10.244.0.0/24', 'fd12::/120'],
        peers: [
          { name: 'b', addresses: ['10.0.1.5', 'fd00::5'], blocks: ['10.244.1.0/24', 'fd12::100/120'] },
        ],
      },
      uplink,
    );
    expect(plan.vxlan?.forwarding).toHaveLength(1);
    expect(plan.vxlan?.neighbours.map((n) => n.address)).toEqual(['10.244.1.0', 'fd12::100']);
    expect(plan.routes.at(-1)).toMatchObject({ dst: 'fd12::100/120', via: 'fd12::100', src: 'fd12::' });
  });

  it('lets a configured MTU win', () => {
    expect(planRouting({ ...network, mtu: 9000 }, uplink).podMtu).toBe(9000);
  });
});
