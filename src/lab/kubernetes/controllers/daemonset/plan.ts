// Which nodes run a pod of a DaemonSet, and which pods go. Pure.

import { matchesNode } from '../../../../kube/node-selector.ts';
import { pinnedNodes } from '../../scheduler/node-affinity.ts';
import { untolerated } from '../../scheduler/taints.ts';
import type {
  DaemonSet,
  DaemonSetStatus,
  NewPod,
  Node,
  Pod,
  PodSpec,
  Toleration,
} from '../common/objects.ts';
import { DAEMON_SETS } from '../common/objects.ts';
import { isAvailable, isReady, namePrefix, podFromTemplate } from '../common/pods.ts';
import { scaled } from '../common/quantity.ts';
import { REVISION_HASH } from '../common/revisions.ts';
import { positive } from '../replicaset/plan.ts';

/** What every DaemonSet's pod tolerates, as upstream has it. */
const TOLERATIONS: Toleration[] = [
  { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' },
  { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute' },
  { key: 'node.kubernetes.io/disk-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/memory-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/pid-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/unschedulable', operator: 'Exists', effect: 'NoSchedule' },
];
const NETWORK_TOLERATION: Toleration = {
  key: 'node.kubernetes.io/network-unavailable',
  operator: 'Exists',
  effect: 'NoSchedule',
};

function tolerationsOf(spec: PodSpec): Toleration[] {
  const list = [...(spec.tolerations ?? [])];
  for (const toleration of spec.hostNetwork ? [...TOLERATIONS, NETWORK_TOLERATION] : TOLERATIONS)
    if (
      !list.some((t) => t.key === toleration.key && t.effect === toleration.effect && t.operator === 'Exists')
    )
      list.push(toleration);
  return list;
}

/** Whether a pod is to run on the node, and whether one that is there may stay. */
export function placement(ds: DaemonSet, node: Node): { run: boolean; stay: boolean } {
  const template = ds.spec.template.spec ?? { containers: [] };
  const spec: PodSpec = { ...template, tolerations: tolerationsOf(template) };
  if (spec.nodeName && spec.nodeName !== node.metadata.name) return { run: false, stay: false };
  if (!matchesNode(spec, node)) return { run: false, stay: false };
  if (untolerated(spec, node.spec.taints))
    return { run: false, stay: !untolerated(spec, node.spec.taints, ['NoExecute']) };
  return { run: true, stay: true };
}

/** The pod for one node: pinned by affinity, so that the scheduler accounts for it. */
export function daemonPod(ds: DaemonSet, node: string, hash: string): NewPod {
  const pod = podFromTemplate(ds.spec.template, ds, DAEMON_SETS, {
    generateName: namePrefix(ds.metadata.name),
  });
  const generation = ds.metadata.annotations?.['deprecated.daemonset.template.generation'];
  pod.metadata = {
    ...pod.metadata,
    labels: {
      ...pod.metadata?.labels,
      [REVISION_HASH]: hash,
      ...(generation && { 'pod-template-generation': generation }),
    },
  };
  const spec = pod.spec as PodSpec;
  spec.tolerations = tolerationsOf(spec);
  spec.affinity = {
    ...spec.affinity,
    nodeAffinity: {
      ...spec.affinity?.nodeAffinity,
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [node] }] }],
      },
    },
  };
  return pod;
}

/** The node a pod is on, or is pinned to. */
export function targetNode(pod: Pod): string | undefined {
  if (pod.spec.nodeName) return pod.spec.nodeName;
  const [name] = pinnedNodes(pod.spec) ?? [];
  return name;
}

export interface DaemonPlan {
  create: string[];
  delete: Pod[];
  /** Of those, what had failed. */
  failed: Pod[];
}

export function podsByNode(pods: readonly Pod[]): Map<string, Pod[]> {
  const byNode = new Map<string, Pod[]>();
  for (const pod of pods) {
    const node = targetNode(pod);
    if (node === undefined) continue;
    const list = byNode.get(node);
    if (list) list.push(pod);
    else byNode.set(node, [pod]);
  }
  return byNode;
}

const oldestFirst = (a: Pod, b: Pod): number =>
  Number(!a.spec.nodeName) - Number(!b.spec.nodeName) ||
  (a.metadata.creationTimestamp < b.metadata.creationTimestamp ? -1 : 1);

