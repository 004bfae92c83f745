// Topology spread constraints.

import { matchesNode } from '../../../kube/node-selector.ts';
import { matchLabelSelector } from '../../../kube/selector.ts';
import type { Pod, TopologySpreadConstraint } from '../controllers/common/objects.ts';
import { controllerOf } from '../controllers/common/owners.ts';
import type { NodeInfo, PodInfo } from './node-info.ts';
import { type Snapshot, TopologyCounts } from './snapshot.ts';
import { untolerated } from './taints.ts';

export const SPREAD_REASON = "node(s) didn't match pod topology spread constraints";
export const SPREAD_LABEL_REASON = `${SPREAD_REASON} (missing required label)`;

interface Constraint {
  spec: TopologySpreadConstraint;
  selects(pod: Pod): boolean;
}

function constraints(pod: Pod, when: 'DoNotSchedule' | 'ScheduleAnyway'): Constraint[] {
  const own = pod.spec.topologySpreadConstraints ?? [];
  const made = own
    .filter((spec) => spec.whenUnsatisfiable === when)
    .map((spec) => ({ spec, selects: selecting(pod, spec) }));
  if (own.length || when === 'DoNotSchedule') return made;
  return defaults(pod);
}

function selecting(pod: Pod, spec: TopologySpreadConstraint): (other: Pod) => boolean {
  const keys = spec.matchLabelKeys ?? [];
  return (other) =>
    other.metadata.namespace === pod.metadata.namespace &&
    !other.metadata.deletionTimestamp &&
    matchLabelSelector(spec.labelSelector, other.metadata.labels) &&
    keys.every((key) => other.metadata.labels?.[key] === pod.metadata.labels?.[key]);
}

/** A workload's pods are spread over nodes and zones also when nobody asks for it, as the default profile does. */
function defaults(pod: Pod): Constraint[] {
  const owner = controllerOf(pod)?.uid;
  if (!owner) return [];
  const selects = (other: Pod): boolean =>
    controllerOf(other)?.uid === owner && !other.metadata.deletionTimestamp;
  return [
    { topologyKey: 'kubernetes.io/hostname', maxSkew: 3, whenUnsatisfiable: 'ScheduleAnyway' },
    { topologyKey: 'topology.kubernetes.io/zone', maxSkew: 5, whenUnsatisfiable: 'ScheduleAnyway' },
  ].map((spec) => ({ spec, selects }));
}

/** Whether a node takes part in the counting of a constraint. */
function counts(pod: Pod, spec: TopologySpreadConstraint, { node }: NodeInfo): boolean {
  if (spec.nodeAffinityPolicy !== 'Ignore' && !matchesNode(pod.spec, node)) return false;
  return !(spec.nodeTaintsPolicy === 'Honor' && untolerated(pod.spec, node.spec.taints));
}

/** The hard constraints of a pod, with the counts of a snapshot. */
export class SpreadState {
  readonly #constraints: { of: Constraint; minimum: number; self: number }[];
  readonly #counts = new TopologyCounts();

  constructor({ pod }: PodInfo, snapshot: Snapshot) {
    const hard = constraints(pod, 'DoNotSchedule');
    const values = hard.map(() => new Set<string>());
    for (const info of hard.length ? snapshot.nodes : []) {
      const labels = info.node.metadata.labels ?? {};
      if (!hard.every(({ spec }) => labels[spec.topologyKey] !== undefined)) continue;
      hard.forEach(({ spec, selects }, i) => {
        if (!counts(pod, spec, info)) return;
        const value = labels[spec.topologyKey] ?? '';
        values[i]?.add(value);
        let n = 0;
        for (const other of info.pods.values()) if (selects(other.pod)) n++;
        this.#counts.add(`${i}/${spec.topologyKey}`, value, n);
      });
    }
    this.#constraints = hard.map((of, i) => {
      const domains = [...(values[i] ?? [])];
      const key = `${i}/${of.spec.topologyKey}`;
      const enough = domains.length >= (of.spec.minDomains ?? 1);
      const minimum =
        domains.length && enough ? Math.min(...domains.map((value) => this.#counts.get(key, value))) : 0;
      return { of, minimum, self: of.selects(pod) ? 1 : 0 };
    });
  }

  check({ node }: NodeInfo): { reason: string; hard: boolean } | undefined {
    const labels = node.metadata.labels ?? {};
    for (const [i, { of, minimum, self }] of this.#constraints.entries()) {
      const { topologyKey, maxSkew } = of.spec;
      const value = labels[topologyKey];
      if (value === undefined) return { reason: SPREAD_LABEL_REASON, hard: true };
      if (this.#counts.get(`${i}/${topologyKey}`, value) + self - minimum > maxSkew)
        return { reason: SPREAD_REASON, hard: false };
    }
    return undefined;
  }
}

/** Raw scores of the soft constraints: less is better; undefined for nodes without the labels. */
export function spreadScores(
  { pod }: PodInfo,
  snapshot: Snapshot,
  nodes: readonly NodeInfo[],
): (number | undefined)[] | undefined {
  const soft = constraints(pod, 'ScheduleAnyway');
  if (!soft.length) return undefined;
  const byDefault = !pod.spec.topologySpreadConstraints?.length;
  const scores: (number | undefined)[] = nodes.map(() => 0);
  for (const { spec, selects } of soft) {
    const count = new TopologyCounts();
    const domains = new Set<string>();
    for (const info of snapshot.nodes) {
      const value = info.node.metadata.labels?.[spec.topologyKey];
      if (value === undefined || !counts(pod, spec, info)) continue;
      let n = 0;
      for (const other of info.pods.values()) if (selects(other.pod)) n++;
      count.add(spec.topologyKey, value, n);
    }
    for (const { node } of nodes) {
      const value = node.metadata.labels?.[spec.topologyKey];
      if (value !== undefined) domains.add(value);
    }
    // Fewer domains, less weight: so that a constraint of few values does not outvote one of many.
    const weight = Math.log(domains.size + 2);
    for (const [i, { node }] of nodes.entries()) {
      const value = node.metadata.labels?.[spec.topologyKey];
      const sum = scores[i];
      if (sum === undefined) continue;
      if (value !== undefined)
        scores[i] = sum + count.get(spec.topologyKey, value) * weight + spec.maxSkew - 1;
      else if (!byDefault) scores[i] = undefined;
    }
  }
  return scores;
}
