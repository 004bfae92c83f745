import { describe, expect, test } from 'vitest';
import { chainsOf, elementChanges } from './filter.ts';
import { type FabricModel, workingPeerings } from './model.ts';
import { linkName, macOf, PORT_PREFIX } from './names.ts';
import { planFabric } from './planner.ts';

const node = (cluster: string, index: number, address: string) => ({
  name: `${cluster}-${index}`,
  cluster,
  index,
  address,
  nodeBlock: `10.244.${index}.0/24`,
});

/** Two clusters with the same pod CIDR in one network, a peer, a site, and a host everywhere. */
const model: FabricModel = {
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
  ],
  peerings: [['hub', 'spoke']],
  clusters: [
    { name: 'one', virtualNetwork: 'hub', subnet: 'a', podCidr: '10.244.0.0/16', maxPods: 30 },
    { name: 'two', virtualNetwork: 'hub', subnet: 'b', podCidr: '10.244.0.0/16', maxPods: 30 },
  ],
  machines: [node('one', 0, '10.0.1.4'), node('one', 1, '10.0.1.5'), node('two', 0, '10.0.2.4')],
  hosts: [
    { name: 'vm', place: { kind: 'vnet', virtualNetwork: 'spoke', subnet: 'x' }, address: '10.1.1.4' },
    { name: 'web', place: { kind: 'internet' }, address: '203.0.113.4' },
    { name: 'desk', place: { kind: 'site', site: 'hq' }, address: '172.20.0.4' },
  ],
  sites: [{ name: 'hq', virtualNetwork: 'hub', addressPrefix: '172.20.0.0/16' }],
};
const plan = planFabric(model);
const routesOf = (name: string) =>
  plan.namespaces.get(name)!.routes.map((r) => `${r.type} ${r.dst} ${r.dev ?? ''}`);

describe('fabric plan', () => {
  test('a node has its default route and nothing else', () => {
    expect(plan.namespaces.get('node-one-0')!.routes).toEqual([
      { dst: 'default', type: 'unicast', dev: 'eth0', via: '10.0.1.1' },
    ]);
  });

  test('a routing domain knows the blocks of its own cluster only, and ends the rest of the pod CIDR', () => {
    const blocks = routesOf('domain-two').filter((route) => route.includes('10.244'));
    expect(blocks).toEqual([
      'unreachable 10.244.0.0/16 ',
      `unicast 10.244.0.0/24 ${linkName(PORT_PREFIX.node, 'two-0')}`,
    ]);
  });

  test('no router beyond the domains has a route to a pod', () => {
    for (const [name, namespace] of plan.namespaces) {
      if (name.startsWith('domain-')) continue;
      expect(namespace.routes.filter((route) => route.dst.startsWith('10.244'))).toEqual([]);
    }
  });

  test('a port may send from its node and the block of its node, and from nothing else', () => {
    const link = linkName(PORT_PREFIX.node, 'one-1');
    const sources = plan.namespaces
      .get('domain-one')!
      .filter!.sets.sources!.filter(([port]) => port === link);
    expect(sources).toEqual([
      [link, '10.0.1.5'],
      [link, '10.244.1.0/24'],
    ]);
  });

  test('every cable has two ends in namespaces of the plan, with names the kernel takes', () => {
    const ends = plan.cables.flatMap((cable) => [cable.a, cable.b]);
    expect(plan.cables).toHaveLength(1 + 2 + 1 + 1 + 2 + 3 + 3);
    for (const end of ends) {
      expect(plan.namespaces.has(end.namespace)).toBe(true);
      expect(end.name.length).toBeLessThanOrEqual(15);
      expect(end.mac).toMatch(/^02(:[0-9a-f]{2}){5}$/);
      expect(end.mac).toBe(macOf(end.namespace, end.name));
    }
    expect(new Set(ends.map((end) => `${end.namespace}/${end.name}`)).size).toBe(ends.length);
    expect(new Set(ends.map((end) => end.mac)).size).toBe(ends.length);
  });

  test('every route over a link has the neighbour entry that it needs: the fabric carries no ARP', () => {
    for (const namespace of plan.namespaces.values()) {
      for (const route of namespace.routes.filter((candidate) => candidate.type === 'unicast')) {
        const hop = route.via ?? route.dst.replace('/32', '');
        expect(namespace.neighbours).toContainEqual(
          expect.objectContaining({ dev: route.dev, address: hop }),
        );
      }
    }
  });

  test('the machine gets one link and a route to the public addresses of the lab alone', () => {
    expect(routesOf('')).toEqual(['unicast 198.19.0.0/24 flyover0']);
  });

  test('is the same plan for the same resources', () => {
    expect(planFabric(structuredClone(model))).toEqual(plan);
  });

  test('a peering of one side alone carries nothing', () => {
    const to = (name: string) => ({ remoteVirtualNetwork: `/subscriptions/x/virtualNetworks/${name}` });
    expect(workingPeerings([{ from: 'a', peering: to('b') }])).toEqual([]);
    expect(
      workingPeerings([
        { from: 'b', peering: to('a') },
        { from: 'a', peering: to('b') },
      ]),
    ).toEqual([['a', 'b']]);
  });
});

describe('filters', () => {
  test('every set that a kind of router looks up is filled by the plan', () => {
    for (const { filter } of plan.namespaces.values()) {
      if (!filter) continue;
      const looked = JSON.stringify(chainsOf(filter)).matchAll(/"set":"(\w+)"/g);
      for (const [, set] of looked) expect(Object.keys(filter.sets)).toContain(set);
    }
  });

  test('changes touch the elements that differ and no other', () => {
    const filter = plan.namespaces.get('domain-one')!.filter!;
    const same = filter.sets.sources!.map(([port, range]) => [port!, range!.replace('/32', '')]);
    const present = (set: string): string[][] => (set === 'sources' ? same : [['10.244.0.0/16']]);
    expect(elementChanges(filter, present)).toBeUndefined();
    const stale = [...same.slice(1), ['n-gone', '10.0.1.9']];
    const tx = elementChanges(filter, (set) => (set === 'sources' ? stale : [['10.244.0.0/16']]));
    expect(JSON.stringify(tx?.operations)).toContain('n-gone');
    expect(JSON.stringify(tx?.operations)).toContain(same[0]![1]);
    expect(JSON.stringify(tx?.operations)).not.toContain(same[2]![1]);
  });
});
