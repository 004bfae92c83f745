// What a Job wants done, from what is there. Pure.
import { conditionOf, timestamp } from '../common/conditions.ts';
import type { Job, JobStatus, Pod } from '../common/objects.ts';
import { isActive, isReady, isTerminal } from '../common/pods.ts';
import { indexOf, parseIndexes } from './indexes.ts';

export const TRACKING = 'batch.kubernetes.io/job-tracking';
type JobCondition = NonNullable<JobStatus['conditions']>[number];

/** The pause before a pod that replaces a failed one: 10 s, doubled with each failure, at most 10 minutes. */
const FIRST_PAUSE = 10_000;
const LONGEST_PAUSE = 600_000;

export function isFinished(job: Job): JobCondition | undefined {
  return job.status.conditions?.find(
    (c) => (c.type === 'Complete' || c.type === 'Failed') && c.status === 'True',
  );
}

export const isIndexed = (job: Job): boolean => job.spec.completionMode === 'Indexed';

/** Finished pods are counted once: written down in the status, then freed of their finalizer, then added up. */
export interface Tally {
  succeeded: number;
  failed: number;
  completed: Set<number>;
  /** Written down, with the finalizer still on the pod or not yet known to be off. */
  uncounted: { succeeded: string[]; failed: string[] };
  /** Pods to free once the status is written. */
  free: Pod[];
}

const hasFinalizer = (pod: Pod): boolean => pod.metadata.finalizers?.includes(TRACKING) === true;

/** A pod that failed, or was deleted before it could succeed: it may never reach the phase Failed. */
function hasFailed(job: Job, pod: Pod): boolean {
  if (pod.status.phase === 'Failed') return true;
  if (!pod.metadata.deletionTimestamp || pod.status.phase === 'Succeeded') return false;
  return job.spec.podReplacementPolicy !== 'Failed' || !pod.spec.nodeName;
}

/** @param ended the Job is over: what is left has failed, and everything is freed */
export function tally(job: Job, pods: readonly Pod[], ended: boolean): Tally {
  const old = job.status.uncountedTerminatedPods;
  const byUid = new Map(pods.map((pod) => [pod.metadata.uid, pod]));
  const completed = parseIndexes(job.status.completedIndexes);
  const result: Tally = {
    succeeded: job.status.succeeded ?? 0,
    failed: job.status.failed ?? 0,
    completed,
    uncounted: { succeeded: [], failed: [] },
    free: [],
  };
  for (const [kind, uids] of [
    ['succeeded', old?.succeeded ?? []],
    ['failed', old?.failed ?? []],
  ] as const)
    for (const uid of uids) {
      const pod = byUid.get(uid);
      if (pod && hasFinalizer(pod)) {
        result.uncounted[kind].push(uid);
        result.free.push(pod);
      } else if (kind === 'failed' || !isIndexed(job)) result[kind]++;
    }
  const known = new Set([...result.uncounted.succeeded, ...result.uncounted.failed]);
  for (const pod of pods) {
    const { uid } = pod.metadata;
    if (!hasFinalizer(pod) || known.has(uid)) continue;
    if (pod.status.phase === 'Succeeded') {
      const index = indexOf(pod);
      if (isIndexed(job)) {
        // Indexes are their own memory: an index succeeds once, whoever did it.
        if (index !== undefined && index < (job.spec.completions ?? 0)) completed.add(index);
      } else result.uncounted.succeeded.push(uid);
      result.free.push(pod);
    } else if (hasFailed(job, pod) || (ended && pod.metadata.deletionTimestamp)) {
      // What a suspension took away did not fail.
      if (pod.status.phase === 'Failed' || !job.spec.suspend) result.uncounted.failed.push(uid);
      result.free.push(pod);
    }
  }
  if (isIndexed(job)) result.succeeded = completed.size;
  return result;
}

export interface Verdict {
  condition?: { type: 'Complete' | 'Failed'; reason?: string; message?: string };
}

/** Whether the Job is over. `now` in ms. */
export function verdict(job: Job, counted: Tally, pods: readonly Pod[], now: number): Verdict {
  const failed = counted.failed + counted.uncounted.failed.length;
  const succeeded = counted.succeeded + counted.uncounted.succeeded.length;
  const limit = job.spec.backoffLimit ?? 6;
  if (failed > limit || restarts(job, pods) > limit)
    return over('Failed', 'BackoffLimitExceeded', 'Job has reached the specified backoff limit');
  const deadline = deadlineOf(job);
  if (deadline !== undefined && now >= deadline)
    return over('Failed', 'DeadlineExceeded', 'Job was active longer than specified deadline');
  const { completions } = job.spec;
  const active = pods.filter(isActive).length;
  if (completions === undefined ? succeeded > 0 && active === 0 : succeeded >= completions)
    return over('Complete', 'CompletionsReached', 'Reached expected number of succeeded pods');
  return {};
}

function over(type: 'Complete' | 'Failed', reason: string, message: string): Verdict {
  return { condition: { type, reason, message } };
}

/** ms at which the Job has run too long; undefined when it may run for ever, or does not run. */
export function deadlineOf(job: Job): number | undefined {
  const { activeDeadlineSeconds, suspend } = job.spec;
  if (activeDeadlineSeconds === undefined || suspend || !job.status.startTime) return undefined;
  return Date.parse(job.status.startTime) + activeDeadlineSeconds * 1000;
}

