import { expect, test } from 'vitest';
import { conditionOf } from '../common/conditions.ts';
import { type Deployment, live, type ReplicaSet } from '../common/objects.ts';
import { meta } from '../testing-objects.ts';
import { currentAnnotations } from './annotations.ts';
import { newSet, splitSets, surplusHistory } from './sets.ts';
import { pauseConditions, rolloutStatus, set, untilDeadline } from './status.ts';

const START = Date.parse('2026-01-01T00:00:00Z');
const labels = { app: 'web' };
const deployment = (spec: object = {}, status: object = {}, annotations: object = {}): Deployment =>
  live({
    metadata: meta('web', { annotations }),
    spec: {
      replicas: 2,
      progressDeadlineSeconds: 60,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [] } },
      ...spec,
    },
    status,
  });
const replicaSet = (size: number, ready: number, annotations: object = {}): ReplicaSet =>
  live({
    metadata: meta('web-x', { annotations }),
    spec: { replicas: size },
    status: { replicas: size, readyReplicas: ready, availableReplicas: ready, observedGeneration: 1 },
  });

test('a rollout progresses, is through, or runs out of time', () => {
  const created = set([], ['Progressing', 'True', 'NewReplicaSetCreated', ''], START);
  const d = deployment({}, { conditions: created, replicas: 2, updatedReplicas: 2 });
  const progressing = (now: number, ready: number) =>
    conditionOf(rolloutStatus(d, replicaSet(2, ready), [], now).conditions, 'Progressing');
  expect(progressing(START + 59_000, 0)).toMatchObject({ status: 'True', reason: 'NewReplicaSetCreated' });
  expect(progressing(START + 61_000, 0)).toMatchObject({
    status: 'False',
    reason: 'ProgressDeadlineExceeded',
  });
  expect(progressing(START + 61_000, 1)).toMatchObject({
    status: 'True',
    reason: 'ReplicaSetUpdated',
    lastUpdateTime: '2026-01-01T00:01:01Z',
  });
  expect(progressing(START + 61_000, 2)).toMatchObject({ status: 'True', reason: 'NewReplicaSetAvailable' });
  expect(untilDeadline(d, d.status, START + 10_000)).toBe(51_000);
});

test('available as long as the minimum is', () => {
  const status = (ready: number) =>
    conditionOf(
      rolloutStatus(deployment({ replicas: 4 }), replicaSet(4, ready), [], START).conditions,
      'Available',
    )?.status;
  expect([status(2), status(3), status(4)]).toEqual(['False', 'True', 'True']);
});

test('pausing stops the clock and says so', () => {
  const paused = pauseConditions(deployment({ paused: true }), START);
  expect(conditionOf(paused, 'Progressing')).toMatchObject({ status: 'Unknown', reason: 'DeploymentPaused' });
  const d = deployment({}, { conditions: paused });
  expect(conditionOf(pauseConditions(d, START), 'Progressing')?.reason).toBe('DeploymentResumed');
  expect(pauseConditions(deployment(), START)).toBeUndefined();
});

test('the ReplicaSet of a template is found again, whatever its hash label', () => {
  const d = deployment();
  const made = live<ReplicaSet>({
    ...newSet(d, [], 1),
    metadata: { ...meta('web-1'), ...newSet(d, [], 1).metadata },
  });
  expect(splitSets(d, [replicaSet(0, 0), made]).current).toBe(made);
  expect(made.spec.selector.matchLabels).toMatchObject({
    app: 'web',
    'pod-template-hash': made.metadata.name.slice(4),
  });
});

test('an old revision that is current again has a new number, and remembers the old', () => {
  const annotations = currentAnnotations(
    deployment({}, {}, { note: 'n', 'kubectl.kubernetes.io/last-applied-configuration': '{}' }),
    { 'deployment.kubernetes.io/revision': '1' },
    3,
  );
  expect(annotations).toEqual({
    note: 'n',
    'deployment.kubernetes.io/revision': '3',
    'deployment.kubernetes.io/revision-history': '1',
  });
});

test('history beyond the limit goes, the lowest revisions first, and only what is empty', () => {
  const sets = [3, 1, 2].map((n) =>
    replicaSet(n === 1 ? 1 : 0, 0, { 'deployment.kubernetes.io/revision': `${n}` }),
  );
  const gone = surplusHistory(deployment({ revisionHistoryLimit: 1 }), sets);
  expect(gone.map((rs) => rs.metadata.annotations?.['deployment.kubernetes.io/revision'])).toEqual(['2']);
});
