import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LoadBalancer } from '../azure/types.ts';
import { BUCKETS, balancingOf } from './balancing.ts';
import type { MapElement } from './plan.ts';

const backends = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ name: `node-${i}`, number: i + 1, port: `n-${i}` }));

/** A load balancer with so many rules, at ports 80, 81... */
const balancer = (rules: number, minutes = 4): LoadBalancer & { name: string } => ({
  name: 'c/kubernetes',
  cluster: 'c',
  frontends: [{ name: 'f', address: '198.19.0.60' }],
  probes: [],
  rules: Array.from({ length: rules }, (_, i) => ({
    name: `r${i}`,
    frontend: 'f',
    protocol: 'TCP' as const,
    port: 80 + i,
    idleTimeoutInMinutes: minutes,
  })),
});

const healthOf = (lists: Record<string, number[]>) =>
  new Map(
    Object.entries(lists).map(([rule, nodes]) => [`c/kubernetes/${rule}`, nodes.map((i) => `node-${i}`)]),
  );

/** Node numbers of the buckets of the first rule. */
function bucketsOf({ maps }: ReturnType<typeof balancingOf>): number[] {
  const group = maps.groups[0]!.data[0];
  return maps.buckets.filter(({ key }) => key[0] === group).map(({ data }) => Number(data[0]));
}

const texts = (elements: readonly MapElement[]) => new Set(elements.map((each) => JSON.stringify(each)));

/** 2..40 nodes, and which of them are healthy, at least one. */
const pools = fc
  .integer({ min: 2, max: 40 })
  .chain((count) =>
    fc.tuple(fc.constant(count), fc.subarray([...Array(count).keys()], { minLength: 1, maxLength: count })),
  );

describe('a group of healthy nodes', () => {
  test('has every bucket, all of them with a healthy node, spread as evenly as whole numbers allow', () => {
    fc.assert(
      fc.property(pools, ([count, healthy]) => {
        const buckets = bucketsOf(balancingOf([balancer(1)], backends(count), healthOf({ r0: healthy })));
        expect(buckets).toHaveLength(BUCKETS);
        const shares = new Map<number, number>(healthy.map((i) => [i + 1, 0]));
        for (const number of buckets) {
          expect(shares.has(number)).toBe(true);
          shares.set(number, shares.get(number)! + 1);
        }
        // Own buckets, and a share of the others': each even by itself.
        expect(Math.max(...shares.values()) - Math.min(...shares.values())).toBeLessThanOrEqual(2);
      }),
    );
  });

  test('leaves to every healthy node what it has when all are healthy', () => {
    fc.assert(
      fc.property(pools, ([count, healthy]) => {
        const all = bucketsOf(balancingOf([balancer(1)], backends(count)));
        const some = bucketsOf(balancingOf([balancer(1)], backends(count), healthOf({ r0: healthy })));
        for (const [i, number] of all.entries())
          if (healthy.includes(number - 1)) expect(some[i]).toBe(number);
      }),
    );
  });

  test('is one for all rules that have the same nodes', () => {
    const { maps, sets } = balancingOf([balancer(100)], backends(10));
    expect(maps.groups).toHaveLength(100);
    expect(maps.buckets).toHaveLength(BUCKETS);
    expect(sets.members).toHaveLength(1000);
  });

  test('a node of one rule that falls ill changes nothing of other rules', () => {
    const before = balancingOf([balancer(50)], backends(5));
    const after = balancingOf([balancer(50)], backends(5), healthOf({ r7: [0, 1, 2, 3] }));
    const was = texts(before.maps.groups);
    const changed = after.maps.groups.filter((element) => !was.has(JSON.stringify(element)));
    expect(changed.map(({ key }) => key)).toEqual([['198.19.0.60', 'tcp', '87']]);
    const old = texts(after.maps.buckets);
    for (const text of texts(before.maps.buckets)) expect(old.has(text)).toBe(true);
    expect(after.sets.members).toHaveLength(before.sets.members.length - 1);
  });

  test('nobody: group 0, and no bucket', () => {
    const { maps, sets } = balancingOf([balancer(1)], backends(3), healthOf({ r0: [] }));
    expect(maps.groups).toEqual([{ key: ['198.19.0.60', 'tcp', '80'], data: ['0'] }]);
    expect([maps.buckets, sets.members]).toEqual([[], []]);
    expect(balancingOf([balancer(1)], []).maps.groups[0]!.data).toEqual(['0']);
  });
});

describe('a rule', () => {
  test.each([
    [4, 4],
    [5, 8],
    [30, 30],
    [31, 60],
    [120, 120],
    [999, 120],
  ])('with %d minutes keeps idle flows for %d', (minutes, kept) => {
    const { maps } = balancingOf([balancer(1, minutes)], backends(1));
    expect(maps.rules[0]!.data).toEqual([`goto kept_${kept}`]);
    expect(maps.answers[0]!.data).toEqual([`goto answered_${kept}`]);
  });

  test('of a frontend that is not there is none', () => {
    const broken = balancer(1);
    broken.frontends = [];
    expect(balancingOf([broken], backends(1)).maps.groups).toEqual([]);
  });
});
