import { describe, expect, test } from 'vitest';
import type { Container, PodStatus } from '../model.ts';
import { exited, HEALTHY, SANDBOX, testContainer, testPod, testRuntime } from '../testing-pods.ts';
import { type PodStatusInputs, podStatus } from './pod-status.ts';
import { statusPatch } from './status-writer.ts';

const c: Container = { name: 'c', image: 'i:1' };
const NOW = Date.parse('2026-01-01T00:00:10Z');

function statusOf(pod = testPod(), more: Partial<PodStatusInputs> = {}): PodStatus {
  return podStatus(pod, {
    runtime: testRuntime([]),
    waiting: new Map(),
    probes: HEALTHY,
    nodeIps: ['10.0.0.4'],
    ending: false,
    now: NOW,
    ...more,
  });
}
const condition = (status: PodStatus, type: string) => status.conditions?.find((each) => each.type === type);

describe('a pod', () => {
  test('that has just come is pending, with everything that kubectl shows', () => {
    expect(statusOf(testPod(), { runtime: testRuntime([], []) })).toEqual({
      phase: 'Pending',
      conditions: [
        { type: 'PodReadyToStartContainers', status: 'False' },
        { type: 'Initialized', status: 'True' },
        {
          type: 'Ready',
          status: 'False',
          reason: 'ContainersNotReady',
          message: 'containers with unready status: [c]',
        },
        {
          type: 'ContainersReady',
          status: 'False',
          reason: 'ContainersNotReady',
          message: 'containers with unready status: [c]',
        },
        { type: 'PodScheduled', status: 'True' },
      ].map((each) => ({ ...each, lastTransitionTime: '2026-01-01T00:00:10Z' })),
      hostIP: '10.0.0.4',
      hostIPs: [{ ip: '10.0.0.4' }],
      startTime: '2026-01-01T00:00:10Z',
      containerStatuses: [
        {
          name: 'c',
          image: 'i:1',
          imageID: '',
          ready: false,
          started: false,
          restartCount: 0,
          state: { waiting: { reason: 'ContainerCreating' } },
          lastState: {},
        },
      ],
      qosClass: 'BestEffort',
    });
  });

  test('that runs is ready when its probes say so, and keeps the time of that', () => {
    const runtime = testRuntime([testContainer(c)]);
    const unready = statusOf(testPod(), { runtime, probes: { ...HEALTHY, ready: () => false } });
    expect([unready.phase, condition(unready, 'Ready')?.status, unready.podIP]).toEqual([
      'Running',
      'False',
      '10.1.0.2',
    ]);
    const ready = statusOf(testPod(), { runtime });
    expect(ready.containerStatuses?.[0]).toMatchObject({
      ready: true,
      started: true,
      state: { running: { startedAt: '1970-01-01T00:00:01Z' } },
    });
    const later = statusOf(testPod({}, { status: ready }), { runtime, now: NOW + 60_000 });
    expect(condition(later, 'Ready')?.lastTransitionTime).toBe('2026-01-01T00:00:10Z');
  });

  test('in a crash loop runs, waits and shows its last end', () => {
    const runtime = testRuntime([testContainer(c, exited(7, { restartCount: 3, message: 'sorry' }))]);
    const waiting = new Map([['c', { reason: 'CrashLoopBackOff', message: 'back-off' }]]);
    const status = statusOf(testPod(), { runtime, waiting });
    expect(status.phase).toBe('Running');
    expect(status.containerStatuses?.[0]).toMatchObject({
      restartCount: 3,
      state: { waiting: { reason: 'CrashLoopBackOff', message: 'back-off' } },
      lastState: { terminated: { exitCode: 7, reason: 'Error', message: 'sorry' } },
    });
  });

  test.each([
    ['Never', 0, 'Succeeded'],
    ['Never', 1, 'Failed'],
    ['OnFailure', 0, 'Succeeded'],
    ['OnFailure', 1, 'Running'],
    ['Always', 0, 'Running'],
  ] as const)('with policy %s whose container ended with %i is %s %s', (restartPolicy, exitCode, phase) => {
    const runtime = testRuntime([testContainer(c, exited(exitCode))]);
    expect(statusOf(testPod({ restartPolicy }), { runtime }).phase).toBe(phase);
  });

  test('that is over stays so, when its containers are gone too', () => {
    const pod = testPod({ restartPolicy: 'Never' });
    const over = statusOf(pod, { runtime: testRuntime([testContainer(c, exited(0))]) });
    const after = statusOf(testPod({ restartPolicy: 'Never' }, { status: over }), {
      runtime: testRuntime([], []),
      ending: true,
    });
    expect([after.phase, after.containerStatuses?.[0]?.state, after.podIP]).toEqual([
      'Succeeded',
      over.containerStatuses?.[0]?.state,
      '10.1.0.2',
    ]);
    expect(condition(after, 'Ready')?.reason).toBe('PodCompleted');
  });

  test('that was deleted while it ran well has succeeded in the end', () => {
    const deleted = testPod({}, { metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } });
    expect(statusOf(deleted, { runtime: testRuntime([testContainer(c)]), ending: true }).phase).toBe(
      'Running',
    );
    expect(
      statusOf(deleted, { runtime: testRuntime([testContainer(c, exited(0))]), ending: true }).phase,
    ).toBe('Succeeded');
    expect(
      statusOf(deleted, { runtime: testRuntime([testContainer(c, exited(137))]), ending: true }).phase,
    ).toBe('Failed');
  });

  test('with init containers says which are missing', () => {
    const pod = testPod({
      initContainers: [
        { name: 'one', image: 'i' },
        { name: 'two', image: 'i' },
      ],
    });
    const runtime = testRuntime([testContainer({ name: 'one', image: 'i' }, exited(0))]);
    const status = statusOf(pod, { runtime });
    expect(status.phase).toBe('Pending');
    expect(condition(status, 'Initialized')).toMatchObject({
      status: 'False',
      message: 'containers with incomplete status: [two]',
    });
    expect(status.containerStatuses?.[0]?.state).toEqual({ waiting: { reason: 'PodInitializing' } });
    expect(status.initContainerStatuses?.map((each) => each.ready)).toEqual([true, false]);
  });

  test('that the node refused has failed with the reason', () => {
    const verdict = { reason: 'OutOfpods', message: 'no' };
    expect(statusOf(testPod(), { verdict, ending: true })).toMatchObject({ phase: 'Failed', ...verdict });
  });

  test('waits for its readiness gates', () => {
    const gates = { readinessGates: [{ conditionType: 'x/y' }] };
    const runtime = testRuntime([testContainer(c)]);
    expect(condition(statusOf(testPod(gates), { runtime }), 'Ready')).toMatchObject({
      status: 'False',
      reason: 'ReadinessGatesNotReady',
    });
    const status = { conditions: [{ type: 'x/y', status: 'True' }] };
    expect(condition(statusOf(testPod(gates, { status }), { runtime }), 'Ready')?.status).toBe('True');
  });

  test('in a new sandbox counts on, also when the old container is gone', () => {
    const old = {
      containerStatuses: [
        {
          name: 'c',
          image: 'i',
          imageID: '',
          ready: true,
          restartCount: 4,
          containerID: 'containerd://x',
          state: { running: {} },
        },
      ],
    };
    const status = statusOf(testPod({}, { status: old }), { runtime: testRuntime([], [SANDBOX]) });
    expect(status.containerStatuses?.[0]).toMatchObject({ restartCount: 4, state: { waiting: {} } });
  });
});

test('a patch holds what changed, replaces addresses and takes back what is gone', () => {
  const before: PodStatus = {
    phase: 'Failed',
    reason: 'Evicted',
    podIPs: [{ ip: '1.1.1.1' }],
    hostIP: '2.2.2.2',
  };
  expect(statusPatch(before, { phase: 'Running', podIPs: [{ ip: '3.3.3.3' }], hostIP: '2.2.2.2' })).toEqual({
    phase: 'Running',
    podIPs: [{ $patch: 'replace' }, { ip: '3.3.3.3' }],
    reason: null,
  });
  expect(statusPatch(before, before)).toEqual({});
});
