import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Job, live, type Pod } from '../common/objects.ts';
import { meta, pod } from '../testing-objects.ts';
import { formatIndexes, INDEX, parseIndexes } from './indexes.ts';
import { planJob, TRACKING, tally, verdict } from './plan.ts';

const NOW = Date.parse('2026-01-01T01:00:00Z');
const job = (spec: object, status: object = {}): Job =>
  live({ metadata: meta('job'), spec: { parallelism: 1, template: { spec: {} }, ...spec }, status });

test('indexes keep their meaning through their text', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: 0, max: 300 })), (list) => {
      expect([...parseIndexes(formatIndexes(list))].sort((a, b) => a - b)).toEqual(
        [...list].sort((a, b) => a - b),
      );
    }),
  );
  expect(formatIndexes([0, 1, 2, 5, 7, 8])).toBe('0-2,5,7,8');
});

test('every pod is counted once, however often we are interrupted between status and finalizer', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 12 }), fc.infiniteStream(fc.boolean()), (ends, crash) => {
      const status: Record<string, unknown> = {};
      const pods: Pod[] = ends.map((good, i) => {
        const p = pod(`p${i}`, {
          node: 'n',
          phase: good ? 'Succeeded' : 'Failed',
          meta: { finalizers: [TRACKING] },
        });
        return p;
      });
      let there = [...pods];
      for (let round = 0; round < 60; round++) {
        const counted = tally(job({ completions: 99 }, { ...status }), there, false);
        if (crash.next().value) continue;
        Object.assign(status, {
          succeeded: counted.succeeded,
          failed: counted.failed,
          uncountedTerminatedPods: counted.uncounted,
        });
        for (const p of counted.free) {
          if (crash.next().value) break;
          delete p.metadata.finalizers;
          // Without its finalizer a pod may be gone at any time.
          if (crash.next().value) there = there.filter((other) => other !== p);
        }
      }
      const end = tally(job({ completions: 99 }, { ...status }), there, false);
      const total = (kind: 'succeeded' | 'failed'): number => end[kind] + end.uncounted[kind].length;
      expect([total('succeeded'), total('failed')]).toEqual([
        ends.filter(Boolean).length,
        ends.filter((e) => !e).length,
      ]);
    }),
    { numRuns: 100 },
  );
});

test('no more pods run than parallelism and what is left to do allow', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 8 }),
      fc.integer({ min: 0, max: 12 }),
      fc.integer({ min: 0, max: 12 }),
      fc.integer({ min: 0, max: 10 }),
      (parallelism, completions, succeeded, running) => {
        const pods = Array.from({ length: running }, (_, i) => pod(`p${i}`, { node: 'n' }));
        const j = job({ parallelism, completions }, { succeeded: Math.min(succeeded, completions) });
        const plan = planJob(j, tally(j, pods, false), pods, NOW);
        const after = running + plan.create.length - plan.delete.length;
        expect(after).toBe(Math.min(parallelism, completions - Math.min(succeeded, completions)));
        expect(plan.create.length === 0 || plan.delete.length === 0).toBe(true);
      },
    ),
  );
});

test('an index has one pod at a time, and none when it is done', () => {
  const indexed = (i: number) => pod(`p${i}`, { node: 'n', meta: { annotations: { [INDEX]: String(i) } } });
  const j = job({ parallelism: 3, completions: 5, completionMode: 'Indexed' }, { completedIndexes: '0,3' });
  const pods = [indexed(1)];
  expect(planJob(j, tally(j, pods, false), pods, NOW)).toEqual({ create: [2, 4], delete: [] });
  const twice = [...pods, indexed(1), indexed(3)];
  expect(planJob(j, tally(j, twice, false), twice, NOW).delete).toEqual(twice.slice(1));
});

test('failures end the Job beyond the limit, and make pauses before it', () => {
  const failed = (i: number, finishedAt: string) => {
    const p = pod(`f${i}`, { node: 'n', phase: 'Failed' });
    p.status.containerStatuses = [
      {
        name: 'c',
        image: '',
        imageID: '',
        ready: false,
        restartCount: 0,
        state: { terminated: { exitCode: 1, finishedAt } },
      },
    ];
    return p;
  };
  const pods = [failed(1, '2026-01-01T00:59:50Z'), failed(2, '2026-01-01T00:59:55Z')];
  const j = job({ completions: 1, backoffLimit: 2 }, { failed: 2 });
  const counted = tally(j, pods, false);
  expect(verdict(j, counted, pods, NOW)).toEqual({});
  expect(planJob(j, counted, pods, NOW)).toEqual({ create: [], delete: [], wait: 15_000 });
  expect(planJob(j, counted, pods, NOW + 15_000).create).toHaveLength(1);
  const over = job({ completions: 1, backoffLimit: 1 }, { failed: 2 });
  expect(verdict(over, tally(over, pods, false), pods, NOW).condition?.reason).toBe('BackoffLimitExceeded');
  const late = job({ completions: 1, activeDeadlineSeconds: 10 }, { startTime: '2026-01-01T00:59:00Z' });
  expect(verdict(late, tally(late, [], false), [], NOW).condition?.reason).toBe('DeadlineExceeded');
});
