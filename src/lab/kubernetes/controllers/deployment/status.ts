// Status and conditions of a Deployment. Pure.
import {
  type Condition,
  conditionOf,
  timestamp,
  withCondition,
  withoutCondition,
} from '../common/conditions.ts';
import type { Deployment, DeploymentStatus, ReplicaSet } from '../common/objects.ts';
import { positive } from '../replicaset/plan.ts';
import { limitsOf } from './limits.ts';
import { sumSizes } from './scaling.ts';

type DeploymentCondition = NonNullable<DeploymentStatus['conditions']>[number];

/** Upstream's "no deadline": the largest 32 bit number. */
const NO_DEADLINE = 2 ** 31 - 1;
export const COMPLETE_REASON = 'NewReplicaSetAvailable';
const TIMED_OUT = 'ProgressDeadlineExceeded';

export function deadlineOf(d: Deployment): number | undefined {
  const seconds = d.spec.progressDeadlineSeconds ?? 600;
  return seconds === NO_DEADLINE ? undefined : seconds;
}

/** The counts, and the Available condition. */
export function baseStatus(
  d: Deployment,
  current: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
  now: number,
): DeploymentStatus {
  const all = current ? [...old, current] : old;
  const total = (count: (rs: ReplicaSet) => number | undefined): number =>
    all.reduce((sum, rs) => sum + (count(rs) ?? 0), 0);
  const available = total((rs) => rs.status.availableReplicas);
  const enough = available >= (d.spec.replicas ?? 1) - limitsOf(d).unavailable;
  const conditions = set(
    d.status.conditions,
    enough
      ? ['Available', 'True', 'MinimumReplicasAvailable', 'Deployment has minimum availability.']
      : [
          'Available',
          'False',
          'MinimumReplicasUnavailable',
          'Deployment does not have minimum availability.',
        ],
    now,
  );
  return {
    observedGeneration: d.metadata.generation,
    ...positive({
      replicas: total((rs) => rs.status.replicas),
      updatedReplicas: current?.status.replicas ?? 0,
      readyReplicas: total((rs) => rs.status.readyReplicas),
      availableReplicas: available,
      unavailableReplicas: Math.max(0, sumSizes(all) - available),
      collisionCount: d.status.collisionCount ?? 0,
    }),
    conditions,
  };
}

export function isComplete(d: Deployment, status: DeploymentStatus): boolean {
  const replicas = d.spec.replicas ?? 1;
  return (
    (status.updatedReplicas ?? 0) === replicas &&
    (status.replicas ?? 0) === replicas &&
    (status.availableReplicas ?? 0) === replicas &&
    (status.observedGeneration ?? 0) >= d.metadata.generation
  );
}

/** The whole status during a rollout: counts, Available, Progressing by the deadline, ReplicaFailure. */
export function rolloutStatus(
  d: Deployment,
  current: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
  now: number,
): DeploymentStatus {
  const status = baseStatus(d, current, old, now);
  let conditions = status.conditions ?? [];
  const progressing = conditionOf(conditions, 'Progressing');
  if (deadlineOf(d) === undefined) conditions = withoutCondition(conditions, 'Progressing');
  else if (
    !((status.replicas ?? 0) === (status.updatedReplicas ?? 0) && progressing?.reason === COMPLETE_REASON)
  ) {
    const what = current ? `ReplicaSet "${current.metadata.name}"` : `Deployment "${d.metadata.name}"`;
    if (isComplete(d, status))
      conditions = set(
        conditions,
        ['Progressing', 'True', COMPLETE_REASON, `${what} has successfully progressed.`],
        now,
      );
    else if (hasProgressed(d, status))
      conditions = set(
        conditions,
        ['Progressing', 'True', 'ReplicaSetUpdated', `${what} is progressing.`],
        now,
        true,
      );
    else if (hasTimedOut(d, status, now))
      conditions = set(
        conditions,
        ['Progressing', 'False', TIMED_OUT, `${what} has timed out progressing.`],
        now,
      );
  }
  return { ...status, conditions: withFailures(conditions, current, old) };
}

