import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Outbound } from '../azure/types.ts';
import type { FabricModel } from './model.ts';
import { egressOf } from './outbound.ts';
import type { MapElement } from './plan.ts';
import { PORTS_PER_ADDRESS, portRange, portsPerNode } from './snat-ports.ts';
import { SnatCount } from './snat-usage.ts';
import { testModel } from './testing.ts';

const ONE = ['10.0.1.4', '10.0.1.5'];

/** Cluster `one` (nodes {@link ONE}, subnet a) goes out so. */
function model(outbound?: Outbound): FabricModel {
  const base = testModel();
  base.publicIpAddresses = ['p', 'q', 'r'].map((name, i) => ({ name, address: `198.19.0.${50 + i}` }));
  base.natGateways = [{ name: 'gw', publicIpAddresses: ['q', 'r'], idleTimeoutInMinutes: 4 }];
  if (outbound) base.clusters[0]!.outbound = outbound;
  return base;
}
const hub = (base: FabricModel) => egressOf(base, base.virtualNetworks[0]!);

describe('SNAT ports', () => {
  test('ranges of nodes lie in 1024..65023, and never overlap', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }).map((eighth) => eighth * 8),
        fc.integer({ min: 1, max: 16 }),
        fc.array(fc.nat(5000), { minLength: 2, maxLength: 40 }),
        (ports, addresses, indexes) => {
          const taken = [...new Set(indexes)].flatMap((index) => portRange(index, ports, addresses) ?? []);
          for (const [i, a] of taken.entries()) {
            expect(a.last - a.first + 1).toBe(ports);
            expect(a.first).toBeGreaterThanOrEqual(1024);
            expect(a.last).toBeLessThan(1024 + PORTS_PER_ADDRESS);
            expect(a.address).toBeLessThan(addresses);
            for (const b of taken.slice(i + 1)) {
              expect(a.address !== b.address || a.last < b.first || b.last < a.first).toBe(true);
            }
          }
        },
      ),
    );
  });

  test('as many nodes get some as the addresses have ports for', () => {
    expect(portRange(61, 1024, 1)).toEqual({ address: 0, first: 1024 + 61 * 1024, last: 1023 + 62 * 1024 });
    expect(portRange(62, 1024, 1)).toBeUndefined();
    expect(portRange(62, 1024, 2)).toEqual({ address: 1, first: 1024, last: 2047 });
  });

  test.each([
    [undefined, 50, 1024],
    [0, 51, 512],
    [64, 51, 64],
  ])('%s allocated, %d nodes: %d for each', (allocatedOutboundPorts, nodes, ports) => {
    const outbound = {
      type: 'loadBalancer' as const,
      ...(allocatedOutboundPorts === undefined ? {} : { allocatedOutboundPorts }),
    };
    expect(portsPerNode(outbound, nodes)).toBe(ports);
  });
});

describe('who wears what on the internet', () => {
  test('without outbound: the address of the network, all of them', () => {
    const { maps, sets, addresses } = hub(model());
    expect([...Object.values(maps), ...Object.values(sets), addresses].flat()).toEqual([]);
  });

  test('a load balancer without an address is none', () => {
    expect(hub(model({ type: 'loadBalancer', publicIpAddresses: ['gone'] })).maps.snat_address).toEqual([]);
  });

  test('a load balancer: its nodes, each with its range; nobody else', () => {
    const { maps, sets, addresses, snatPorts } = hub(
      model({ type: 'loadBalancer', publicIpAddresses: ['p'], allocatedOutboundPorts: 64 }),
    );
    expect(addresses).toEqual(['198.19.0.50']);
    expect(snatPorts).toEqual([64]);
    const of = (elements: MapElement[]) => elements.map(({ key, data }) => [...key, ...data]);
    expect(of(maps.snat_address)).toEqual(ONE.map((node) => [node, '198.19.0.50']));
    expect(of(maps.snat_first)).toEqual([
      ['10.0.1.4', '1024'],
      ['10.0.1.5', '1088'],
    ]);
    expect(of(maps.snat_last)).toEqual([
      ['10.0.1.4', '1087'],
      ['10.0.1.5', '1151'],
    ]);
    expect(sets.snat_nodes.flat()).toEqual(ONE);
  });

  test('a NAT gateway serves all in its subnet, and comes before a load balancer', () => {
    const base = model({ type: 'loadBalancer', publicIpAddresses: ['p'] });
    base.virtualNetworks[0]!.subnets[0]!.natGateway = 'gw';
    const { maps, addresses } = hub(base);
    expect(maps.gateways.flatMap(({ key }) => key)).toEqual([...ONE, '10.0.1.9']);
    expect(new Set(maps.gateway_addresses.flatMap(({ data }) => data))).toEqual(
      new Set(['198.19.0.51', '198.19.0.52']),
    );
    expect(maps.snat_address).toEqual([]);
    expect(addresses).toEqual(['198.19.0.51', '198.19.0.52']);
  });

  test.each([
    ['none', 'gw', ONE],
    ['userAssignedNATGateway', undefined, ONE],
    ['userAssignedNATGateway', 'gone', [...ONE, '10.0.1.9']],
    ['managedNATGateway', undefined, ONE],
    ['userDefinedRouting', undefined, []],
  ] as const)('%s with gateway %s on the subnet: %j cannot leave', (type, gateway, closed) => {
    const base = model({ type });
    if (gateway) base.virtualNetworks[0]!.subnets[0]!.natGateway = gateway;
    expect(hub(base).sets.closed.flat()).toEqual(closed);
  });
});

describe('SNAT usage', () => {
  test('a port counts once for each protocol, whatever it is used towards; others’ and former ports do not', () => {
    const count = new SnatCount({
      ranges: new Map([['10.0.1.4', { address: '198.19.0.50', first: 1024, last: 1087 }]]),
      refused: new Map([
        ['10.0.1.4', 3],
        ['10.0.1.9', 1],
      ]),
    });
    const add = (source: string, protocol: number, to: string, address: string, port: number) =>
      count.add({
        original: { source, destination: to, protocol, sourcePort: 40_000, destinationPort: 80 },
        reply: { source: to, destination: address, protocol, sourcePort: 80, destinationPort: port },
      });
    add('10.0.1.4', 6, '203.0.113.4', '198.19.0.50', 1024);
    add('10.0.1.4', 6, '203.0.113.5', '198.19.0.50', 1024);
    add('10.0.1.4', 6, '203.0.113.4', '198.19.0.50', 1025);
    add('10.0.1.4', 17, '203.0.113.4', '198.19.0.50', 1024);
    add('10.0.1.4', 6, '203.0.113.4', '198.19.0.50', 5000);
    add('10.0.1.4', 6, '198.19.0.254', '198.19.0.4', 1030);
    expect(count.usage()).toEqual({
      nodes: [
        { nodeAddress: '10.0.1.4', address: '198.19.0.50', tcp: 2, udp: 1, allocated: 64, refused: 3 },
        { nodeAddress: '10.0.1.9', address: '', tcp: 0, udp: 0, allocated: 0, refused: 1 },
      ],
      addresses: [
        {
          address: '198.19.0.50',
          flows: 5,
          busiest: { flows: 3, destination: 'tcp 203.0.113.4:80' },
          clients: ['10.0.1.4'],
        },
        {
          address: '198.19.0.4',
          flows: 1,
          busiest: { flows: 1, destination: 'tcp 198.19.0.254:80' },
          clients: ['10.0.1.4'],
        },
      ],
    });
  });
});
