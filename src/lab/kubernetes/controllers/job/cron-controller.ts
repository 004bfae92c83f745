import { isKubeError } from '../../../../kube/error.ts';
import { timestamp } from '../common/conditions.ts';
import { type Context, type Controller, controllerLoop, create, merge, remove } from '../common/context.ts';
import { mergePatch } from '../common/merge-patch.ts';
import { messageOf } from '../common/message.ts';
import { CRON_JOBS, type CronJob, JOBS, type Job, keyOf, type NewJob } from '../common/objects.ts';
import { controllerOf, controllerRef } from '../common/owners.ts';
import { CronError, missedTimes, nextTime, parseCron, type Schedule } from './cron.ts';
import { isFinished } from './plan.ts';

const SCHEDULED = 'batch.kubernetes.io/cronjob-scheduled-timestamp';

/** Makes Jobs by the clock. */
export function cronJobController(context: Context): Controller {
  const crons = context.informers.of(CRON_JOBS);
  const jobs = context.informers.of(JOBS);
  const loop = controllerLoop(context, { name: 'cronjob', needs: [CRON_JOBS, JOBS] }, reconcile);
  const add = (cron: CronJob): void => loop.add(keyOf(cron));
  crons.on('add', add).on('update', add);
  const jobChanged = (job: Job): void => {
    const ref = controllerOf(job);
    if (ref?.kind === 'CronJob') loop.add(`${job.metadata.namespace}/${ref.name}`);
  };
  jobs.on('add', jobChanged).on('update', jobChanged).on('delete', jobChanged);
  const emit = (cron: CronJob, severity: 'Normal' | 'Warning', reason: string, text: string): void =>
    context.events.event(CRON_JOBS, cron, severity, reason, text);

  async function reconcile(key: string): Promise<number | undefined> {
    const cron = crons.get(key);
    if (!cron || cron.metadata.deletionTimestamp) return undefined;
    const now = context.now();
    const owned = jobs.byIndex('owner', cron.metadata.uid);
    let active = (cron.status.active ?? []).filter((ref) => {
      const job = owned.find((j) => j.metadata.uid === ref.uid);
      if (!job) return false;
      const end = isFinished(job);
      if (end)
        emit(
          cron,
          'Normal',
          'SawCompletedJob',
          `Saw completed job: ${job.metadata.name}, condition: ${end.type}`,
        );
      return !end;
    });
    for (const job of owned)
      if (!isFinished(job) && !active.some((ref) => ref.uid === job.metadata.uid))
        active = [...active, referenceTo(job)];
    const successes = owned
      .filter((job) => isFinished(job)?.type === 'Complete')
      .map((job) => job.status.completionTime ?? '');
    const lastSuccessfulTime = [cron.status.lastSuccessfulTime ?? '', ...successes].sort().at(-1);
    await trim(cron, owned);
    const status = {
      ...cron.status,
      ...(lastSuccessfulTime && { lastSuccessfulTime }),
      active,
    };
    const wait = await start(cron, owned, status, now);
    const patch = mergePatch(cron.status, {
      ...status,
      active: status.active.length ? status.active : undefined,
    });
    if (patch) await merge(context, CRON_JOBS, cron, { status: patch }, 'status');
    return wait;
  }

  /** Starts the Job that is due, if one is. Returns ms until the next one is. */
  async function start(
    cron: CronJob,
    owned: readonly Job[],
    status: CronJob['status'],
    now: number,
  ): Promise<number | undefined> {
    if (cron.spec.suspend) return undefined;
    const zone = cron.spec.timeZone ?? 'UTC';
    let schedule: Schedule;
    let due: number | undefined;
    let count: number;
    let next: number | undefined;
    try {
      schedule = parseCron(cron.spec.schedule);
      ({ last: due, count } = missedTimes(schedule, earliest(cron, now), now, zone));
      next = nextTime(schedule, now, zone);
    } catch (error) {
      const reason = error instanceof CronError ? 'UnparseableSchedule' : 'UnknownTimeZone';
      emit(cron, 'Warning', reason, `unparseable schedule: ${cron.spec.schedule} : ${messageOf(error)}`);
      return undefined;
    }
    const wait = next === undefined ? undefined : next - now + 100;
    if (due === undefined) return wait;
    if (count > 100)
      emit(
        cron,
        'Warning',
        'TooManyMissedTimes',
        'too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew',
      );
    const { startingDeadlineSeconds, concurrencyPolicy } = cron.spec;
    if (startingDeadlineSeconds !== undefined && due + startingDeadlineSeconds * 1000 < now) {
      emit(cron, 'Warning', 'MissSchedule', `Missed scheduled time to start a job: ${timestamp(due)}`);
      return wait;
    }
    const name = `${cron.metadata.name.slice(0, 52)}-${Math.floor(due / 60_000)}`;
    if (owned.some((job) => job.metadata.name === name)) {
      status.lastScheduleTime = timestamp(due);
      return wait;
    }
    if (concurrencyPolicy === 'Forbid' && status.active?.length) {
      const text = 'Not starting job because prior execution is running and concurrency policy is Forbid';
      emit(cron, 'Normal', 'JobAlreadyActive', text);
      return wait;
    }
    if (concurrencyPolicy === 'Replace')
      for (const job of owned) if (!isFinished(job)) await removeJob(cron, job);
    await make(cron, status, name, due);
    return wait;
  }

  async function make(cron: CronJob, status: CronJob['status'], name: string, due: number): Promise<void> {
    const { metadata, spec } = cron.spec.jobTemplate;
    const zone = cron.spec.timeZone;
    const job: NewJob = {
      metadata: {
        name,
        namespace: cron.metadata.namespace,
        ...(metadata?.labels && { labels: metadata.labels }),
        annotations: {
          ...metadata?.annotations,
          [SCHEDULED]: zone ? inZone(due, zone) : timestamp(due),
        },
        ownerReferences: [controllerRef(CRON_JOBS, cron)],
      },
      ...(spec && { spec: structuredClone(spec) }),
    };
    try {
      const made = await create(context, JOBS, job);
      emit(cron, 'Normal', 'SuccessfulCreate', `Created job ${name}`);
      status.active = [...(status.active ?? []), referenceTo(made)];
      status.lastScheduleTime = timestamp(due);
    } catch (error) {
      if (isKubeError(error, 409)) return;
      emit(cron, 'Warning', 'FailedCreate', `Error creating job: ${messageOf(error)}`);
      throw error;
    }
  }

  /** Deletes finished Jobs beyond the history limits, oldest first. */
  async function trim(cron: CronJob, owned: readonly Job[]): Promise<void> {
    for (const [type, limit] of [
      ['Complete', cron.spec.successfulJobsHistoryLimit ?? 3],
      ['Failed', cron.spec.failedJobsHistoryLimit ?? 1],
    ] as const) {
      const finished = owned
        .filter((job) => isFinished(job)?.type === type && !job.metadata.deletionTimestamp)
        .sort((a, b) => ((a.status.startTime ?? '') < (b.status.startTime ?? '') ? -1 : 1));
      for (const job of finished.slice(0, Math.max(0, finished.length - limit))) await removeJob(cron, job);
    }
  }

  async function removeJob(cron: CronJob, job: Job): Promise<void> {
    if (await remove(context, JOBS, job, { propagationPolicy: 'Background' }))
      emit(cron, 'Normal', 'SuccessfulDelete', `Deleted job ${job.metadata.name}`);
  }

  return { name: 'cronjob', stop: () => loop.stop() };
}

/** From when on times count: the last one that was, or the making of the object; no earlier than the deadline allows. */
function earliest(cron: CronJob, now: number): number {
  const since = Date.parse(cron.status.lastScheduleTime ?? cron.metadata.creationTimestamp);
  const { startingDeadlineSeconds } = cron.spec;
  return startingDeadlineSeconds === undefined
    ? since
    : Math.max(since, now - startingDeadlineSeconds * 1000 - 1);
}

function referenceTo(job: Job): NonNullable<CronJob['status']['active']>[number] {
  const { name, namespace, uid, resourceVersion } = job.metadata;
  return { apiVersion: 'batch/v1', kind: 'Job', name, namespace, uid, resourceVersion };
}

/** RFC 3339 with the zone's offset. */
function inZone(at: number, zone: string): string {
  const text = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'medium' })
    .format(at)
    .replace(' ', 'T');
  const minutes = Math.round((Date.parse(`${text}Z`) - at) / 60_000);
  if (minutes === 0) return `${text}Z`;
  const pad = (n: number): string => String(Math.floor(n)).padStart(2, '0');
  const absolute = Math.abs(minutes);
  return `${text}${minutes < 0 ? '-' : '+'}${pad(absolute / 60)}:${pad(absolute % 60)}`;
}
