// The pods that nobody else cleans up.
import { isKubeError } from '../../../../kube/error.ts';
import { each } from '../common/batch.ts';
import { withCondition } from '../common/conditions.ts';
import { type Context, type Controller, merge, remove } from '../common/context.ts';
import { messageOf } from '../common/message.ts';
import { keyOf, NODES, PODS, type Pod } from '../common/objects.ts';
import { isTerminal } from '../common/pods.ts';

export interface PodGcOptions {
  /** Finished pods beyond this number go, oldest first. Default 12,500, upstream's. */
  threshold?: number;
  /** ms between two looks. Default 20,000. */
  periodMs?: number;
  /** ms for which a node must have been gone. Default 40,000, upstream's quarantine. */
  quarantineMs?: number;
}

/** What goes: finished pods over the threshold, and those that are being deleted and were never scheduled. Pure. */
export function surplusPods(
  pods: readonly Pod[],
  threshold: number,
): { finished: Pod[]; unscheduled: Pod[] } {
  const finished = pods.filter((pod) => isTerminal(pod) && !pod.metadata.deletionTimestamp);
  finished.sort((a, b) => (a.metadata.creationTimestamp < b.metadata.creationTimestamp ? -1 : 1));
  return {
    finished: finished.slice(0, Math.max(0, finished.length - threshold)),
    unscheduled: pods.filter((pod) => pod.metadata.deletionTimestamp && !pod.spec.nodeName),
  };
}

export function podGarbageCollector(context: Context, options: PodGcOptions = {}): Controller {
  const { threshold = 12_500, periodMs = 20_000, quarantineMs = 40_000 } = options;
  const pods = context.informers.of(PODS);
  const nodes = context.informers.of(NODES);
  const missing = new Map<string, number>();

  async function look(): Promise<void> {
    const now = context.now();
    const all = pods.list();
    const { finished, unscheduled } = surplusPods(all, threshold);
    await each([...finished, ...unscheduled], 8, (pod) => kill(pod));
    const orphans = all.filter((pod) => pod.spec.nodeName && !nodes.get(pod.spec.nodeName));
    const names = new Set(orphans.map((pod) => pod.spec.nodeName as string));
    for (const name of missing.keys()) if (!names.has(name)) missing.delete(name);
    for (const name of names) {
      const since = missing.get(name);
      if (since === undefined) missing.set(name, now);
      if (since === undefined || now - since < quarantineMs) continue;
      // The cache may be behind: is it really gone?
      if (await context.client.find(NODES, { name })) continue;
      await each(
        orphans.filter((pod) => pod.spec.nodeName === name),
        8,
        orphaned,
      );
    }
  }

  async function orphaned(pod: Pod): Promise<void> {
    const conditions = withCondition(
      pod.status.conditions,
      {
        type: 'DisruptionTarget',
        status: 'True',
        reason: 'DeletionByPodGC',
        message: 'PodGC: node no longer exists',
      },
      context.now(),
    );
    const status = { conditions, ...(!isTerminal(pod) && { phase: 'Failed' }) };
    await merge(context, PODS, pod, { status }, 'status').catch((error) => {
      if (!isKubeError(error, 404)) throw error;
    });
    await kill(pod);
  }

  async function kill(pod: Pod): Promise<void> {
    context.log.info({ controller: 'pod-gc', pod: keyOf(pod) }, 'deleting pod');
    await remove(context, PODS, pod, { gracePeriodSeconds: 0 });
  }

  let looking = Promise.resolve();
  const timer = setInterval(() => {
    if (!pods.hasSynced || !nodes.hasSynced || !nodes.connected) return;
    looking = looking.then(look).catch((error) => {
      context.log.warn({ controller: 'pod-gc', error: messageOf(error) }, 'look failed');
    });
  }, periodMs);
  timer.unref();
  return {
    name: 'pod-gc',
    stop: async () => {
      clearInterval(timer);
      await looking;
    },
  };
}