/** The ReplicaFailure condition of the ReplicaSets: the current one's, else any. */
function withFailures(
  conditions: DeploymentCondition[],
  current: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
): DeploymentCondition[] {
  for (const rs of current ? [current, ...old] : old) {
    const failure = conditionOf(rs.status.conditions, 'ReplicaFailure');
    if (failure) return [...withoutCondition(conditions, 'ReplicaFailure'), { ...failure }];
  }
  return withoutCondition(conditions, 'ReplicaFailure');
}

function hasProgressed(d: Deployment, next: DeploymentStatus): boolean {
  const was = d.status;
  const n = (value: number | undefined): number => value ?? 0;
  return (
    n(next.updatedReplicas) > n(was.updatedReplicas) ||
    n(next.replicas) - n(next.updatedReplicas) < n(was.replicas) - n(was.updatedReplicas) ||
    n(next.readyReplicas) > n(was.readyReplicas) ||
    n(next.availableReplicas) > n(was.availableReplicas)
  );
}

function hasTimedOut(d: Deployment, status: DeploymentStatus, now: number): boolean {
  const condition = conditionOf(status.conditions, 'Progressing');
  if (!condition || condition.reason === COMPLETE_REASON) return false;
  if (condition.reason === TIMED_OUT) return true;
  if (d.spec.paused) return false;
  return now > Date.parse(condition.lastUpdateTime ?? '') + (deadlineOf(d) ?? 0) * 1000;
}

/** ms until the rollout is over its deadline, while it is under way. */
export function untilDeadline(d: Deployment, status: DeploymentStatus, now: number): number | undefined {
  const condition = conditionOf(status.conditions, 'Progressing');
  const deadline = deadlineOf(d);
  if (!condition || deadline === undefined || isComplete(d, status) || d.spec.paused) return undefined;
  if (condition.reason === TIMED_OUT || condition.reason === COMPLETE_REASON) return undefined;
  return Math.max(0, Date.parse(condition.lastUpdateTime ?? '') + deadline * 1000 - now) + 1000;
}

/** The Progressing condition that a pause or a resumption asks for, if it is not there yet. */
export function pauseConditions(d: Deployment, now: number): DeploymentCondition[] | undefined {
  if (deadlineOf(d) === undefined) return undefined;
  const condition = conditionOf(d.status.conditions, 'Progressing');
  if (condition?.reason === TIMED_OUT) return undefined;
  const paused = condition?.reason === 'DeploymentPaused';
  if (d.spec.paused && !paused)
    return set(
      d.status.conditions,
      ['Progressing', 'Unknown', 'DeploymentPaused', 'Deployment is paused'],
      now,
    );
  if (!d.spec.paused && paused)
    return set(
      d.status.conditions,
      ['Progressing', 'Unknown', 'DeploymentResumed', 'Deployment is resumed'],
      now,
    );
  return undefined;
}

/** A condition with lastUpdateTime. @param touch set that time even if nothing else changes: the deadline counts from it */
export function set(
  conditions: readonly DeploymentCondition[] | undefined,
  [type, status, reason, message]: [string, string, string, string],
  now: number,
  touch = false,
): DeploymentCondition[] {
  const old = conditionOf(conditions, type);
  const next: Condition & { lastUpdateTime?: string } = { type, status, reason, message };
  const unchanged = old?.status === status && old.reason === reason;
  next.lastUpdateTime = unchanged && !touch && old.lastUpdateTime ? old.lastUpdateTime : timestamp(now);
  const list = withCondition(conditions, { ...(old ?? {}), ...next } as DeploymentCondition, now);
  return touch ? list.map((c) => (c.type === type ? { ...c, lastUpdateTime: timestamp(now) } : c)) : list;
}
