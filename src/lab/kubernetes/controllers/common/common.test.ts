import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FailurePauses } from '../daemonset/failure-pauses.ts';
import { planReplicas } from '../replicaset/plan.ts';
import { deletionOrder } from '../replicaset/ranking.ts';
import { meta, pod } from '../testing-objects.ts';
import { slowStart } from './batch.ts';
import { EXPECTATION_TIMEOUT, Expectations } from './expectations.ts';
import { canonical, templateHash } from './hash.ts';
import { mergePatch } from './merge-patch.ts';
import { live, type ReplicaSet } from './objects.ts';
import { claim } from './owners.ts';
import { scaled, units } from './quantity.ts';

/** RFC 7386. */
function applyMerge(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const result: Record<string, unknown> =
    typeof target === 'object' && target !== null && !Array.isArray(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = applyMerge(result[key], value);
  }
  return result;
}

test('a merge patch makes the one of the other, and is none when they are the same', () => {
  const leaf = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.array(fc.integer(), { maxLength: 3 }));
  const { object } = fc.letrec((tie) => ({
    object: fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.oneof({ maxDepth: 3 }, leaf, tie('object'))),
  }));
  fc.assert(
    fc.property(object, object, (a, b) => {
      const patch = mergePatch(a as object, b as object);
      expect(canonical(patch ? applyMerge(a, patch) : a)).toBe(canonical(b));
      expect(mergePatch(b as object, b as object)).toBeUndefined();
    }),
  );
});

test('while something asked for is not seen, nothing more is asked for', () => {
  let now = 0;
  const expectations = new Expectations(() => now);
  expectations.expectCreations('k', 2);
  expectations.expectDeletions('k', ['x']);
  expectations.creationObserved('k');
  expect(expectations.satisfied('k')).toBe(false);
  expectations.creationObserved('k');
  expectations.deletionObserved('k', 'y');
  expect(expectations.satisfied('k')).toBe(false);
  expectations.deletionObserved('k', 'x');
  expect(expectations.satisfied('k')).toBe(true);
  expectations.expectCreations('k', 1);
  now = EXPECTATION_TIMEOUT + 1;
  expect(expectations.satisfied('k')).toBe(true);
});

test('names and hashes: equal templates, equal letters, none of them vowels', () => {
  expect(templateHash({ a: 1, b: [2] })).toBe(templateHash({ b: [2], a: 1 }));
  expect(templateHash({ a: 1 })).not.toBe(templateHash({ a: 2 }));
  expect(templateHash({ a: 1 }, 1)).not.toBe(templateHash({ a: 1 }));
  expect(templateHash({ a: 1 })).toMatch(/^[bcdfghjklmnpqrstvwxz2456789]{6,10}$/);
});

test('what is refused once is not tried a thousand times', async () => {
  let tries = 0;
  const { succeeded, error } = await slowStart(1000, async () => {
    tries++;
    if (tries > 3) throw new Error('quota');
  });
  expect([succeeded, tries, (error as Error).message]).toEqual([3, 7, 'quota']);
});

test('claims: ours by reference and selector, orphans that fit, never what is somebody else’s', () => {
  const owner = { metadata: meta('rs') } as ReplicaSet;
  const ref = (uid: string) => ({
    ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'rs', uid, controller: true }],
  });
  const labels = { app: 'a' };
  const mine = pod('mine', { labels, meta: ref(owner.metadata.uid) });
  const lost = pod('lost', { labels: { app: 'b' }, meta: ref(owner.metadata.uid) });
  const orphan = pod('orphan', { labels });
  const leaving = pod('leaving', { labels, meta: { deletionTimestamp: 'x' } });
  const theirs = pod('theirs', { labels, meta: ref('other') });
  const all = [mine, lost, orphan, leaving, theirs];
  expect(claim(owner, { matchLabels: labels }, all)).toEqual({
    owned: [mine, orphan],
    adopt: [orphan],
    release: [lost],
  });
  const dying = { metadata: { ...owner.metadata, deletionTimestamp: 'x' } };
  expect(claim(dying, { matchLabels: labels }, all)).toEqual({ owned: [mine], adopt: [], release: [] });
});

test('who goes first: never scheduled, not ready, cheap, crowded, young', () => {
  const now = Date.parse('2026-01-02T00:00:00Z');
  const pods = [
    pod('old', { node: 'a', ready: true }),
    pod('crowded', { node: 'b', ready: true }),
    pod('cheap', {
      node: 'a',
      ready: true,
      meta: { annotations: { 'controller.kubernetes.io/pod-deletion-cost': '-5' } },
    }),
    pod('sick', { node: 'a', ready: false }),
    pod('waiting'),
  ];
  const related = [...pods, pod('x', { node: 'b' }), pod('y', { node: 'b' }), pod('z', { node: 'b' })];
  expect(deletionOrder(pods, related, now).map((p) => p.metadata.name)).toEqual([
    'waiting',
    'sick',
    'cheap',
    'crowded',
    'old',
  ]);
});

test('a ReplicaSet asks for exactly the difference', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 20 }),
      fc.integer({ min: 0, max: 20 }),
      fc.integer({ min: 0, max: 5 }),
      (replicas, running, done) => {
        const rs = live<ReplicaSet>({ metadata: meta('rs'), spec: { replicas } });
        const pods = [
          ...Array.from({ length: running }, (_, i) => pod(`p${i}`, { node: 'n' })),
          ...Array.from({ length: done }, (_, i) => pod(`d${i}`, { phase: 'Failed' })),
        ];
        const plan = planReplicas(rs, pods, pods, 0);
        const after = 'create' in plan ? running + plan.create : running - plan.delete.length;
        expect(after).toBe(replicas);
      },
    ),
  );
});

test('quantities and shares', () => {
  expect([
    units('cpu', '100m'),
    units('cpu', '1.5'),
    units('cpu', '1u'),
    units('memory', '1Gi'),
    units('memory', '1e3'),
  ]).toEqual([100, 1500, 1, 2 ** 30, 1000]);
  expect([
    scaled('25%', 10, 'up'),
    scaled('25%', 10, 'down'),
    scaled(3, 10, 'up'),
    scaled(undefined, 10, 'up'),
  ]).toEqual([3, 2, 3, 0]);
});

test('a daemon that fails is replaced at once, then later and later', () => {
  const pauses = new FailurePauses();
  expect([0, 500, 1000, 2500, 3000].map((now) => pauses.due('k', now))).toEqual([
    true,
    false,
    true,
    false,
    true,
  ]);
});
