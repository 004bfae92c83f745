import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type NodeShape, node, type PodShape, pod } from '../controllers/testing-objects.ts';
import { SchedulerCache } from './cache.ts';
import { podInfo } from './node-info.ts';
import { preempt } from './preemption.ts';
import { misfitMessage, schedule } from './schedule.ts';
import type { Snapshot } from './snapshot.ts';

function world(
  nodes: Record<string, NodeShape>,
  pods: Record<string, PodShape> = {},
): { cache: SchedulerCache; snapshot: Snapshot } {
  const cache = new SchedulerCache();
  for (const [name, shape] of Object.entries(nodes)) cache.setNode(node(name, shape));
  for (const [name, shape] of Object.entries(pods)) cache.setPod(pod(name, shape));
  return { cache, snapshot: { nodes: cache.nodes, namespaceLabels: () => ({}) } };
}

const place = (snapshot: Snapshot, shape: PodShape): string => {
  const decision = schedule(podInfo(pod('new', shape)), snapshot, { random: () => 0 });
  return 'node' in decision
    ? decision.node.name
    : misfitMessage(snapshot.nodes.length, decision.misfits.values());
};

test('no node is given more than it has, whatever comes', () => {
  const shapes = fc.array(
    fc.record({ cpu: fc.integer({ min: 0, max: 3000 }), memory: fc.integer({ min: 0, max: 4096 }) }),
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(shapes, fc.integer({ min: 1, max: 5 }), (pods, count) => {
      const nodes = Object.fromEntries(Array.from({ length: count }, (_, i) => [`n${i}`, { pods: '12' }]));
      const { cache, snapshot } = world(nodes);
      for (const [i, { cpu, memory }] of pods.entries()) {
        const info = podInfo(pod(`p${i}`, { cpu: `${cpu}m`, memory: `${memory}Mi` }));
        const decision = schedule(info, snapshot);
        if ('node' in decision) cache.assume(info, decision.node.name);
        else {
          // Refused only when it truly fits nowhere.
          for (const n of cache.nodes)
            expect(
              n.pods.size >= 12 ||
                (n.requested.cpu ?? 0) + cpu > 4000 ||
                (n.requested.memory ?? 0) + memory * 2 ** 20 > 8 * 2 ** 30,
            ).toBe(true);
        }
      }
      for (const n of cache.nodes) {
        expect(n.requested.cpu ?? 0).toBeLessThanOrEqual(4000);
        expect(n.requested.memory ?? 0).toBeLessThanOrEqual(8 * 2 ** 30);
        expect(n.pods.size).toBeLessThanOrEqual(12);
      }
    }),
    { numRuns: 60 },
  );
});

test('messages are as upstream words them', () => {
  const { snapshot } = world({
    a: { spec: { taints: [{ key: 'dedicated', value: 'gpu', effect: 'NoSchedule' }] } },
    b: { cpu: '1' },
    c: { cpu: '1', pods: '0' },
  });
  expect(place(snapshot, { cpu: '2' })).toBe(
    '0/3 nodes are available: 1 Too many pods, 1 node(s) had untolerated taint {dedicated: gpu}, 2 Insufficient cpu.',
  );
  expect(place(world({}).snapshot, {})).toBe('no nodes available to schedule pods');
});

test('taints, selectors, cordons and ports keep pods away; tolerations let them in', () => {
  const { snapshot } = world(
    {
      a: { spec: { taints: [{ key: 'x', effect: 'NoExecute' }] } },
      b: { spec: { unschedulable: true } },
      c: { labels: { disk: 'ssd' } },
    },
    {
      web: {
        node: 'c',
        spec: {
          hostNetwork: true,
          containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 80, hostPort: 80 }] }],
        },
      },
    },
  );
  expect(place(snapshot, {})).toBe('c');
  expect(
    place(snapshot, { spec: { nodeSelector: { disk: 'hdd' }, tolerations: [{ operator: 'Exists' }] } }),
  ).toContain("3 node(s) didn't match Pod's node affinity/selector");
  const port = { containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 80, hostPort: 80 }] }] };
  expect(place(snapshot, { spec: port })).toContain(
    "1 node(s) didn't have free ports for the requested pod ports",
  );
  expect(place(snapshot, { spec: { ...port, tolerations: [{ key: 'x', operator: 'Exists' }] } })).toBe('a');
});