/** Missing pods made, failed ones replaced, doubles and misplaced ones deleted. */
export function planDaemons(
  ds: DaemonSet,
  nodes: readonly Node[],
  pods: readonly Pod[],
  hash: string,
): DaemonPlan {
  const plan: DaemonPlan = { create: [], delete: [], failed: [] };
  const byNode = podsByNode(pods);
  const surge = rollout(ds, nodes.length).surge > 0;
  for (const node of nodes) {
    const here = byNode.get(node.metadata.name) ?? [];
    byNode.delete(node.metadata.name);
    const { run, stay } = placement(ds, node);
    if (!stay) {
      plan.delete.push(...here.filter((pod) => !pod.metadata.deletionTimestamp));
      continue;
    }
    const running: Pod[] = [];
    let leaving = false;
    for (const pod of here) {
      if (pod.metadata.deletionTimestamp) leaving = true;
      else if (pod.status.phase === 'Failed' || pod.status.phase === 'Succeeded') {
        plan.delete.push(pod);
        if (pod.status.phase === 'Failed') plan.failed.push(pod);
        leaving = true;
      } else running.push(pod);
    }
    if (run && !running.length && !leaving) plan.create.push(node.metadata.name);
    running.sort(oldestFirst);
    if (surge) {
      // During a surge an old and a new pod may stand side by side.
      const fresh = running.filter((pod) => pod.metadata.labels?.[REVISION_HASH] === hash);
      const old = running.filter((pod) => pod.metadata.labels?.[REVISION_HASH] !== hash);
      plan.delete.push(...fresh.slice(1), ...old.slice(1));
    } else plan.delete.push(...running.slice(1));
  }
  // Unassigned pods of nodes that are gone would wait for ever; the assigned ones are the pod garbage collector's.
  for (const rest of byNode.values())
    plan.delete.push(...rest.filter((pod) => !pod.spec.nodeName && !pod.metadata.deletionTimestamp));
  return plan;
}

/** How many nodes may be without a pod, or have two, during an update. */
export function rollout(ds: DaemonSet, wanted: number): { unavailable: number; surge: number } {
  const { maxUnavailable = 1, maxSurge = 0 } = ds.spec.updateStrategy?.rollingUpdate ?? {};
  const surge = scaled(maxSurge, wanted, 'up');
  const unavailable = scaled(maxUnavailable, wanted, 'up');
  return { surge, unavailable: surge === 0 && unavailable === 0 ? 1 : unavailable };
}

/** One step of a rolling update: old pods to delete, nodes for a surge pod. */
export function planUpdate(
  ds: DaemonSet,
  nodes: readonly Node[],
  pods: readonly Pod[],
  hash: string,
  now: number,
): { create: string[]; delete: Pod[] } {
  const targets = nodes.filter((node) => placement(ds, node).run);
  const { unavailable: most, surge: mostSurge } = rollout(ds, targets.length);
  const minReady = ds.spec.minReadySeconds ?? 0;
  const byNode = podsByNode(pods);
  let unavailable = 0;
  let surging = 0;
  const working: Pod[] = [];
  const result: { create: string[]; delete: Pod[] } = { create: [], delete: [] };
  const surgeCandidates: string[] = [];
  for (const { metadata } of targets) {
    const here = (byNode.get(metadata.name) ?? []).filter((pod) => !pod.metadata.deletionTimestamp);
    const fresh = here.find((pod) => pod.metadata.labels?.[REVISION_HASH] === hash);
    const old = here.find((pod) => pod.metadata.labels?.[REVISION_HASH] !== hash);
    const freshWorks = fresh !== undefined && isAvailable(fresh, minReady, now);
    const oldWorks = old !== undefined && isAvailable(old, minReady, now);
    if (mostSurge > 0) {
      if (old && fresh) {
        if (freshWorks || !oldWorks) result.delete.push(old);
        else surging++;
      } else if (old) surgeCandidates.push(metadata.name);
      continue;
    }
    if (!freshWorks && !oldWorks) unavailable++;
    if (!old) continue;
    if (oldWorks) working.push(old);
    // What does not work anyway costs nothing.
    else result.delete.push(old);
  }
  result.create.push(...surgeCandidates.slice(0, Math.max(0, mostSurge - surging)));
  result.delete.push(...working.slice(0, Math.max(0, most - unavailable)));
  return result;
}

export function daemonSetStatus(
  ds: DaemonSet,
  nodes: readonly Node[],
  pods: readonly Pod[],
  hash: string,
  now: number,
): DaemonSetStatus {
  const byNode = podsByNode(pods);
  const n = { desired: 0, current: 0, misscheduled: 0, ready: 0, available: 0, updated: 0 };
  for (const node of nodes) {
    const here = [...(byNode.get(node.metadata.name) ?? [])].sort(oldestFirst);
    const { run } = placement(ds, node);
    if (!run) {
      if (here.length) n.misscheduled++;
      continue;
    }
    n.desired++;
    if (!here.length) continue;
    n.current++;
    const ready = here.filter((pod) => isReady(pod) && !pod.metadata.deletionTimestamp);
    if (ready.length) n.ready++;
    if (ready.some((pod) => isAvailable(pod, ds.spec.minReadySeconds ?? 0, now))) n.available++;
    if (here.some((pod) => pod.metadata.labels?.[REVISION_HASH] === hash && !pod.metadata.deletionTimestamp))
      n.updated++;
  }
  return {
    currentNumberScheduled: n.current,
    numberMisscheduled: n.misscheduled,
    desiredNumberScheduled: n.desired,
    numberReady: n.ready,
    observedGeneration: ds.metadata.generation,
    ...positive({
      updatedNumberScheduled: n.updated,
      numberAvailable: n.available,
      numberUnavailable: n.desired - n.available,
    }),
    ...(ds.status.collisionCount && { collisionCount: ds.status.collisionCount }),
  };
}
