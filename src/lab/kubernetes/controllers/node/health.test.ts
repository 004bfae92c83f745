import { expect, test } from 'vitest';
import { live, type Node } from '../common/objects.ts';
import { meta, node, pod } from '../testing-objects.ts';
import { evictionTime } from './eviction.ts';
import { desiredTaints, Heartbeats, unknownConditions } from './health.ts';
import { surplusPods } from './pod-gc.ts';

const NOW = Date.parse('2026-01-01T00:10:00Z');
const with_ = (conditions: object[], spec: object = {}): Node =>
  live({ metadata: meta('n'), spec, status: { conditions } });

test('taints follow the conditions, and others’ taints stay', () => {
  const down = with_(
    [
      { type: 'Ready', status: 'Unknown' },
      { type: 'DiskPressure', status: 'True' },
    ],
    { taints: [{ key: 'mine', effect: 'NoSchedule' }], unschedulable: true },
  );
  const taints = desiredTaints(down, NOW);
  expect(taints.map((t) => `${t.key}:${t.effect}`)).toEqual([
    'mine:NoSchedule',
    'node.kubernetes.io/unreachable:NoSchedule',
    'node.kubernetes.io/disk-pressure:NoSchedule',
    'node.kubernetes.io/unschedulable:NoSchedule',
    'node.kubernetes.io/unreachable:NoExecute',
  ]);
  // Once more nothing changes, the time they were added neither.
  expect(desiredTaints({ ...down, spec: { ...down.spec, taints } }, NOW + 60_000)).toEqual(taints);
  const up = {
    ...down,
    spec: { taints },
    status: { conditions: [{ type: 'Ready', status: 'True' }] },
  } as Node;
  expect(desiredTaints(up, NOW)).toEqual([{ key: 'mine', effect: 'NoSchedule' }]);
});

test('a node that has not said anything yet keeps what it registered with', () => {
  const taints = [{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }];
  expect(desiredTaints(with_([], { taints }), NOW)).toEqual(taints);
});

test('silence is measured by our own clock, and forgiven when we slept', () => {
  const heartbeats = new Heartbeats();
  const n = node('n');
  expect(heartbeats.observe('n', '1', n, 0)).toBe(0);
  expect(heartbeats.observe('n', '1', n, 30_000)).toBe(30_000);
  expect(heartbeats.observe('n', '2', n, 35_000)).toBe(0);
  heartbeats.forgive(100_000);
  expect(heartbeats.observe('n', '2', n, 101_000)).toBe(1000);
});

test('a silent node is Unknown in all that its kubelet says, once', () => {
  const conditions =
    unknownConditions(with_([{ type: 'Ready', status: 'True', lastHeartbeatTime: 'x' }]), NOW) ?? [];
  expect(conditions.map((c) => [c.type, c.status, c.reason])).toEqual([
    ['Ready', 'Unknown', 'NodeStatusUnknown'],
    ['MemoryPressure', 'Unknown', 'NodeStatusNeverUpdated'],
    ['DiskPressure', 'Unknown', 'NodeStatusNeverUpdated'],
    ['PIDPressure', 'Unknown', 'NodeStatusNeverUpdated'],
  ]);
  expect(unknownConditions(with_(conditions), NOW)).toBeUndefined();
});

test('pods leave a NoExecute taint at once, after what they tolerate, or never', () => {
  const n = node('n', {
    spec: { taints: [{ key: 'k', effect: 'NoExecute', timeAdded: '2026-01-01T00:00:00Z' }] },
  });
  const since = Date.parse('2026-01-01T00:00:00Z');
  const at = (tolerations: object[]) =>
    evictionTime(pod('p', { node: 'n', spec: { tolerations: tolerations as never } }), n);
  expect(at([])).toBe(Number.NEGATIVE_INFINITY);
  expect(at([{ key: 'k', operator: 'Exists', tolerationSeconds: 300 }])).toBe(since + 300_000);
  expect(at([{ operator: 'Exists' }])).toBe(Number.POSITIVE_INFINITY);
  expect(at([{ operator: 'Exists' }, { key: 'k', operator: 'Exists', tolerationSeconds: 5 }])).toBe(
    since + 5000,
  );
});

test('finished pods over the threshold go, the oldest first', () => {
  const done = (name: string, creationTimestamp: string) =>
    pod(name, { phase: 'Succeeded', meta: { creationTimestamp } });
  const pods = [
    done('b', '2026-01-02T00:00:00Z'),
    done('a', '2026-01-01T00:00:00Z'),
    pod('run', { node: 'n' }),
    pod('stuck', { meta: { deletionTimestamp: 'x' } }),
  ];
  const { finished, unscheduled } = surplusPods(pods, 1);
  expect([finished.map((p) => p.metadata.name), unscheduled.map((p) => p.metadata.name)]).toEqual([
    ['a'],
    ['stuck'],
  ]);
});
