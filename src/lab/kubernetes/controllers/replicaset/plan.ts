// What a ReplicaSet wants done, from what is there. Pure.
import { withCondition, withoutCondition } from '../common/conditions.ts';
import { hasLabels } from '../common/labels.ts';
import type { Pod, ReplicaSet, ReplicaSetStatus } from '../common/objects.ts';
import { availableAt, isActive, isAvailable, isReady } from '../common/pods.ts';
import { deletionOrder } from './ranking.ts';

/** At most so many pods are made or deleted in one go. */
export const BURST = 500;

export type ReplicaPlan = { create: number } | { delete: Pod[] };

/** The difference between wanted and active pods. `pods` are the owned ones, `related` those of the same workload. */
export function planReplicas(
  rs: ReplicaSet,
  pods: readonly Pod[],
  related: readonly Pod[],
  now: number,
): ReplicaPlan {
  const active = pods.filter(isActive);
  const surplus = active.length - (rs.spec.replicas ?? 1);
  if (surplus <= 0) return { create: Math.min(-surplus, BURST) };
  return { delete: deletionOrder(active, related, now).slice(0, Math.min(surplus, BURST)) };
}

/** The status that the owned pods make. `failure` is what kept pods from being made or deleted in this round. */
export function replicaSetStatus(
  rs: ReplicaSet,
  pods: readonly Pod[],
  failure: { reason: 'FailedCreate' | 'FailedDelete'; message: string } | undefined,
  now: number,
): ReplicaSetStatus {
  const active = pods.filter(isActive);
  const templateLabels = rs.spec.template?.metadata?.labels;
  const minReady = rs.spec.minReadySeconds ?? 0;
  const ready = active.filter(isReady);
  const available = ready.filter((pod) => isAvailable(pod, minReady, now));
  const conditions = failure
    ? withCondition(rs.status.conditions, { type: 'ReplicaFailure', status: 'True', ...failure }, now)
    : withoutCondition(rs.status.conditions, 'ReplicaFailure');
  return {
    replicas: active.length,
    ...positive({
      fullyLabeledReplicas: active.filter((pod) => hasLabels(pod.metadata.labels, templateLabels)).length,
      readyReplicas: ready.length,
      availableReplicas: available.length,
    }),
    observedGeneration: rs.metadata.generation,
    ...(conditions.length && { conditions }),
  };
}

/** Counts as the API shows them: none is left out. */
export function positive<T extends Record<string, number>>(counts: T): Partial<T> {
  return Object.fromEntries(Object.entries(counts).filter(([, n]) => n > 0)) as Partial<T>;
}

/** ms until the next ready pod becomes available, if any will. */
export function nextAvailable(
  pods: readonly Pod[],
  minReadySeconds: number,
  now: number,
): number | undefined {
  if (!minReadySeconds) return undefined;
  const times = pods
    .map((pod) => availableAt(pod, minReadySeconds))
    .filter((t) => t > now && Number.isFinite(t));
  return times.length ? Math.min(...times) - now + 50 : undefined;
}
