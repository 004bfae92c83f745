import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type DaemonSet, live, type Pod } from '../common/objects.ts';
import { REVISION_HASH } from '../common/revisions.ts';
import { meta, node, pod } from '../testing-objects.ts';
import { daemonPod, daemonSetStatus, placement, planDaemons, planUpdate, targetNode } from './plan.ts';

const NOW = Date.parse('2026-01-01T01:00:00Z');
const set = (more: object = {}, spec: object = {}): DaemonSet =>
  live({
    metadata: meta('ds'),
    spec: { template: { metadata: { labels: { app: 'ds' } }, spec: { containers: [], ...spec } }, ...more },
  });
const daemon = (on: string, hash: string, ready: boolean): Pod =>
  pod(`ds-${on}-${hash}`, { node: on, ready, labels: { [REVISION_HASH]: hash } });

test('a pod is pinned to its node, also before it is there', () => {
  const made = live<Pod>({ ...daemonPod(set(), 'n1', 'h'), metadata: meta('p') });
  expect(targetNode(made)).toBe('n1');
  expect(made.spec.tolerations?.map((t) => t.key)).toContain('node.kubernetes.io/not-ready');
});

test('cordoned and silent nodes keep their pods; a taint that is not tolerated sends them away', () => {
  const tainted = (key: string, effect: string) => node('n', { spec: { taints: [{ key, effect }] } });
  expect(placement(set(), tainted('node.kubernetes.io/unschedulable', 'NoSchedule'))).toEqual({
    run: true,
    stay: true,
  });
  expect(placement(set(), tainted('node.kubernetes.io/unreachable', 'NoExecute'))).toEqual({
    run: true,
    stay: true,
  });
  expect(placement(set(), tainted('gpu', 'NoSchedule'))).toEqual({ run: false, stay: true });
  expect(placement(set(), tainted('gpu', 'NoExecute'))).toEqual({ run: false, stay: false });
  expect(placement(set({}, { nodeSelector: { a: 'b' } }), node('n'))).toEqual({ run: false, stay: false });
});

test('an update reaches every node, with at most maxUnavailable (or maxSurge) of them out of the ordinary', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 1, max: 4 }),
      fc.boolean(),
      fc.infiniteStream(fc.boolean()),
      (count, most, surge, luck) => {
        const rollingUpdate = surge ? { maxSurge: most, maxUnavailable: 0 } : { maxUnavailable: most };
        const ds = set({ updateStrategy: { type: 'RollingUpdate', rollingUpdate } });
        const nodes = Array.from({ length: count }, (_, i) => node(`n${i}`));
        let pods = nodes.map((n) => daemon(n.metadata.name, 'old', true));
        for (let round = 0; ; round++) {
          expect(round).toBeLessThan(500);
          const plan = planDaemons(ds, nodes, pods, 'new');
          const quiet = !plan.create.length && !plan.delete.length;
          const update = quiet ? planUpdate(ds, nodes, pods, 'new', NOW) : plan;
          pods = pods.filter((p) => !update.delete.includes(p));
          pods.push(...update.create.map((name) => daemon(name, 'new', false)));
          const working = nodes.filter((n) =>
            pods.some(
              (p) => p.spec.nodeName === n.metadata.name && p.status.conditions?.[0]?.status === 'True',
            ),
          );
          expect(working.length).toBeGreaterThanOrEqual(surge ? count : count - most);
          expect(pods.length).toBeLessThanOrEqual(count + (surge ? most : 0));
          pods = pods.map((p) => {
            if (p.status.conditions?.[0]?.status === 'True' || !luck.next().value) return p;
            return daemon(p.spec.nodeName as string, 'new', true);
          });
          const status = daemonSetStatus(ds, nodes, pods, 'new', NOW);
          if (
            status.updatedNumberScheduled === count &&
            status.numberAvailable === count &&
            pods.length === count
          )
            break;
        }
      },
    ),
    { numRuns: 100 },
  );
});
