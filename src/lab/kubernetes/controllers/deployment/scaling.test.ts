import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Deployment, live, type ReplicaSet } from '../common/objects.ts';
import { meta } from '../testing-objects.ts';
import { sizeAnnotations } from './annotations.ts';
import { limitsOf } from './limits.ts';
import { resize, rollingStep, sizeOf, sumSizes, wasResized } from './scaling.ts';

function deployment(
  replicas: number,
  maxSurge: number | string,
  maxUnavailable: number | string,
): Deployment {
  return live({
    metadata: meta('web'),
    spec: { replicas, strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } } },
  });
}

let serial = 0;
function set(size: number, available: number, d: Deployment): ReplicaSet {
  return live({
    metadata: meta(`rs-${serial++}`, { annotations: sizeAnnotations(d) }),
    spec: { replicas: size },
    status: { replicas: size, availableReplicas: available },
  });
}

const limit = fc.oneof(
  fc.integer({ min: 0, max: 10 }),
  fc.integer({ min: 0, max: 100 }).map((n) => `${n}%`),
);
const available = (sets: ReplicaSet[]): number =>
  sets.reduce((sum, rs) => sum + (rs.status.availableReplicas ?? 0), 0);

test('a rolling update ends, never above the surge and never below what must be available', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 30 }),
      limit,
      limit,
      fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 3 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 5 })),
      (replicas, maxSurge, maxUnavailable, olds, progress) => {
        const d = deployment(replicas, maxSurge, maxUnavailable);
        const { surge, unavailable } = limitsOf(d);
        // Old ReplicaSets that together have the wanted size, all of it available.
        const old: ReplicaSet[] = [];
        let left = replicas;
        for (const [i, n] of olds.entries()) {
          const size = i === olds.length - 1 ? left : Math.min(n, left);
          left -= size;
          old.push(set(size, size, d));
        }
        const current = set(0, 0, d);
        const all = [...old, current];
        for (let round = 0; ; round++) {
          expect(round).toBeLessThan(500);
          const steps = rollingStep(d, current, old);
          for (const { set: rs, to } of steps) {
            rs.spec.replicas = to;
            if ((rs.status.availableReplicas ?? 0) > to) rs.status.availableReplicas = to;
          }
          expect(sumSizes(all)).toBeLessThanOrEqual(replicas + surge);
          expect(available(all)).toBeGreaterThanOrEqual(replicas - unavailable);
          // Some of the new pods become available.
          const more = Math.min(
            sizeOf(current),
            (current.status.availableReplicas ?? 0) + (progress.next().value ?? 1),
          );
          const changed = more !== current.status.availableReplicas;
          current.status.availableReplicas = more;
          if (!steps.length && !changed) break;
        }
        expect([sizeOf(current), sumSizes(old)]).toEqual([replicas, 0]);
      },
    ),
    { numRuns: 200 },
  );
});

test('a change of size in the middle of a rollout keeps the proportions and meets the size', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 0, max: 5 }),
      fc.integer({ min: 0, max: 40 }),
      (a, b, maxSurge, next) => {
        const before = deployment(a + b, maxSurge, 1);
        const old = set(a, a, before);
        const current = set(b, 0, before);
        const d = deployment(next, maxSurge, 1);
        if (next === a + b) return;
        expect(wasResized(d, [old, current])).toBe(true);
        for (const { set: rs, to } of resize(d, current, [old])) {
          expect(to).toBeGreaterThanOrEqual(0);
          rs.spec.replicas = to;
          rs.metadata.annotations = sizeAnnotations(d);
        }
        expect(sizeOf(old) + sizeOf(current)).toBe(next > 0 ? next + limitsOf(d).surge : 0);
        expect(wasResized(d, [old, current])).toBe(false);
      },
    ),
  );
});

test('old pods that do not work go first', () => {
  const d = deployment(4, 0, 2);
  const broken = set(2, 0, d);
  const fine = set(2, 2, d);
  const steps = rollingStep(d, set(0, 0, d), [fine, broken]);
  expect(steps.map(({ set: rs, to }) => [rs === broken, to])).toEqual([[true, 0]]);
});
