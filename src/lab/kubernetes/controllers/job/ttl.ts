import { type Context, type Controller, controllerLoop, remove } from '../common/context.ts';
import { JOBS, type Job, keyOf, live } from '../common/objects.ts';
import { isFinished } from './plan.ts';

/** ms until a finished Job may be deleted; undefined when it stays. Pure. */
export function timeLeft(job: Job, now: number): number | undefined {
  const { ttlSecondsAfterFinished } = job.spec;
  const since = isFinished(job)?.lastTransitionTime;
  if (ttlSecondsAfterFinished === undefined || !since || job.metadata.deletionTimestamp) return undefined;
  return Date.parse(since) + ttlSecondsAfterFinished * 1000 - now;
}

/** Deletes finished Jobs after `ttlSecondsAfterFinished`. */
export function ttlAfterFinishedController(context: Context): Controller {
  const jobs = context.informers.of(JOBS);
  const loop = controllerLoop(context, { name: 'ttl-after-finished', needs: [JOBS] }, async (key) => {
    const job = jobs.get(key);
    const left = job && timeLeft(job, context.now());
    if (!job || left === undefined) return undefined;
    if (left > 0) return Math.min(left, 2 ** 31 - 1);
    // The time may have been changed a moment ago.
    const { name, namespace } = job.metadata;
    const found = await context.client.find(JOBS, { name, namespace });
    const fresh = found && live<Job>(found);
    if (fresh && (timeLeft(fresh, context.now()) ?? 1) <= 0)
      await remove(context, JOBS, fresh, { propagationPolicy: 'Foreground' });
    return undefined;
  });
  const add = (job: Job): void => {
    if (timeLeft(job, context.now()) !== undefined) loop.add(keyOf(job));
  };
  jobs.on('add', add).on('update', add);
  return { name: 'ttl-after-finished', stop: () => loop.stop() };
}