test('hard spread constraints hold: the skew never exceeds the maximum', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 5 }),
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 20 }),
      (zones, maxSkew, count) => {
        const nodes = Object.fromEntries(
          Array.from({ length: zones * 2 }, (_, i) => [`n${i}`, { labels: { zone: `z${i % zones}` } }]),
        );
        const { cache, snapshot } = world(nodes);
        const spec = {
          topologySpreadConstraints: [
            {
              maxSkew,
              topologyKey: 'zone',
              whenUnsatisfiable: 'DoNotSchedule',
              labelSelector: { matchLabels: { app: 'a' } },
            },
          ],
        };
        for (let i = 0; i < count; i++) {
          const info = podInfo(pod(`p${i}`, { labels: { app: 'a' }, spec }));
          const decision = schedule(info, snapshot);
          if ('node' in decision) cache.assume(info, decision.node.name);
          const counts = Array.from({ length: zones }, (_, z) =>
            cache.nodes
              .filter((n) => n.node.metadata.labels?.zone === `z${z}`)
              .reduce((sum, n) => sum + n.pods.size, 0),
          );
          expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(maxSkew);
        }
      },
    ),
    { numRuns: 40 },
  );
});

test('affinity brings pods together, anti-affinity keeps them apart, also against those that run', () => {
  const term = { labelSelector: { matchLabels: { app: 'db' } }, topologyKey: 'kubernetes.io/hostname' };
  const { snapshot } = world({ a: {}, b: {} }, { db: { node: 'b', labels: { app: 'db' } } });
  expect(
    place(snapshot, {
      spec: { affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } } },
    }),
  ).toBe('b');
  expect(
    place(snapshot, {
      spec: { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } } },
    }),
  ).toBe('a');
  const loner = world(
    { a: {} },
    {
      x: {
        node: 'a',
        spec: { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } } },
      },
    },
  );
  expect(place(loner.snapshot, { labels: { app: 'db' } })).toContain(
    "1 node(s) didn't satisfy existing pods anti-affinity rules",
  );
  // The first of a group that wants to be together may go anywhere.
  expect(
    place(world({ a: {} }).snapshot, {
      labels: { app: 'db' },
      spec: { affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } } },
    }),
  ).toBe('a');
});

test('preemption takes the fewest and least important pods that make room, and none of the same priority', () => {
  const { snapshot } = world(
    { a: {}, b: {} },
    {
      a1: { node: 'a', cpu: '2', priority: 5 },
      a2: { node: 'a', cpu: '2', priority: 1 },
      b1: { node: 'b', cpu: '2', priority: 10 },
      b2: { node: 'b', cpu: '2', priority: 10 },
    },
  );
  const info = podInfo(pod('vip', { cpu: '2', priority: 10 }));
  const decision = schedule(info, snapshot);
  if (!('misfits' in decision)) throw new Error('it cannot fit');
  const found = preempt(info, snapshot, decision.misfits, []);
  if (!('node' in found)) throw new Error(found.message);
  expect([found.node, found.victims.map((v) => v.pod.metadata.name)]).toEqual(['a', ['a2']]);
  const low = podInfo(pod('low', { cpu: '2', priority: 0 }));
  expect(preempt(low, snapshot, decision.misfits, [])).toEqual({
    message: '0/2 nodes are available: 2 No preemption victims found for incoming pod.',
  });
});

test('an assumed pod counts until the API shows it, or its binding failed', () => {
  const { cache } = world({ a: {} });
  const waiting = pod('p', { cpu: '1' });
  cache.assume(podInfo(waiting), 'a');
  cache.setPod({ ...waiting, status: { phase: 'Pending' } });
  expect(cache.nodes[0]?.requested.cpu).toBe(1000);
  cache.forget(waiting.metadata.uid);
  expect(cache.nodes[0]?.requested.cpu).toBe(0);
});

test('a node that comes back has the pods that stayed on it', () => {
  const { cache } = world({ a: {} }, { p: { node: 'a', cpu: '1' }, early: { node: 'late', cpu: '2' } });
  cache.removeNode('a');
  expect(cache.nodes).toHaveLength(0);
  cache.setNode(node('a'));
  cache.setNode(node('late'));
  expect(cache.nodes.map((n) => n.requested.cpu)).toEqual([1000, 2000]);
});
