// How well a pod fits on each of the nodes it fits on: 0 to 100 for each plugin, times the default profile's weights.
import { interPodScores } from './inter-pod.ts';
import { preference } from './node-affinity.ts';
import type { NodeInfo, PodInfo } from './node-info.ts';
import type { Snapshot } from './snapshot.ts';
import { disliked } from './taints.ts';
import { spreadScores } from './topology-spread.ts';

const MAX = 100;
const WEIGHTS = { taints: 3, nodeAffinity: 2, spread: 2, interPod: 2, least: 1, balance: 1 };

export function scores(pod: PodInfo, snapshot: Snapshot, nodes: readonly NodeInfo[]): number[] {
  const total = nodes.map(
    (node) => WEIGHTS.least * leastAllocated(pod, node) + WEIGHTS.balance * balanced(pod, node),
  );
  const addAll = (values: readonly number[] | undefined, weight: number): void => {
    values?.forEach((value, i) => {
      total[i] = (total[i] ?? 0) + weight * value;
    });
  };
  const { spec } = pod.pod;
  addAll(
    normalized(
      nodes.map((n) => disliked(spec, n.node.spec.taints)),
      true,
    ),
    WEIGHTS.taints,
  );
  addAll(normalized(nodes.map((n) => preference(spec, n.node))), WEIGHTS.nodeAffinity);
  addAll(normalizedSpread(spreadScores(pod, snapshot, nodes)), WEIGHTS.spread);
  addAll(spanned(interPodScores(pod, snapshot, nodes)), WEIGHTS.interPod);
  return total;
}

/** By the largest value: 100 for it, or for 0 when less is better. */
function normalized(values: number[], reverse = false): number[] {
  const max = Math.max(0, ...values);
  if (max === 0) return values.map(() => (reverse ? MAX : 0));
  return values.map((value) => (reverse ? MAX - (value * MAX) / max : (value * MAX) / max));
}

/** Between the smallest and the largest. */
function spanned(values: number[] | undefined): number[] | undefined {
  if (!values?.length) return undefined;
  const min = Math.min(...values);
  const span = Math.max(...values) - min;
  return values.map((value) => (span ? (MAX * (value - min)) / span : 0));
}

function normalizedSpread(values: (number | undefined)[] | undefined): number[] | undefined {
  const known = values?.filter((value) => value !== undefined) ?? [];
  if (!values || !known.length) return undefined;
  const max = Math.max(...known);
  const min = Math.min(...known);
  return values.map((value) => (value === undefined ? 0 : max ? (MAX * (max + min - value)) / max : MAX));
}

/** The share of cpu and memory that stays free. */
function leastAllocated(pod: PodInfo, node: NodeInfo): number {
  let sum = 0;
  let count = 0;
  for (const resource of ['cpu', 'memory']) {
    const total = node.allocatable[resource] ?? 0;
    if (!total) continue;
    const used = (node.estimated[resource] ?? 0) + (pod.estimate[resource] ?? 0);
    sum += used > total ? 0 : ((total - used) * MAX) / total;
    count++;
  }
  return count ? sum / count : 0;
}

/** How even the use of cpu and memory is. */
function balanced(pod: PodInfo, node: NodeInfo): number {
  const shares = ['cpu', 'memory'].map((resource) => {
    const total = node.allocatable[resource] ?? 0;
    const used = (node.requested[resource] ?? 0) + (pod.requests[resource] ?? 0);
    return total ? Math.min(1, used / total) : 1;
  });
  return (1 - Math.abs((shares[0] ?? 0) - (shares[1] ?? 0)) / 2) * MAX;
}
