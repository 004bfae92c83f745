// One scheduling decision. Pure.
import { Filters, type Misfit } from './filters.ts';
import { pinnedNodes } from './node-affinity.ts';
import type { NodeInfo, PodInfo } from './node-info.ts';
import { scores } from './scores.ts';
import type { Snapshot } from './snapshot.ts';

export type Decision = { node: NodeInfo } | { misfits: Map<string, Misfit> };

/** A node that matchFields leaves out is not looked at. */
const PINNED_ELSEWHERE = "node(s) didn't match Pod's node affinity/selector";

export interface ScheduleOptions {
  /** Pods of at least the same priority that are promised to a node (by preemption) and not there yet. */
  nominated?: ReadonlyMap<string, readonly PodInfo[]> | undefined;
  /** Chooses among the best; 0 ≤ value < 1. */
  random?: () => number;
  /** Where the search starts: with many nodes only so many that fit are looked for, and each search begins elsewhere. */
  offset?: number;
}

/** How many nodes that fit are enough: all up to 100, then a share that falls from 50 % to 5 %. */
export function enoughNodes(count: number): number {
  if (count <= 100) return count;
  return Math.max(100, Math.floor((count * Math.max(5, 50 - count / 125)) / 100));
}

/** Picks the node for a pod, or says for each node why not. */
export function schedule(pod: PodInfo, snapshot: Snapshot, options: ScheduleOptions = {}): Decision {
  const { nominated, random = Math.random, offset = 0 } = options;
  const filters = new Filters(pod, snapshot);
  const pinned = pinnedNodes(pod.pod.spec);
  const misfits = new Map<string, Misfit>();
  const fitting: NodeInfo[] = [];
  const { nodes } = snapshot;
  const enough = enoughNodes(nodes.length);
  for (let i = 0; i < nodes.length && fitting.length < enough; i++) {
    const node = nodes[(i + offset) % nodes.length] as NodeInfo;
    if (pinned && !pinned.has(node.name)) {
      misfits.set(node.name, { reasons: [PINNED_ELSEWHERE], hard: true });
      continue;
    }
    const misfit = filters.check(node) ?? withNominated(pod, node, snapshot, nominated?.get(node.name));
    if (misfit) misfits.set(node.name, misfit);
    else fitting.push(node);
  }
  if (!fitting.length) return { misfits };
  const [only] = fitting;
  if (fitting.length === 1 && only) return { node: only };
  const values = scores(pod, snapshot, fitting);
  const best = Math.max(...values);
  const winners = fitting.filter((_, i) => (values[i] ?? 0) >= best - 1e-9);
  return { node: winners[Math.floor(random() * winners.length)] ?? (fitting[0] as NodeInfo) };
}

/** The check once more, as if the pods promised to the node were there. */
function withNominated(
  pod: PodInfo,
  node: NodeInfo,
  snapshot: Snapshot,
  promised: readonly PodInfo[] | undefined,
): Misfit | undefined {
  const others = promised?.filter(
    (other) => other.priority >= pod.priority && other.pod.metadata.uid !== pod.pod.metadata.uid,
  );
  if (!others?.length) return undefined;
  const filled = node.with([], others);
  return new Filters(pod, replacing(snapshot, filled)).check(filled);
}

/** The snapshot with another version of one node. */
export function replacing(snapshot: Snapshot, node: NodeInfo): Snapshot {
  return {
    nodes: snapshot.nodes.map((other) => (other.name === node.name ? node : other)),
    namespaceLabels: (namespace) => snapshot.namespaceLabels(namespace),
  };
}

/** `0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient cpu.` */
export function misfitMessage(nodes: number, misfits: Iterable<Misfit>): string {
  if (!nodes) return 'no nodes available to schedule pods';
  const counts = new Map<string, number>();
  for (const { reasons } of misfits)
    for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const parts = [...counts].map(([reason, n]) => `${n} ${reason}`).sort();
  return `0/${nodes} nodes are available: ${parts.join(', ')}.`;
}
