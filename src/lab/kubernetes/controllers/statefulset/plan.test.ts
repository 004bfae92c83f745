import fc from 'fast-check';
import { expect, test } from 'vitest';
import { live, type Pod, type StatefulSet } from '../common/objects.ts';
import { REVISION_HASH } from '../common/revisions.ts';
import { meta, pod } from '../testing-objects.ts';
import { ordinalOf } from './identity.ts';
import { planStateful } from './plan.ts';

const NOW = Date.parse('2026-01-01T01:00:00Z');
const set = (spec: object): StatefulSet =>
  live({
    metadata: meta('db'),
    spec: {
      replicas: 3,
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } },
      ...spec,
    },
  });
const member = (ordinal: number, ready = true, revision = 'new', more: object = {}): Pod =>
  pod(`db-${ordinal}`, { node: 'n', ready, labels: { [REVISION_HASH]: revision }, meta: more });
const REVISIONS = { current: 'old', update: 'new' };
const plan = (s: StatefulSet, pods: Pod[]) =>
  planStateful(s, pods, REVISIONS, NOW).map((step) =>
    step.do === 'create' ? `+${step.ordinal}:${step.revision}` : `-${ordinalOf(s, step.pod)}`,
  );

test('ordered: one at a time, and not before the one before is ready', () => {
  expect(plan(set({}), [])).toEqual(['+0:new']);
  expect(plan(set({}), [member(0, false)])).toEqual([]);
  expect(plan(set({}), [member(0)])).toEqual(['+1:new']);
  expect(plan(set({}), [member(0), member(2)])).toEqual(['+1:new']);
  expect(plan(set({ replicas: 1 }), [member(0), member(1), member(2)])).toEqual(['-2']);
  expect(
    plan(set({ replicas: 1 }), [member(0), member(1), member(2, true, 'new', { deletionTimestamp: 'x' })]),
  ).toEqual([]);
});

test('parallel: all at once', () => {
  const parallel = { podManagementPolicy: 'Parallel' };
  expect(plan(set(parallel), [member(1, false)])).toEqual(['+0:new', '+2:new']);
  expect(plan(set({ ...parallel, replicas: 1 }), [member(0, false), member(1), member(2)])).toEqual([
    '-2',
    '-1',
  ]);
});

test('updates go from the top, one by one, down to the partition', () => {
  const old = [0, 1, 2].map((i) => member(i, true, 'old'));
  expect(plan(set({}), old)).toEqual(['-2']);
  expect(plan(set({}), [member(0, true, 'old'), member(1, true, 'old'), member(2, true)])).toEqual(['-1']);
  expect(
    plan(set({ updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 2 } } }), [
      member(0, true, 'old'),
      member(1, true, 'old'),
      member(2),
    ]),
  ).toEqual([]);
  expect(plan(set({ updateStrategy: { type: 'OnDelete' } }), old)).toEqual([]);
  expect(
    plan(set({ updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 2 } } }), []),
  ).toEqual(['+0:old']);
});

test('a failed pod is made anew', () => {
  const failed = pod('db-0', { node: 'n', phase: 'Failed' });
  expect(planStateful(set({}), [failed], REVISIONS, NOW)).toEqual([
    { do: 'delete', pod: failed, again: true },
  ]);
});

test('from anywhere the set gets to its size and its revision, an ordered one with at most one pod out at a time', () => {
  const start = fc.array(fc.record({ there: fc.boolean(), old: fc.boolean() }), { maxLength: 6 });
  fc.assert(
    fc.property(start, fc.integer({ min: 0, max: 5 }), fc.boolean(), (begin, replicas, ordered) => {
      const s = set({ replicas, ...(!ordered && { podManagementPolicy: 'Parallel' }) });
      let pods = begin.flatMap(({ there, old }, i) => (there ? [member(i, true, old ? 'old' : 'new')] : []));
      for (let round = 0; ; round++) {
        expect(round).toBeLessThan(60);
        const steps = planStateful(s, pods, REVISIONS, NOW);
        if (ordered) expect(steps.length).toBeLessThanOrEqual(1);
        if (!steps.length) break;
        for (const step of steps) {
          if (step.do === 'create') pods = [...pods, member(step.ordinal, true, step.revision)];
          else pods = pods.filter((p) => p !== step.pod);
        }
      }
      expect(pods.map((p) => `${ordinalOf(s, p)}${p.metadata.labels?.[REVISION_HASH]}`).sort()).toEqual(
        Array.from({ length: replicas }, (_, i) => `${i}new`),
      );
    }),
  );
});
