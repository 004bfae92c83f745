// Which nodes are idle enough to leave, and whether their pods fit elsewhere. Pure.
import { matchLabelSelector } from '../../../kube/selector.ts';
import type { Pod, PodDisruptionBudget } from '../controllers/common/objects.ts';
import { controllerOf } from '../controllers/common/owners.ts';
import type { NodeInfo, PodInfo } from '../scheduler/node-info.ts';
import { schedule } from '../scheduler/schedule.ts';
import type { Snapshot } from '../scheduler/snapshot.ts';

const SAFE = 'cluster-autoscaler.kubernetes.io/safe-to-evict';
const NO_SCALE_DOWN = 'cluster-autoscaler.kubernetes.io/scale-down-disabled';
export const THRESHOLD = 0.5;

/** The larger share of cpu and memory that is asked for. */
export function utilization({ allocatable, requested }: NodeInfo): number {
  return Math.max(
    ...['cpu', 'memory'].map(
      (resource) => (requested[resource] ?? 0) / Math.max(1, allocatable[resource] ?? 0),
    ),
  );
}

const isDaemon = (pod: Pod): boolean => controllerOf(pod)?.kind === 'DaemonSet';
const isMirror = (pod: Pod): boolean =>
  pod.metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined;

/** The pods that have to find another place when the node goes. */
export function movable(node: NodeInfo): PodInfo[] {
  return [...node.pods.values()].filter(
    ({ pod }) => !isDaemon(pod) && !isMirror(pod) && !pod.metadata.deletionTimestamp,
  );
}

/** Why the node may not go, whoever looks for other places; undefined when it may. */
export function obstacle(node: NodeInfo, budgets: readonly PodDisruptionBudget[]): string | undefined {
  if (node.node.metadata.annotations?.[NO_SCALE_DOWN] === 'true') return 'ScaleDownDisabledAnnotation';
  const left = new Map(budgets.map((budget) => [budget, budget.status.disruptionsAllowed ?? 0]));
  for (const { pod } of movable(node)) {
    const { namespace, labels, annotations } = pod.metadata;
    const safe = annotations?.[SAFE];
    if (safe === 'false') return 'NotSafeToEvictAnnotation';
    if (safe !== 'true') {
      if (!controllerOf(pod)) return 'NotReplicated';
      if (hasLocalStorage(pod)) return 'LocalStorageRequested';
    }
    const own = budgets.filter(
      (budget) => budget.metadata.namespace === namespace && matchLabelSelector(budget.spec.selector, labels),
    );
    if (namespace === 'kube-system' && !own.length && safe !== 'true') return 'UnmovableKubeSystemPod';
    for (const budget of own) {
      const allowed = (left.get(budget) ?? 0) - 1;
      left.set(budget, allowed);
      if (allowed < 0) return 'NotEnoughPdb';
    }
  }
  return undefined;
}

/** Volumes whose content ends with the pod. What is in memory only does not count, as upstream. */
function hasLocalStorage(pod: Pod): boolean {
  const safe = (
    pod.metadata.annotations?.['cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes'] ?? ''
  ).split(',');
  return (
    pod.spec.volumes?.some(
      ({ name, hostPath, emptyDir }) =>
        !safe.includes(name) && (hostPath !== undefined || (emptyDir && emptyDir.medium !== 'Memory')),
    ) === true
  );
}

/** The cluster after the node's pods have moved; undefined when one finds no place. */
export function withoutNode(node: NodeInfo, snapshot: Snapshot): Snapshot | undefined {
  const nodes = snapshot.nodes.filter((other) => other.name !== node.name).map((other) => other.with([]));
  const rest: Snapshot = { nodes, namespaceLabels: (ns) => snapshot.namespaceLabels(ns) };
  for (const info of movable(node)) {
    const { nodeName: _, ...spec } = info.pod.spec;
    const pod = { ...info.pod, spec } as Pod;
    const moved = { ...info, pod };
    const decision = schedule(moved, rest, { random: () => 0 });
    if (!('node' in decision)) return undefined;
    decision.node.add(moved);
  }
  return rest;
}

export interface Idle {
  node: NodeInfo;
  empty: boolean;
}

/**
 * The nodes that may go, all of them together: each one's pods fit on what is left when those before are gone. Empty nodes first.
 * @param candidates nodes of pools above their minimum
 */
export function unneeded(
  candidates: readonly NodeInfo[],
  snapshot: Snapshot,
  budgets: readonly PodDisruptionBudget[],
  threshold = THRESHOLD,
): Idle[] {
  const found: Idle[] = [];
  const low = candidates
    .filter((node) => utilization(node) < threshold && obstacle(node, budgets) === undefined)
    .sort((a, b) => movable(a).length - movable(b).length || (a.name < b.name ? 1 : -1));
  let world = snapshot;
  for (const node of low) {
    // It may have taken in pods of those before.
    const now = world.nodes.find((other) => other.name === node.name) ?? node;
    const rest = withoutNode(now, world);
    if (!rest) continue;
    found.push({ node, empty: movable(node).length === 0 });
    world = rest;
  }
  return found;
}
