import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Packet } from './decision.ts';
import { evaluate, isolating } from './evaluate.ts';
import { podAt } from './evaluate-cluster.ts';
import { PolicyModel } from './model.ts';
import { compile, fill, lookupBoth } from './testing.ts';
import { ADDRESSES, clusters, packets } from './testing-clusters.ts';

const CLUSTERS = 500;
const PACKETS = 210;
const SEED = 20_261_122;

test('the compiled tables say of 105,000 packets what the API says, and for the same reason', () => {
  const decided = new Map<string, number>();
  const together = fc.tuple(clusters, fc.array(packets, { minLength: PACKETS, maxLength: PACKETS }));
  fc.assert(
    fc.property(together, ([cluster, sample]) => {
      const tables = ['n1', 'n2', 'n3'].map((name) => compile(name, cluster));
      for (const packet of sample) {
        const said = evaluate(cluster, packet);
        const found = lookupBoth(tables, packet);
        for (const [direction, end] of ends(packet)) {
          const pod = podAt(cluster, end);
          // Nobody decides for pods that are on no node yet
          if (pod && !pod.spec?.nodeName) continue;
          expect(found[direction]).toEqual(said[direction]);
          const { decidedBy } = found[direction];
          const why = typeof decidedBy === 'string' ? decidedBy : decidedBy.tier;
          const key = `${direction} ${found[direction].verdict} ${why}`;
          decided.set(key, (decided.get(key) ?? 0) + 1);
        }
      }
    }),
    { numRuns: CLUSTERS, seed: SEED },
  );
  // Every kind of decision was made, in both directions
  expect([...decided.keys()].sort()).toEqual(EVERY);
  expect(Math.min(...decided.values())).toBeGreaterThan(20);
}, 120_000);

test('who isolates an address is the same by the API and by the model', () => {
  fc.assert(
    fc.property(clusters, (cluster) => {
      const model = fill(new PolicyModel('n1'), cluster);
      for (const direction of ['ingress', 'egress'] as const)
        for (const address of ADDRESSES)
          expect(model.isolating(direction, address)).toEqual(isolating(cluster, direction, address));
    }),
    { numRuns: 100, seed: SEED },
  );
}, 120_000);

const EVERY = [
  'egress accept admin',
  'egress accept baseline',
  'egress accept itself',
  'egress accept network-policy',
  'egress accept no pod',
  'egress accept not isolated',
  'egress accept own node',
  'egress deny admin',
  'egress deny baseline',
  'egress deny isolated',
  'ingress accept admin',
  'ingress accept baseline',
  'ingress accept itself',
  'ingress accept network-policy',
  'ingress accept no pod',
  'ingress accept not isolated',
  'ingress accept own node',
  'ingress deny admin',
  'ingress deny baseline',
  'ingress deny isolated',
];

function ends({ source, destination }: Packet) {
  return [
    ['egress', source],
    ['ingress', destination],
  ] as const;
}
