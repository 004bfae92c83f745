import fc from 'fast-check';
import { expect, test } from 'vitest';
import { live, type PodDisruptionBudget } from '../controllers/common/objects.ts';
import { meta, node, type PodShape, pod } from '../controllers/testing-objects.ts';
import { NodeInfo, podInfo } from '../scheduler/node-info.ts';
import type { Snapshot } from '../scheduler/snapshot.ts';
import type { NodePool } from './node-pools.ts';
import { obstacle, unneeded } from './scale-down.ts';
import { planScaleUp } from './scale-up.ts';

const pool = (name: string, more: Partial<NodePool> & { shape?: object } = {}): NodePool => ({
  name,
  min: 0,
  max: 10,
  size: 0,
  template: node(name, more.shape),
  ...more,
});
const world = (...nodes: NodeInfo[]): Snapshot => ({ nodes, namespaceLabels: () => ({}) });
const RS = {
  ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'rs', uid: 'rs', controller: true }],
};
const at = (name: string, pods: Record<string, PodShape> = {}) =>
  new NodeInfo(
    node(name),
    Object.entries(pods).map(([key, shape]) => podInfo(pod(key, { node: name, meta: RS, ...shape }))),
  );

test('just as many nodes as the pods need, and never above the maximum', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 100, max: 4000 }), { maxLength: 30 }),
      fc.integer({ min: 0, max: 12 }),
      (cpus, max) => {
        const pending = cpus.map((cpu, i) => podInfo(pod(`p${i}`, { cpu: `${cpu}m` })));
        const { scaleUps, hopeless } = planScaleUp(pending, world(), [pool('a', { max })], new Map());
        const count = scaleUps.reduce((sum, s) => sum + s.count, 0);
        const sum = cpus.reduce((a, b) => a + b, 0);
        expect(count).toBeLessThanOrEqual(max);
        expect(scaleUps.flatMap((s) => s.pods).length + hopeless.length).toBe(cpus.length);
        if (hopeless.length) expect(count).toBe(max);
        else expect(count).toBeGreaterThanOrEqual(Math.ceil(sum / 4000));
        // First fit leaves no two nodes that could have been one.
        if (count > 1) expect(sum).toBeGreaterThan(((count - 1) * 4000) / 2);
      },
    ),
  );
});

test('room that is there, or on its way, is used first', () => {
  const pending = [podInfo(pod('p', { cpu: '3' }))];
  expect(
    planScaleUp(pending, world(at('n')), [pool('a', { size: 1 })], new Map([['a', 1]])).scaleUps,
  ).toEqual([]);
  expect(planScaleUp(pending, world(), [pool('a', { size: 1 })], new Map()).scaleUps).toEqual([]);
  expect(
    planScaleUp(pending, world(), [pool('a', { size: 1 })], new Map([['a', 1]])).scaleUps.map((s) => s.count),
  ).toEqual([1]);
});

test('the pool is chosen that takes the pods; those that none takes hear why', () => {
  const gpu = podInfo(pod('g', { spec: { nodeSelector: { gpu: 'yes' } } }));
  const plain = podInfo(pod('p', { cpu: '1' }));
  const giant = podInfo(pod('x', { cpu: '64' }));
  const plan = planScaleUp(
    [gpu, plain, giant],
    world(),
    [pool('full', { size: 1, max: 1 }), pool('gpu', { shape: { labels: { gpu: 'yes' } } })],
    new Map([['full', 1]]),
  );
  expect(plan.scaleUps.map((s) => [s.pool.name, s.count, s.pods.length])).toEqual([['gpu', 1, 2]]);
  expect(plan.hopeless.map((h) => Object.fromEntries(h.reasons))).toEqual([
    { 'max node group size reached': 1, 'Insufficient cpu': 1 },
  ]);
});

test('idle nodes go when their pods fit elsewhere: together, not each for itself', () => {
  const nodes = [
    at('a', { a: { cpu: '1500m' } }),
    at('b', { b: { cpu: '1500m' } }),
    at('c', { c: { cpu: '1500m' } }),
  ];
  // Each alone would fit on the others; two of the three need more than the third has.
  expect(unneeded(nodes, world(...nodes), []).map(({ node: n }) => n.name)).toHaveLength(1);
  const empty = at('e');
  expect(unneeded([...nodes, empty], world(...nodes, empty), [])[0]).toMatchObject({ empty: true });
});

test('a busy node stays', () => {
  const nodes = [at('a', { a: { cpu: '3' } }), at('b')];
  expect(unneeded(nodes, world(...nodes), []).map(({ node: n }) => n.name)).toEqual(['b']);
});

test.each<[string, PodShape, string | undefined]>([
  [
    'annotated',
    { meta: { ...RS, annotations: { 'cluster-autoscaler.kubernetes.io/safe-to-evict': 'false' } } },
    'NotSafeToEvictAnnotation',
  ],
  ['without a controller', { meta: {} }, 'NotReplicated'],
  ['with files', { spec: { volumes: [{ name: 'v', emptyDir: {} }] } }, 'LocalStorageRequested'],
  ['with files in memory', { spec: { volumes: [{ name: 'v', emptyDir: { medium: 'Memory' } }] } }, undefined],
  ['of the system', { meta: { ...RS, namespace: 'kube-system' } }, 'UnmovableKubeSystemPod'],
  [
    'of a DaemonSet',
    { meta: { ownerReferences: [{ ...RS.ownerReferences[0], kind: 'DaemonSet' }] } },
    undefined,
  ],
  ['under a budget', { labels: { app: 'guarded' } }, 'NotEnoughPdb'],
  ['plain', {}, undefined],
])('a pod %s', (_, shape, why) => {
  const budget = live<PodDisruptionBudget>({
    metadata: meta('pdb'),
    spec: { selector: { matchLabels: { app: 'guarded' } } },
    status: { disruptionsAllowed: 0 },
  });
  expect(obstacle(at('n', { p: shape }), [budget])).toBe(why);
});

test('a new node has the taints of its kind, and not those of the state that the example is in', () => {
  const template = node('example');
  const keys = [
    'node.kubernetes.io/not-ready',
    'ToBeDeletedByClusterAutoscaler',
    'node.kubernetes.io/unschedulable',
  ];
  template.spec = {
    unschedulable: true,
    taints: ['mine', ...keys].map((key) => ({ key, effect: 'NoSchedule' })),
  };
  const tolerant = { tolerations: [{ key: 'mine', operator: 'Exists' }] };
  const plan = (one: PodShape) =>
    planScaleUp([podInfo(pod('p', one))], world(), [pool('a', { template })], new Map()).scaleUps.length;
  expect([plan({ spec: tolerant }), plan({})]).toEqual([1, 0]);
});
