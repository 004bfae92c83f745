import { isKubeError } from '../../../../kube/error.ts';
import { each, slowStart } from '../common/batch.ts';
import { timestamp } from '../common/conditions.ts';
import {
  type Context,
  type Controller,
  controllerLoop,
  isNamespaceTerminating,
  merge,
} from '../common/context.ts';
import { createPod, deletePods, settle } from '../common/control.ts';
import { Expectations } from '../common/expectations.ts';
import { mergePatch } from '../common/merge-patch.ts';
import { JOBS, type Job, type JobStatus, keyOf, PODS, type Pod } from '../common/objects.ts';
import { claim, controllerOf } from '../common/owners.ts';
import { followPods } from '../common/pod-events.ts';
import { isActive, isReady } from '../common/pods.ts';
import { positive } from '../replicaset/plan.ts';
import { formatIndexes } from './indexes.ts';
import {
  deadlineOf,
  isFinished,
  isIndexed,
  jobCondition,
  planJob,
  type Tally,
  TRACKING,
  tally,
  terminating,
  type Verdict,
  verdict,
} from './plan.ts';
import { jobPod } from './pod.ts';

/** Runs Jobs to their completion. */
export function jobController(context: Context): Controller {
  const jobs = context.informers.of(JOBS);
  const pods = context.informers.of(PODS);
  const expectations = new Expectations(context.now);
  const loop = controllerLoop(context, { name: 'job', workers: 8, needs: [JOBS, PODS] }, reconcile);
  const orphans = controllerLoop(context, { name: 'job-orphans', needs: [JOBS, PODS] }, freeOrphan);
  followPods({ type: JOBS, owners: jobs, pods, loop, expectations, selectorOf: (job) => job.spec.selector });
  // Pods whose Job is gone would wait for ever for somebody to take the finalizer off.
  const podChanged = (pod: Pod): void => {
    if (!pod.metadata.finalizers?.includes(TRACKING)) return;
    const ref = controllerOf(pod);
    const job = ref?.kind === 'Job' ? jobs.get(`${pod.metadata.namespace}/${ref.name}`) : undefined;
    if (!job || job.metadata.uid !== ref?.uid) orphans.add(keyOf(pod));
  };
  pods.on('add', podChanged).on('update', podChanged);
  jobs.on('delete', (job) => {
    for (const pod of pods.byIndex('owner', job.metadata.uid)) orphans.add(keyOf(pod));
  });

  async function freeOrphan(key: string): Promise<undefined> {
    const pod = pods.get(key);
    if (!pod?.metadata.finalizers?.includes(TRACKING)) return;
    const ref = controllerOf(pod);
    if (ref?.kind === 'Job') {
      const { namespace } = pod.metadata;
      const job = await context.client.find(JOBS, { namespace, name: ref.name });
      if (job?.metadata.uid === ref.uid) return;
    }
    await free(pod);
  }

  async function free(pod: Pod): Promise<void> {
    const { uid, resourceVersion, finalizers = [] } = pod.metadata;
    const rest = finalizers.filter((finalizer) => finalizer !== TRACKING);
    const body = { metadata: { uid, resourceVersion, finalizers: rest.length ? rest : null } };
    await merge(context, PODS, pod, body).catch((error) => {
      if (!isKubeError(error, 404)) throw error;
    });
  }

  async function reconcile(key: string): Promise<number | undefined> {
    const job = jobs.get(key);
    if (!job) {
      expectations.forget(key);
      return undefined;
    }
    const now = context.now();
    const { uid, namespace } = job.metadata;
    const candidates = [...pods.byIndex('owner', uid), ...pods.byIndex('owner', `orphan/${namespace}`)];
    const owned = job.spec.selector
      ? await settle(context, JOBS, job, PODS, claim(job, job.spec.selector, candidates))
      : pods.byIndex('owner', uid);
    const finished = isFinished(job);
    const counted = tally(job, owned, finished !== undefined || job.metadata.deletionTimestamp !== undefined);
    const end: Verdict = finished ? {} : verdict(job, counted, owned, now);
    let failure: unknown;
    let wait: number | undefined;
    if (!job.metadata.deletionTimestamp && expectations.satisfied(key)) {
      try {
        wait = await manage(key, job, owned, counted, finished !== undefined || end.condition !== undefined);
      } catch (error) {
        failure = error;
      }
    }
    await write(job, owned, counted, end, now);
    await each(counted.free, 16, free);
    if (failure && !isNamespaceTerminating(failure)) throw failure;
    const deadline = finished ? undefined : deadlineOf(job);
    const untilDeadline = deadline === undefined ? undefined : Math.max(1000, deadline - now);
    const waits = [wait, untilDeadline].filter((ms) => ms !== undefined);
    return waits.length ? Math.min(...waits) : undefined;
  }

  /** Makes and deletes pods. Returns ms until more may be made. */
  async function manage(
    key: string,
    job: Job,
    owned: Pod[],
    counted: Tally,
    over: boolean,
  ): Promise<number | undefined> {
    const plan = over
      ? { create: [], delete: owned.filter(isActive) }
      : planJob(job, counted, owned, context.now());
    if (plan.delete.length) await deletePods(context, JOBS, job, plan.delete, { expectations, key });
    if (plan.create.length) {
      const { create } = plan;
      expectations.expectCreations(key, create.length);
      const { succeeded, error } = await slowStart(create.length, async (i) => {
        await createPod(context, JOBS, job, jobPod(job, create[i]));
      });
      expectations.creationObserved(key, create.length - succeeded);
      if (error) throw error;
    }
    return 'wait' in plan ? plan.wait : undefined;
  }

  async function write(job: Job, owned: Pod[], counted: Tally, end: Verdict, now: number): Promise<void> {
    const active = owned.filter(isActive);
    const over = end.condition !== undefined || isFinished(job) !== undefined;
    let conditions = job.status.conditions ?? [];
    let startTime = job.status.startTime;
    const suspended = conditions.some((c) => c.type === 'Suspended' && c.status === 'True');
    if (!over && job.spec.suspend && !suspended) {
      conditions = jobCondition(job, 'Suspended', 'True', 'JobSuspended', 'Job suspended', now);
      startTime = undefined;
      context.events.event(JOBS, job, 'Normal', 'Suspended', 'Job suspended');
    } else if (!over && !job.spec.suspend) {
      if (suspended) {
        conditions = jobCondition(job, 'Suspended', 'False', 'JobResumed', 'Job resumed', now);
        context.events.event(JOBS, job, 'Normal', 'Resumed', 'Job resumed');
      }
      startTime ??= timestamp(now);
    }
    // The last word is spoken when no pod runs any more and every finished one is counted.
    const settled = counted.uncounted.succeeded.length + counted.uncounted.failed.length === 0;
    const final = end.condition && settled && !owned.some((pod) => isActive(pod) || isLeaving(pod));
    if (end.condition) {
      const { type, reason = '', message = '' } = end.condition;
      const first = type === 'Complete' ? 'SuccessCriteriaMet' : 'FailureTarget';
      conditions = jobCondition(job, first, 'True', reason, message, now);
      if (final)
        conditions = jobCondition(
          { ...job, status: { ...job.status, conditions } },
          type,
          'True',
          reason,
          message,
          now,
        );
    }
    const status: JobStatus = {
      ...(conditions.length && { conditions }),
      ...(startTime && { startTime }),
      ...(final && end.condition?.type === 'Complete' && { completionTime: timestamp(now) }),
      ...(job.status.completionTime && { completionTime: job.status.completionTime }),
      ...positive({
        active: over && final ? 0 : active.length,
        succeeded: counted.succeeded,
        failed: counted.failed,
      }),
      ready: active.filter(isReady).length,
      terminating: terminating(owned).length,
      ...(isIndexed(job) && counted.completed.size && { completedIndexes: formatIndexes(counted.completed) }),
      uncountedTerminatedPods: {
        ...(counted.uncounted.succeeded.length && { succeeded: counted.uncounted.succeeded }),
        ...(counted.uncounted.failed.length && { failed: counted.uncounted.failed }),
      },
    };
    const patch = mergePatch(job.status, status);
    // The counts are only right on top of those we started from.
    if (patch)
      await merge(
        context,
        JOBS,
        job,
        { metadata: { resourceVersion: job.metadata.resourceVersion }, status: patch },
        'status',
      );
    if (!final || !end.condition) return;
    const { type, reason = '', message = '' } = end.condition;
    if (type === 'Complete') context.events.event(JOBS, job, 'Normal', 'Completed', 'Job completed');
    else context.events.event(JOBS, job, 'Warning', reason, message);
  }

  return {
    name: 'job',
    stop: async () => {
      await Promise.all([loop.stop(), orphans.stop()]);
    },
  };
}

const isLeaving = (pod: Pod): boolean => terminating([pod]).length > 0;
