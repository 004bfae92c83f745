// Whether a node lives, and the taints that its condition asks for. Pure.
import { conditionOf, timestamp } from '../common/conditions.ts';
import type { Node, Taint } from '../common/objects.ts';

type NodeCondition = NonNullable<Node['status']['conditions']>[number];

const NOT_READY = 'node.kubernetes.io/not-ready';
const UNREACHABLE = 'node.kubernetes.io/unreachable';
const UNSCHEDULABLE = 'node.kubernetes.io/unschedulable';

/** Condition taints: what a condition's status means for new pods. */
const TAINTS: [type: string, status: string, key: string][] = [
  ['Ready', 'False', NOT_READY],
  ['Ready', 'Unknown', UNREACHABLE],
  ['MemoryPressure', 'True', 'node.kubernetes.io/memory-pressure'],
  ['DiskPressure', 'True', 'node.kubernetes.io/disk-pressure'],
  ['PIDPressure', 'True', 'node.kubernetes.io/pid-pressure'],
  ['NetworkUnavailable', 'True', 'node.kubernetes.io/network-unavailable'],
];
const OWN_NO_SCHEDULE = new Set([...TAINTS.map(([, , key]) => key), UNSCHEDULABLE]);
const OWN_NO_EXECUTE = new Set([NOT_READY, UNREACHABLE]);

/** The taints the node should have: others' as they are, ours by its conditions. `timeAdded` of those it has is kept. */
export function desiredTaints(node: Node, now: number): Taint[] {
  const wanted: Taint[] = [];
  for (const [type, status, key] of TAINTS)
    if (conditionOf(node.status.conditions, type)?.status === status)
      wanted.push({ key, effect: 'NoSchedule' });
  if (node.spec.unschedulable) wanted.push({ key: UNSCHEDULABLE, effect: 'NoSchedule' });
  const ready = conditionOf(node.status.conditions, 'Ready')?.status;
  if (ready === 'False') wanted.push({ key: NOT_READY, effect: 'NoExecute' });
  if (ready === 'Unknown') wanted.push({ key: UNREACHABLE, effect: 'NoExecute' });
  const old = node.spec.taints ?? [];
  const kept = old.filter((taint) => {
    if (taint.effect === 'NoSchedule' && OWN_NO_SCHEDULE.has(taint.key)) {
      // Until the kubelet has said how it is, what it registered with stands.
      if (ready === undefined && taint.key === NOT_READY) return true;
      return wanted.some((w) => w.key === taint.key && w.effect === taint.effect);
    }
    if (taint.effect === 'NoExecute' && OWN_NO_EXECUTE.has(taint.key))
      return wanted.some((w) => w.key === taint.key && w.effect === taint.effect);
    return true;
  });
  const fresh = wanted.filter((w) => !kept.some((taint) => taint.key === w.key && taint.effect === w.effect));
  return [...kept, ...fresh.map((taint) => ({ ...taint, timeAdded: timestamp(now) }))];
}

/** The conditions of a node of which nothing has been heard; undefined when they say so already. */
export function unknownConditions(node: Node, now: number): NodeCondition[] | undefined {
  const conditions = [...(node.status.conditions ?? [])];
  let changed = false;
  for (const type of ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure']) {
    const at = conditions.findIndex((c) => c.type === type);
    const old = conditions[at];
    if (old?.status === 'Unknown') continue;
    changed = true;
    const made: NodeCondition = old
      ? {
          ...old,
          status: 'Unknown',
          reason: 'NodeStatusUnknown',
          message: 'Kubelet stopped posting node status.',
          lastTransitionTime: timestamp(now),
        }
      : {
          type,
          status: 'Unknown',
          reason: 'NodeStatusNeverUpdated',
          message: 'Kubelet never posted node status.',
          lastHeartbeatTime: node.metadata.creationTimestamp,
          lastTransitionTime: timestamp(now),
        };
    if (at < 0) conditions.push(made);
    else conditions[at] = made;
  }
  return changed ? conditions : undefined;
}

/** Whether a taint speaks of the state that a node is in, and not of what it is: a node that is made after it has none of them. */
export function isStateTaint({ key }: Taint): boolean {
  return OWN_NO_SCHEDULE.has(key) || OWN_NO_EXECUTE.has(key);
}

/** When nodes were last heard of, by our own clock: other machines' clocks, and our own sleep, do not count. */
export class Heartbeats {
  readonly #seen = new Map<string, { lease: string; ready: string; at: number }>();

  /** Notes what lease and node say now. Times in ms. @returns ms since the last sign of life */
  observe(name: string, renewTime: string | undefined, node: Node, now: number): number {
    const ready = conditionOf(node.status.conditions, 'Ready')?.lastHeartbeatTime ?? '';
    const lease = renewTime ?? '';
    const old = this.#seen.get(name);
    if (old && old.lease === lease && old.ready === ready) return now - old.at;
    this.#seen.set(name, { lease, ready, at: now });
    return 0;
  }

  /** We were not running for a while (stopped, asleep): everybody gets their time again. */
  forgive(now: number): void {
    for (const seen of this.#seen.values()) seen.at = now;
  }

  forget(name: string): void {
    this.#seen.delete(name);
  }
}
