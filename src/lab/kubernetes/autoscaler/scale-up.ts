// How many nodes pending pods need, by simulating the scheduler on new nodes. Pure.
import type { Node } from '../controllers/common/objects.ts';
import { isStateTaint } from '../controllers/node/health.ts';
import { Filters } from '../scheduler/filters.ts';
import { NodeInfo, type PodInfo } from '../scheduler/node-info.ts';
import { replacing, schedule } from '../scheduler/schedule.ts';
import type { Snapshot } from '../scheduler/snapshot.ts';
import type { NodePool } from './node-pools.ts';

export interface ScaleUp {
  pool: NodePool;
  count: number;
  pods: PodInfo[];
}

export interface ScaleUpPlan {
  scaleUps: ScaleUp[];
  /** Pods that no new node helps, with why for each pool, counted. */
  hopeless: { pod: PodInfo; reasons: Map<string, number> }[];
}

/** The taint of a node that the autoscaler empties. */
export const TO_BE_DELETED = 'ToBeDeletedByClusterAutoscaler';

let serial = 0;

/** A node of the pool as it would come, with the pods that run on every node. */
export function newNode(pool: NodePool, daemons: readonly PodInfo[] = []): NodeInfo {
  const name = `template-${pool.name}-${serial++}`;
  const { metadata, spec, status } = pool.template;
  const node = {
    ...pool.template,
    metadata: { ...metadata, name, labels: { ...metadata.labels, 'kubernetes.io/hostname': name } },
    // The example may be on its way in, or out.
    spec: {
      ...spec,
      unschedulable: false,
      taints: (spec?.taints ?? []).filter((t) => t.key !== TO_BE_DELETED && !isStateTaint(t)),
    },
    status,
  } as Node;
  const info = new NodeInfo(node);
  const snapshot: Snapshot = { nodes: [info], namespaceLabels: () => undefined };
  for (const daemon of daemons) if (!new Filters(daemon, snapshot).check(info)) info.add(daemon);
  return info;
}

/**
 * The nodes to add for pods that wait. First they are put where there is room already, or will be: on nodes of pools
 * that are on their way. For the rest the pool is taken that holds most of them, of those the one that wastes least; then again.
 */
export function planScaleUp(
  pending: readonly PodInfo[],
  snapshot: Snapshot,
  pools: readonly NodePool[],
  registered: ReadonlyMap<string, number>,
  daemons: readonly PodInfo[] = [],
): ScaleUpPlan {
  let world: Snapshot = { ...snapshot, namespaceLabels: (ns) => snapshot.namespaceLabels(ns) };
  for (const pool of pools) {
    const upcoming = Math.max(0, pool.size - (registered.get(pool.name) ?? 0));
    const nodes = Array.from({ length: upcoming }, () => newNode(pool, daemons));
    world = { ...world, nodes: [...world.nodes, ...nodes] };
  }
  let rest = place(pending, world).unplaced;
  const scaleUps: ScaleUp[] = [];
  const sizes = new Map(pools.map((pool) => [pool.name, pool.size]));
  while (rest.length) {
    const options = pools
      .map((pool) => fill(pool, pool.max - (sizes.get(pool.name) ?? 0), rest, world, daemons))
      .filter((option) => option.pods.length > 0)
      .sort((a, b) => b.pods.length - a.pods.length || a.waste - b.waste);
    const [best] = options;
    if (!best) break;
    scaleUps.push({ pool: best.pool, count: best.nodes.length, pods: best.pods });
    sizes.set(best.pool.name, (sizes.get(best.pool.name) ?? 0) + best.nodes.length);
    world = { ...world, nodes: [...world.nodes, ...best.nodes] };
    const placed = new Set(best.pods);
    rest = rest.filter((pod) => !placed.has(pod));
  }
  const hopeless = rest.map((pod) => ({ pod, reasons: reasonsOf(pod, pools, sizes, world, daemons) }));
  return { scaleUps, hopeless };
}

/** Puts pods on nodes that are there; changes them. */
function place(pods: readonly PodInfo[], world: Snapshot): { unplaced: PodInfo[] } {
  const unplaced: PodInfo[] = [];
  const nodes = world.nodes.map((node) => node.with([]));
  const copy = { ...world, nodes };
  for (const pod of pods) {
    const decision = schedule(pod, copy, { random: () => 0 });
    if ('node' in decision) decision.node.add(pod);
    else unplaced.push(pod);
  }
  return { unplaced };
}

/** As many new nodes of one pool as the pods need and the pool allows. */
function fill(
  pool: NodePool,
  room: number,
  pods: readonly PodInfo[],
  world: Snapshot,
  daemons: readonly PodInfo[],
): { pool: NodePool; nodes: NodeInfo[]; pods: PodInfo[]; waste: number } {
  const nodes: NodeInfo[] = [];
  const placed: PodInfo[] = [];
  let spread = world;
  for (const pod of pods) {
    const filters = new Filters(pod, spread);
    const target = nodes.find((node) => !filters.check(node));
    if (target) {
      target.add(pod);
      placed.push(pod);
      continue;
    }
    if (nodes.length >= room) continue;
    const fresh = newNode(pool, daemons);
    const wider = { ...spread, nodes: [...spread.nodes, fresh] };
    if (new Filters(pod, wider).check(fresh)) continue;
    fresh.add(pod);
    nodes.push(fresh);
    placed.push(pod);
    spread = wider;
  }
  const free = nodes.reduce(
    (sum, { allocatable, requested }) => sum + 1 - (requested.cpu ?? 0) / Math.max(1, allocatable.cpu ?? 1),
    0,
  );
  return { pool, nodes, pods: placed, waste: nodes.length ? free / nodes.length : 1 };
}

function reasonsOf(
  pod: PodInfo,
  pools: readonly NodePool[],
  sizes: ReadonlyMap<string, number>,
  world: Snapshot,
  daemons: readonly PodInfo[],
): Map<string, number> {
  const reasons = new Map<string, number>();
  for (const pool of pools) {
    const fresh = newNode(pool, daemons);
    const misfit = new Filters(pod, replacing({ ...world, nodes: [...world.nodes, fresh] }, fresh)).check(
      fresh,
    );
    const full = (sizes.get(pool.name) ?? 0) >= pool.max;
    const list = full
      ? ['max node group size reached']
      : (misfit?.reasons ?? ['max node group size reached']);
    for (const reason of list) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }
  return reasons;
}
