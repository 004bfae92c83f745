import { describe, expect, test } from 'vitest';
import type { Container } from './model.ts';
import { planPod } from './plan.ts';
import { exited, HEALTHY, SANDBOX, testContainer, testPod, testRuntime } from './testing-pods.ts';

const c: Container = { name: 'c', image: 'i:1' };
const d: Container = { name: 'd', image: 'i:1' };
const init: Container = { name: 'init', image: 'i:1' };
const side: Container = { name: 'side', image: 'i:1', restartPolicy: 'Always' };
const names = (containers: readonly Container[]) => containers.map((each) => each.name);

describe('a sandbox', () => {
  test('comes first, and again when it died or has no address', () => {
    const pod = testPod();
    expect(planPod(pod, testRuntime([], []), HEALTHY)).toMatchObject({
      killPod: false,
      createSandbox: { attempt: 0 },
      start: [],
    });
    for (const broken of [{ ready: false }, { addresses: [] }]) {
      const runtime = testRuntime([testContainer(c)], [{ ...SANDBOX, attempt: 2, ...broken }]);
      expect(planPod(pod, runtime, HEALTHY)).toMatchObject({ killPod: true, createSandbox: { attempt: 3 } });
    }
    const host = testPod({ hostNetwork: true });
    expect(
      planPod(host, testRuntime([testContainer(c)], [{ ...SANDBOX, addresses: [] }]), HEALTHY),
    ).toMatchObject({ killPod: false, sandboxId: 's0', start: [] });
  });

  test('is not made again for what is over', () => {
    const dead = [{ ...SANDBOX, ready: false }];
    const never = testPod({ restartPolicy: 'Never' });
    expect(
      planPod(never, testRuntime([testContainer(c, exited(1))], dead), HEALTHY).createSandbox,
    ).toBeUndefined();
    const onFailure = testPod({ restartPolicy: 'OnFailure' });
    expect(
      planPod(onFailure, testRuntime([testContainer(c, exited(0))], dead), HEALTHY).createSandbox,
    ).toBeUndefined();
    expect(
      planPod(onFailure, testRuntime([testContainer(c, exited(1))], dead), HEALTHY).createSandbox,
    ).toEqual({ attempt: 1 });
  });
});

describe('containers', () => {
  test.each([
    ['Always', 0, ['c']],
    ['Always', 1, ['c']],
    ['OnFailure', 0, []],
    ['OnFailure', 1, ['c']],
    ['Never', 1, []],
  ] as const)('that ended, with policy %s and status %i', (restartPolicy, exitCode, expected) => {
    const pod = testPod({ restartPolicy, containers: [c, d] });
    const runtime = testRuntime([testContainer(d), testContainer(c, exited(exitCode))]);
    const plan = planPod(pod, runtime, HEALTHY);
    expect([plan.killPod, names(plan.start)]).toEqual([false, expected]);
  });

  test('are killed when their image changes or a probe fails', () => {
    const running = testContainer(c);
    const changed = testPod({ containers: [{ ...c, image: 'i:2' }] });
    expect(planPod(changed, testRuntime([running]), HEALTHY).kill[0]?.message).toBe(
      'Container c definition changed, will be restarted',
    );
    const probes = { ...HEALTHY, failure: () => 'liveness' as const };
    expect(planPod(testPod(), testRuntime([running]), probes).kill[0]?.message).toBe(
      'Container c failed liveness probe, will be restarted',
    );
  });

  test('of a deleted pod are not started', () => {
    const pod = testPod({}, { metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } });
    expect(planPod(pod, testRuntime([]), HEALTHY).start).toEqual([]);
  });
});

describe('init containers', () => {
  const pod = testPod({ initContainers: [init, side], containers: [c] });

  test('run one after another, sidecars stay', () => {
    expect(names(planPod(pod, testRuntime([]), HEALTHY).start)).toEqual(['init']);
    const running = testContainer(init);
    expect(planPod(pod, testRuntime([running]), HEALTHY).start).toEqual([]);
    const done = testContainer(init, exited(0));
    expect(names(planPod(pod, testRuntime([done]), HEALTHY).start)).toEqual(['side']);
    const sidecar = testContainer(side);
    const starting = { ...HEALTHY, started: () => false };
    expect(planPod(pod, testRuntime([sidecar, done]), starting).start).toEqual([]);
    expect(names(planPod(pod, testRuntime([sidecar, done]), HEALTHY).start)).toEqual(['c']);
  });

  test('are over once a container has begun, but a sidecar comes back', () => {
    const runtime = testRuntime([testContainer(c), testContainer(side, exited(1))]);
    expect(names(planPod(pod, runtime, HEALTHY).start)).toEqual(['side']);
  });

  test('run again in a new sandbox', () => {
    const old = testContainer(init, exited(0, { sandboxId: 'old' }));
    expect(names(planPod(pod, testRuntime([old]), HEALTHY).start)).toEqual(['init']);
  });

  test('that fail for good end the pod; otherwise they are tried again', () => {
    const runtime = testRuntime([testContainer(init, exited(2))]);
    expect(
      planPod(testPod({ restartPolicy: 'Never', initContainers: [init] }), runtime, HEALTHY),
    ).toMatchObject({ killPod: true });
    expect(names(planPod(testPod({ initContainers: [init] }), runtime, HEALTHY).start)).toEqual(['init']);
  });
});

test('sidecars end with the last container', () => {
  const pod = testPod({ restartPolicy: 'Never', initContainers: [side] });
  const runtime = testRuntime([testContainer(c, exited(0)), testContainer(side)]);
  expect(planPod(pod, runtime, HEALTHY)).toMatchObject({ killPod: true, start: [] });
});