/** With restartPolicy OnFailure containers fail, not pods. The limit 0 is of pods. */
function restarts(job: Job, pods: readonly Pod[]): number {
  if (job.spec.template.spec?.restartPolicy !== 'OnFailure') return 0;
  let sum = 0;
  for (const pod of pods) {
    if (pod.status.phase !== 'Running' && pod.status.phase !== 'Pending') continue;
    for (const c of [...(pod.status.initContainerStatuses ?? []), ...(pod.status.containerStatuses ?? [])])
      sum += c.restartCount;
  }
  return job.spec.backoffLimit === 0
    ? sum > 0
      ? 1
      : 0
    : sum >= (job.spec.backoffLimit ?? 6)
      ? Number.POSITIVE_INFINITY
      : 0;
}

export interface JobPlan {
  /** How many pods to make; of an Indexed Job, for which indexes. */
  create: (number | undefined)[];
  delete: Pod[];
  /** ms until pods may be made again. */
  wait?: number;
}

/** The pods to make and delete of a Job that is not over. */
export function planJob(job: Job, counted: Tally, pods: readonly Pod[], now: number): JobPlan {
  const active = pods.filter(isActive);
  if (job.spec.suspend) return { create: [], delete: active };
  const parallelism = job.spec.parallelism ?? 1;
  const succeeded = counted.succeeded + counted.uncounted.succeeded.length;
  const { completions } = job.spec;
  const wanted =
    completions === undefined
      ? succeeded > 0
        ? Math.min(parallelism, active.length)
        : parallelism
      : Math.min(parallelism, completions - succeeded);
  if (isIndexed(job)) return planIndexes(job, counted, pods, active, Math.max(0, wanted), now);
  if (active.length > wanted) return { create: [], delete: youngest(active, active.length - wanted) };
  // Pods on their way out still take up the parallelism where a replacement is to wait for their end.
  const leaving = job.spec.podReplacementPolicy === 'Failed' ? terminating(pods).length : 0;
  const missing = wanted - active.length - leaving;
  return paused(
    counted,
    pods,
    now,
    Array.from({ length: Math.max(0, missing) }, () => undefined),
  );
}

export const terminating = (pods: readonly Pod[]): Pod[] =>
  pods.filter((pod) => pod.metadata.deletionTimestamp !== undefined && !isTerminal(pod));

function planIndexes(
  job: Job,
  counted: Tally,
  pods: readonly Pod[],
  active: readonly Pod[],
  wanted: number,
  now: number,
): JobPlan {
  const taken = new Map<number, Pod>();
  const victims: Pod[] = [];
  for (const pod of active) {
    const index = indexOf(pod);
    const useless =
      index === undefined ||
      index >= (job.spec.completions ?? 0) ||
      counted.completed.has(index) ||
      taken.has(index);
    if (useless) victims.push(pod);
    else taken.set(index, pod);
  }
  const surplus = taken.size - wanted;
  if (surplus > 0) {
    const last = [...taken].sort(([a], [b]) => b - a).slice(0, surplus);
    victims.push(...last.map(([, pod]) => pod));
  }
  if (victims.length) return { create: [], delete: victims };
  if (job.spec.podReplacementPolicy === 'Failed')
    for (const pod of terminating(pods)) taken.set(indexOf(pod) ?? -1, pod);
  const create: number[] = [];
  for (let i = 0; i < (job.spec.completions ?? 0) && create.length + taken.size < wanted; i++)
    if (!taken.has(i) && !counted.completed.has(i)) create.push(i);
  return paused(counted, pods, now, create);
}

/** Nothing is made before the pause after the last failures is over. */
function paused(counted: Tally, pods: readonly Pod[], now: number, create: (number | undefined)[]): JobPlan {
  if (!create.length) return { create, delete: [] };
  const failures = counted.failed + counted.uncounted.failed.length;
  const last = Math.max(0, ...pods.filter((pod) => pod.status.phase === 'Failed').map(finishTime));
  if (!failures || !last) return { create, delete: [] };
  // Failures before the last success do not make the pause longer.
  const lastSuccess = Math.max(0, ...pods.filter((pod) => pod.status.phase === 'Succeeded').map(finishTime));
  const inARow = pods.filter((pod) => pod.status.phase === 'Failed' && finishTime(pod) > lastSuccess).length;
  const pause = Math.min(FIRST_PAUSE * 2 ** Math.max(0, inARow - 1), LONGEST_PAUSE);
  const wait = last + pause - now;
  return inARow && wait > 0 ? { create: [], delete: [], wait } : { create, delete: [] };
}

function finishTime(pod: Pod): number {
  const times = (pod.status.containerStatuses ?? []).map((c) =>
    Date.parse(c.state?.terminated?.finishedAt ?? ''),
  );
  const known = times.filter((t) => !Number.isNaN(t));
  return known.length
    ? Math.max(...known)
    : Date.parse(pod.metadata.deletionTimestamp ?? pod.metadata.creationTimestamp);
}

function youngest(pods: readonly Pod[], n: number): Pod[] {
  return [...pods]
    .sort(
      (a, b) =>
        Number(isReady(a)) - Number(isReady(b)) ||
        (a.metadata.creationTimestamp > b.metadata.creationTimestamp ? -1 : 1),
    )
    .slice(0, n);
}

/** Adds or replaces a condition, with the times that Jobs' have. */
export function jobCondition(
  job: Job,
  type: string,
  status: 'True' | 'False',
  reason: string,
  message: string,
  now: number,
): JobCondition[] {
  const list = job.status.conditions ?? [];
  if (conditionOf(list, type)?.status === status) return list;
  const made = {
    type,
    status,
    reason,
    message,
    lastProbeTime: timestamp(now),
    lastTransitionTime: timestamp(now),
  };
  return [...list.filter((c) => c.type !== type), made];
}
