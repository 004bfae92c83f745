// Whether a pod can run on a node, and if not, why: the filters of the default profile in their order.

import { matchesNode } from '../../../kube/node-selector.ts';
import { InterPodState } from './inter-pod.ts';
import { type NodeInfo, type PodInfo, portsConflict } from './node-info.ts';
import type { Snapshot } from './snapshot.ts';
import { isTolerated, UNSCHEDULABLE_TAINT, untolerated } from './taints.ts';
import { SpreadState } from './topology-spread.ts';

export interface Misfit {
  /** Upstream's words; several when several resources are short. */
  reasons: string[];
  /** Whether no preemption on this node could help. */
  hard: boolean;
}

/** The filters for one pod and one snapshot; what they have in common for all nodes is worked out once. */
export class Filters {
  readonly #pod: PodInfo;
  readonly #spread: SpreadState;
  readonly #interPod: InterPodState;

  constructor(pod: PodInfo, snapshot: Snapshot) {
    this.#pod = pod;
    this.#spread = new SpreadState(pod, snapshot);
    this.#interPod = new InterPodState(pod, snapshot);
  }

  /** undefined when the pod fits. */
  check(info: NodeInfo): Misfit | undefined {
    const { spec } = this.#pod.pod;
    const { node } = info;
    if (node.spec.unschedulable && !isTolerated(UNSCHEDULABLE_TAINT, spec.tolerations))
      return hard('node(s) were unschedulable');
    if (spec.nodeName && spec.nodeName !== node.metadata.name)
      return hard("node(s) didn't match the requested node name");
    const taint = untolerated(spec, node.spec.taints);
    if (taint) return hard(`node(s) had untolerated taint {${taint.key}: ${taint.value ?? ''}}`);
    if (!matchesNode(spec, node)) return hard("node(s) didn't match Pod's node affinity/selector");
    if (portsTaken(this.#pod, info))
      return soft(["node(s) didn't have free ports for the requested pod ports"]);
    const short = shortages(this.#pod, info);
    if (short) return short;
    for (const state of [this.#spread, this.#interPod]) {
      const failure = state.check(info);
      if (failure) return { reasons: [failure.reason], hard: failure.hard };
    }
    return undefined;
  }
}

const hard = (reason: string): Misfit => ({ reasons: [reason], hard: true });
const soft = (reasons: string[]): Misfit => ({ reasons, hard: false });

function portsTaken(pod: PodInfo, node: NodeInfo): boolean {
  if (!pod.ports.length) return false;
  for (const other of node.pods.values())
    for (const taken of other.ports) if (pod.ports.some((port) => portsConflict(port, taken))) return true;
  return false;
}

/** What the node has too little of: places for pods, then cpu, memory, ephemeral storage, the rest. */
export function shortages(pod: PodInfo, node: NodeInfo): Misfit | undefined {
  const reasons: string[] = [];
  let impossible = false;
  const { allocatable, requested } = node;
  if (node.pods.size + 1 > (allocatable.pods ?? 0)) reasons.push('Too many pods');
  for (const resource of inOrder(pod.requests)) {
    const wanted = pod.requests[resource] ?? 0;
    if (wanted <= 0) continue;
    const total = allocatable[resource] ?? 0;
    if (wanted > total - (requested[resource] ?? 0)) {
      reasons.push(`Insufficient ${resource}`);
      impossible ||= wanted > total;
    }
  }
  return reasons.length ? { reasons, hard: impossible } : undefined;
}

const FIRST = ['cpu', 'memory', 'ephemeral-storage'];
function inOrder(requests: Record<string, number>): string[] {
  return [...FIRST, ...Object.keys(requests).filter((r) => !FIRST.includes(r) && r !== 'pods')];
}
