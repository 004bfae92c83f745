import { describe, expect, test } from 'vitest';
import type { KindInfo } from '../schema/types.ts';
import { tableOf } from './index.ts';
import { ago, NOW, registry, show, type Table } from './testing.ts';

describe('pods', () => {
  const running = { name: 'c', ready: true, restartCount: 0, state: { running: {} } };
  const spec = { containers: [{ name: 'c' }], nodeName: 'n1' };
  const twoInit = { ...spec, initContainers: [{ name: 'i' }, { name: 'j' }] };
  const status = (one: object, more: object = {}) => ({
    phase: 'Running',
    containerStatuses: [{ ...running, ...one }],
    ...more,
  });
  const init = (...states: object[]) => ({
    phase: 'Pending',
    initContainerStatuses: states.map((state, index) => ({ name: 'ij'[index], state, restartCount: 0 })),
  });

  test.each<[string, object, object]>([
    [
      'running',
      { spec, status: status({}, { podIPs: [{ ip: '10.0.0.1' }] }) },
      { Ready: '1/1', Status: 'Running', Restarts: '0', Age: '5m', IP: '10.0.0.1', Node: 'n1' },
    ],
    [
      'pending',
      { spec: { containers: [{ name: 'c' }] }, status: { phase: 'Pending' } },
      { Ready: '0/1', Status: 'Pending', Node: '<none>', IP: '<none>' },
    ],
    [
      'waiting',
      { spec, status: status({ ready: false, state: { waiting: { reason: 'ImagePullBackOff' } } }) },
      { Ready: '0/1', Status: 'ImagePullBackOff' },
    ],
    [
      'crashed',
      {
        spec,
        status: status({
          ready: false,
          restartCount: 3,
          state: { waiting: { reason: 'CrashLoopBackOff' } },
          lastState: { terminated: { finishedAt: ago(10) } },
        }),
      },
      { Status: 'CrashLoopBackOff', Restarts: '3 (10s ago)' },
    ],
    [
      'signal',
      { spec, status: status({ ready: false, state: { terminated: { signal: 9, exitCode: 137 } } }) },
      { Status: 'Signal:9' },
    ],
    [
      'exit',
      { spec, status: status({ ready: false, state: { terminated: { exitCode: 2 } } }) },
      { Status: 'ExitCode:2' },
    ],
    [
      'completed',
      {
        spec,
        status: status(
          { ready: false, state: { terminated: { reason: 'Completed', exitCode: 0 } } },
          { phase: 'Succeeded' },
        ),
      },
      { Ready: '0/1', Status: 'Completed' },
    ],
    [
      'init 0/2',
      { spec: twoInit, status: init({ running: {} }, { waiting: { reason: 'PodInitializing' } }) },
      { Status: 'Init:0/2' },
    ],
    [
      'init 1/2',
      { spec: twoInit, status: init({ terminated: { exitCode: 0 } }, { running: {} }) },
      { Status: 'Init:1/2' },
    ],
    [
      'init failed',
      { spec: twoInit, status: init({ terminated: { exitCode: 1, reason: 'Error' } }) },
      { Status: 'Init:Error' },
    ],
    [
      'init crashing',
      { spec: twoInit, status: init({ waiting: { reason: 'CrashLoopBackOff' } }) },
      { Status: 'Init:CrashLoopBackOff' },
    ],
    [
      'initializing',
      {
        spec: twoInit,
        status: {
          ...init({ terminated: { exitCode: 0 } }, { terminated: { exitCode: 0 } }),
          containerStatuses: [
            { ...running, ready: false, state: { waiting: { reason: 'PodInitializing' } } },
          ],
        },
      },
      { Status: 'PodInitializing' },
    ],
    [
      'a sidecar counts',
      {
        spec: { ...spec, initContainers: [{ name: 'i', restartPolicy: 'Always' }] },
        status: {
          ...status({}),
          initContainerStatuses: [
            { name: 'i', started: true, ready: true, restartCount: 2, state: { running: {} } },
          ],
        },
      },
      { Ready: '2/2', Status: 'Running', Restarts: '2' },
    ],
    [
      'terminating',
      { metadata: { deletionTimestamp: ago(1) }, spec, status: status({}) },
      { Status: 'Terminating' },
    ],
    [
      'deleted when done',
      { metadata: { deletionTimestamp: ago(1) }, spec, status: { phase: 'Succeeded' } },
      { Status: 'Succeeded' },
    ],
    ['evicted', { spec, status: { phase: 'Failed', reason: 'Evicted' } }, { Status: 'Evicted' }],
    [
      'gated',
      {
        spec,
        status: {
          phase: 'Pending',
          conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }],
        },
      },
      { Status: 'SchedulingGated' },
    ],
    [
      'readiness gates',
      {
        spec: { ...spec, readinessGates: [{ conditionType: 'a' }, { conditionType: 'b' }] },
        status: status({}, { conditions: [{ type: 'a', status: 'True' }] }),
      },
      { 'Readiness Gates': '1/2', 'Nominated Node': '<none>' },
    ],
  ])('%s', (_, object, expected) => expect(show('Pod', object)).toMatchObject(expected));

  test('a row says that a pod has completed', () => {
    const kind = registry.byKind({ group: '', version: 'v1', kind: 'Pod' }) as KindInfo;
    const table = tableOf(kind, [{ status: { phase: 'Succeeded' } }], {
      now: NOW,
      includeObject: 'None',
    }) as unknown as Table;
    expect(table.rows[0]?.conditions).toMatchObject([{ type: 'Completed', status: 'True' }]);
    expect(table.rows[0]).not.toHaveProperty('object');
  });
});
