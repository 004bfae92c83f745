import { describe, expect, test } from 'vitest';
import { FakeNft, Transaction } from '../../kernel/nft/index.ts';
import { chainsOf, elementChanges } from './filter.ts';
import { specsOf } from './filter-sets.ts';
import { syncFilter } from './filter-sync.ts';
import { workingPeerings } from './model.ts';
import { linkName, macOf, PORT_PREFIX } from './names.ts';
import { planFabric } from './planner.ts';
import { testCluster, testModel, testNode } from './testing.ts';

/** The model of the tests, without one network and the second node of a cluster. */
const model = testModel();
model.virtualNetworks.pop();
model.peerings.pop();
model.hosts = model.hosts.filter(({ name }) => name !== 'other' && name !== 'near');
model.machines.pop();
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
      // A control plane reaches them by the tunnel to its own nodes.
      if (name.startsWith('domain-') || name.startsWith('control-')) continue;
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

  test('a control plane is on the internet, and reaches its own nodes and pods by the tunnel alone', () => {
    expect(routesOf('control-two')).toEqual([
      'unicast default eth0',
      'unicast 10.0.2.0/24 nodes',
      'unicast 10.244.0.0/16 nodes',
    ]);
    expect(routesOf('domain-two')).toContain('unicast 198.19.0.12/32 control');
    expect(routesOf('domain-one')).not.toContain('unicast 198.19.0.12/32 control');
    expect(routesOf('internet')).toContain(
      `unicast 198.19.0.12/32 ${linkName(PORT_PREFIX.controlPlane, 'two')}`,
    );
  });

  test('every cable has two ends in namespaces of the plan, with names the kernel takes', () => {
    const ends = plan.cables.flatMap((cable) => [cable.a, cable.b]);
    expect(plan.cables).toHaveLength(1 + 2 + 1 + 1 + 2 + 3 + 3 + 2 * 2);
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

  test('overlapping pod CIDRs of one network are one range for its filter', () => {
    const overlapping = testModel();
    const inner = testCluster('inner', 'a', '10.244.128.0/17', 13);
    overlapping.clusters.push(inner, testCluster('other', 'a', '10.99.0.0/16', 14));
    const { filter } = planFabric(overlapping).namespaces.get('vnet-hub')!;
    expect(filter!.sets.pods).toEqual([['10.99.0.0/16'], ['10.244.0.0/16']]);
  });

  test('a block that is the whole pod CIDR has one route', () => {
    const whole = testModel();
    whole.clusters[0]!.podCidr = '10.244.0.0/24';
    whole.machines = [testNode('one', 0, '10.0.1.4')];
    const { routes } = planFabric(whole).namespaces.get('domain-one')!;
    expect(routes.filter((route) => route.dst.startsWith('10.244'))).toEqual([
      expect.objectContaining({ type: 'unicast', via: '10.0.1.4' }),
    ]);
  });

  test('two ends in one place are refused: two names with one hash', () => {
    const twice = testModel();
    twice.machines.push(twice.machines[0]!);
    expect(() => planFabric(twice)).toThrow(/the fabric would have the link .* twice/);
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
      const looked = JSON.stringify(chainsOf(filter)).matchAll(/"(?:set|map)":"(\w+)"/g);
      const known = specsOf(filter).map(({ name }) => name);
      for (const [, set] of looked) expect(known).toContain(set);
    }
  });

  test('changes touch the elements that differ and no other', () => {
    const filter = plan.namespaces.get('domain-one')!.filter!;
    const element = (key: string[]) => ({ key, data: [] });
    const same = filter.sets.sources!.map(([port, range]) => element([port!, range!.replace('/32', '')]));
    const pods = [element(['10.244.0.0/16'])];
    const present = (set: string) => (set === 'sources' ? same : pods);
    expect(elementChanges(filter, present).isEmpty).toBe(true);
    const stale = [...same.slice(1), element(['n-gone', '10.0.1.9'])];
    const tx = elementChanges(filter, (set) => (set === 'sources' ? stale : pods));
    expect(JSON.stringify(tx.operations)).toContain('n-gone');
    expect(JSON.stringify(tx.operations)).toContain(same[0]!.key[1]);
    expect(JSON.stringify(tx.operations)).not.toContain(same[2]!.key[1]);
  });

  test('a new table comes with its elements in one transaction; later only elements change', () => {
    const nft = new FakeNft();
    const commits: number[] = [];
    const commit = nft.commit.bind(nft);
    nft.commit = (tx) => {
      commits.push(tx.operations.length);
      commit(tx);
    };
    const { filter } = plan.namespaces.get('vnet-hub')!;
    syncFilter(nft, filter!, undefined);
    expect(commits).toHaveLength(1);
    expect(nft.listElements({ family: 'ip', name: 'fabric' }, 'pods')).toHaveLength(1);
    syncFilter(nft, filter!, filter!);
    expect(commits).toHaveLength(1);
    const less = { ...filter!, sets: { ...filter!.sets, pods: [] } };
    syncFilter(nft, less, filter!);
    expect(commits).toEqual([expect.any(Number), 1]);
  });

  test('a table that lost rules is written anew, and so is one of another make; a whole one is kept', () => {
    const nft = new FakeNft();
    const { filter } = plan.namespaces.get('vnet-hub')!;
    syncFilter(nft, filter!, undefined);
    const made = nft.toString();
    nft.commit(new Transaction().flushChain({ table: { family: 'ip', name: 'fabric' }, name: 'ingress' }));
    expect(nft.toString()).not.toBe(made);
    syncFilter(nft, filter!, filter!);
    expect(nft.toString()).not.toBe(made);
    syncFilter(nft, filter!, undefined);
    expect(nft.toString()).toBe(made);
    syncFilter(nft, { ...filter!, publicAddress: '198.19.0.99' }, undefined);
    let commits = 0;
    nft.commit = () => commits++;
    syncFilter(nft, { ...filter!, publicAddress: '198.19.0.99' }, undefined);
    expect(commits).toBe(0);
    const unnamed = (text: string): string => text.replace(/flyover vnet \w+/, 'flyover vnet');
    expect(unnamed(nft.toString())).toBe(unnamed(made.replaceAll('198.19.0.4', '198.19.0.99')));
  });
});
