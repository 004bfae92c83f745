// Which pods go first when a ReplicaSet shrinks: upstream's ActivePodsWithRanks.
import type { Pod } from '../common/objects.ts';
import { isReady, podCondition } from '../common/pods.ts';

const PHASES: Record<string, number> = { Pending: 0, Unknown: 1, Running: 2 };

/**
 * The pods in the order in which they go: those that never ran, not ready, cheap (`controller.kubernetes.io/pod-deletion-cost`), crowded
 * on their node, young (in powers of two, so that the choice among equals is random), often restarted.
 * @param related pods of the same workload (all ReplicaSets of a Deployment), to see how crowded nodes are
 */
export function deletionOrder(pods: readonly Pod[], related: readonly Pod[], now: number): Pod[] {
  const crowd = new Map<string, number>();
  for (const { spec } of related)
    if (spec.nodeName) crowd.set(spec.nodeName, (crowd.get(spec.nodeName) ?? 0) + 1);
  const ranked = pods.map((pod) => ({
    pod,
    unassigned: pod.spec.nodeName ? 1 : 0,
    phase: PHASES[pod.status.phase ?? 'Pending'] ?? 1,
    ready: isReady(pod) ? 1 : 0,
    cost: costOf(pod),
    crowd: crowd.get(pod.spec.nodeName ?? '') ?? 0,
    readyAge: ageRank(podCondition(pod, 'Ready')?.lastTransitionTime, now),
    restarts: Math.max(0, ...(pod.status.containerStatuses ?? []).map((c) => c.restartCount)),
    age: ageRank(pod.metadata.creationTimestamp, now),
  }));
  ranked.sort(
    (a, b) =>
      a.unassigned - b.unassigned ||
      a.phase - b.phase ||
      a.ready - b.ready ||
      a.cost - b.cost ||
      b.crowd - a.crowd ||
      (a.ready ? a.readyAge - b.readyAge : 0) ||
      b.restarts - a.restarts ||
      a.age - b.age ||
      (a.pod.metadata.uid < b.pod.metadata.uid ? -1 : 1),
  );
  return ranked.map(({ pod }) => pod);
}

function costOf(pod: Pod): number {
  const text = pod.metadata.annotations?.['controller.kubernetes.io/pod-deletion-cost'];
  return text !== undefined && /^-?[0-9]{1,10}$/.test(text) ? Number(text) : 0;
}

/** The power of two of an age; -1 for what has none. */
function ageRank(since: string | undefined, now: number): number {
  const age = now - Date.parse(since ?? '');
  return age > 0 ? Math.floor(Math.log2(age)) : -1;
}
