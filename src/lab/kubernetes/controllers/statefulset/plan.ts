// The next steps of a StatefulSet. Pure.
import type { Pod, StatefulSet, StatefulSetStatus } from '../common/objects.ts';
import { isAvailable, isReady, isTerminal } from '../common/pods.ts';
import { scaled } from '../common/quantity.ts';
import { REVISION_HASH } from '../common/revisions.ts';
import { ordinalOf } from './identity.ts';

export type Step =
  | { do: 'create'; ordinal: number; revision: string }
  /** `again`: it had failed, and is made anew under its name. */
  | { do: 'delete'; pod: Pod; again: boolean };

export interface Revisions {
  current: string;
  update: string;
}

const revisionOf = (pod: Pod): string => pod.metadata.labels?.[REVISION_HASH] ?? '';
const isGoing = (pod: Pod): boolean => pod.metadata.deletionTimestamp !== undefined;
export const isParallel = (set: StatefulSet): boolean => set.spec.podManagementPolicy === 'Parallel';

/** The partition: ordinals below it stay at the current revision. */
function partitionOf(set: StatefulSet): number {
  return set.spec.updateStrategy?.rollingUpdate?.partition ?? 0;
}

/** The revision for a pod that is to be made: below the partition, and while the update has not come by, the current one. */
function revisionFor(set: StatefulSet, ordinal: number, revisions: Revisions): string {
  const start = set.spec.ordinals?.start ?? 0;
  if (set.spec.updateStrategy?.type === 'OnDelete') return revisions.update;
  if (set.spec.updateStrategy?.rollingUpdate === undefined)
    return ordinal < start + (set.status.currentReplicas ?? 0) ? revisions.current : revisions.update;
  return ordinal < start + partitionOf(set) ? revisions.current : revisions.update;
}

/** Pods by ordinal: those of the wanted range, and those beyond it. */
export function sortPods(
  set: StatefulSet,
  pods: readonly Pod[],
): { replicas: Map<number, Pod>; condemned: Pod[] } {
  const start = set.spec.ordinals?.start ?? 0;
  const end = start + (set.spec.replicas ?? 1);
  const replicas = new Map<number, Pod>();
  const condemned: { pod: Pod; ordinal: number }[] = [];
  for (const pod of pods) {
    const ordinal = ordinalOf(set, pod);
    if (ordinal === undefined) continue;
    if (ordinal >= start && ordinal < end) replicas.set(ordinal, pod);
    else condemned.push({ pod, ordinal });
  }
  condemned.sort((a, b) => b.ordinal - a.ordinal);
  return { replicas, condemned: condemned.map(({ pod }) => pod) };
}

/**
 * What to do now. Ordered sets take one step at a time and wait for each pod to be ready and available before the next; parallel ones make
 * and delete all at once. Updates go from the highest ordinal down, in both.
 */
export function planStateful(
  set: StatefulSet,
  pods: readonly Pod[],
  revisions: Revisions,
  now: number,
): Step[] {
  if (set.metadata.deletionTimestamp) return [];
  const ordered = !isParallel(set);
  const minReady = set.spec.minReadySeconds ?? 0;
  const healthy = (pod: Pod): boolean => isReady(pod) && !isGoing(pod) && isAvailable(pod, minReady, now);
  const { replicas, condemned } = sortPods(set, pods);
  const start = set.spec.ordinals?.start ?? 0;
  const end = start + (set.spec.replicas ?? 1);
  const steps: Step[] = [];
  for (let ordinal = start; ordinal < end; ordinal++) {
    const pod = replicas.get(ordinal);
    if (!pod) {
      steps.push({ do: 'create', ordinal, revision: revisionFor(set, ordinal, revisions) });
      if (ordered) return steps;
      continue;
    }
    if (isTerminal(pod)) {
      if (!isGoing(pod)) steps.push({ do: 'delete', pod, again: true });
      if (ordered) return steps;
      continue;
    }
    if (ordered && !healthy(pod)) {
      // Upstream waits here too, also for a pod that its own revision keeps from getting ready.
      return steps;
    }
  }
  for (const pod of condemned) {
    if (ordered) {
      // One at a time, from the top; one that does not work may go when nothing else is under way.
      if (!isGoing(pod)) steps.push({ do: 'delete', pod, again: false });
      return steps;
    }
    if (!isGoing(pod)) steps.push({ do: 'delete', pod, again: false });
  }
  if (set.spec.updateStrategy?.type === 'OnDelete' || steps.length) return steps;
  return updateSteps(set, replicas, revisions, healthy);
}

/** Old pods from the highest ordinal down, at most maxUnavailable (1) out of work at a time. */
function updateSteps(
  set: StatefulSet,
  replicas: ReadonlyMap<number, Pod>,
  revisions: Revisions,
  healthy: (pod: Pod) => boolean,
): Step[] {
  const start = set.spec.ordinals?.start ?? 0;
  const lowest = start + partitionOf(set);
  const size = set.spec.replicas ?? 1;
  const most = Math.max(1, scaled(set.spec.updateStrategy?.rollingUpdate?.maxUnavailable ?? 1, size, 'up'));
  const steps: Step[] = [];
  let unavailable = [...replicas.values()].filter((pod) => !healthy(pod)).length;
  for (let ordinal = start + size - 1; ordinal >= lowest; ordinal--) {
    const pod = replicas.get(ordinal);
    if (!pod) return steps;
    if (revisionOf(pod) !== revisions.update) {
      if (isGoing(pod)) return steps;
      if (!healthy(pod)) {
        steps.push({ do: 'delete', pod, again: false });
        return steps;
      }
      if (unavailable >= most) return steps;
      unavailable++;
      steps.push({ do: 'delete', pod, again: false });
      if (unavailable >= most) return steps;
      continue;
    }
    if (!healthy(pod) && most === 1) return steps;
  }
  return steps;
}

export function statefulStatus(
  set: StatefulSet,
  pods: readonly Pod[],
  revisions: Revisions,
  names: Revisions,
  now: number,
): StatefulSetStatus {
  const minReady = set.spec.minReadySeconds ?? 0;
  const there = pods.filter((pod) => ordinalOf(set, pod) !== undefined && !isTerminal(pod));
  const ready = there.filter((pod) => isReady(pod) && pod.status.phase === 'Running');
  const staying = there.filter((pod) => !isGoing(pod));
  const count = (revision: string): number => staying.filter((pod) => revisionOf(pod) === revision).length;
  let current = count(revisions.current);
  let updated = count(revisions.update);
  let { current: currentName } = names;
  const size = set.spec.replicas ?? 1;
  const rolling = set.spec.updateStrategy?.type !== 'OnDelete';
  // The update is through: what it brought is what is current.
  if (rolling && updated === size && ready.length === size && there.length === size) {
    currentName = names.update;
    current = updated;
  }
  if (!rolling && revisions.current === revisions.update) updated = current;
  return {
    observedGeneration: set.metadata.generation,
    replicas: there.length,
    ...(ready.length && { readyReplicas: ready.length }),
    ...(current && { currentReplicas: current }),
    ...(updated && { updatedReplicas: updated }),
    availableReplicas: ready.filter((pod) => isAvailable(pod, minReady, now)).length,
    currentRevision: currentName,
    updateRevision: names.update,
    collisionCount: set.status.collisionCount ?? 0,
    ...(set.status.conditions?.length && { conditions: set.status.conditions }),
  };
}
