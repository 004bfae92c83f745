// Affinity and anti-affinity between pods.
import type { NodeInfo, PodInfo } from './node-info.ts';
import { type Snapshot, TopologyCounts, termSelects } from './snapshot.ts';

export const AFFINITY_REASON = "node(s) didn't match pod affinity rules";
export const ANTI_AFFINITY_REASON = "node(s) didn't match pod anti-affinity rules";
export const EXISTING_REASON = "node(s) didn't satisfy existing pods anti-affinity rules";

/** The weight of a running pod's required affinity for the incoming one, in scores. */
const HARD_WEIGHT = 1;

/** Where pods are that the incoming pod wants near or far, and where pods are that want it far. */
export class InterPodState {
  readonly #pod: PodInfo;
  /** Topologies with a pod that all required affinity terms select. */
  readonly #near = new TopologyCounts();
  readonly #far = new TopologyCounts();
  readonly #repelling = new TopologyCounts();

  constructor(pod: PodInfo, snapshot: Snapshot) {
    this.#pod = pod;
    const home = pod.pod.metadata.namespace;
    for (const node of snapshot.nodes) {
      const labels = node.node.metadata.labels ?? {};
      for (const other of node.pods.values()) {
        for (const term of other.antiAffinity) {
          const value = labels[term.topologyKey];
          if (value !== undefined && termSelects(term, other.pod.metadata.namespace, pod, snapshot))
            this.#repelling.add(term.topologyKey, value, 1);
        }
        if (pod.affinity.length && pod.affinity.every((term) => termSelects(term, home, other, snapshot)))
          for (const { topologyKey } of pod.affinity) {
            const value = labels[topologyKey];
            if (value !== undefined) this.#near.add(topologyKey, value, 1);
          }
        for (const term of pod.antiAffinity) {
          const value = labels[term.topologyKey];
          if (value !== undefined && termSelects(term, home, other, snapshot))
            this.#far.add(term.topologyKey, value, 1);
        }
      }
    }
    // The first pod of a group that wants to be together has nobody to be near to.
    this.#first =
      this.#near.size === 0 && pod.affinity.every((term) => termSelects(term, home, pod, snapshot));
  }

  readonly #first: boolean;

  /** Why the node does not do; `hard` when no preemption helps. */
  check(node: NodeInfo): { reason: string; hard: boolean } | undefined {
    const labels = node.node.metadata.labels ?? {};
    for (const { topologyKey } of this.#pod.affinity) {
      const value = labels[topologyKey];
      if (value === undefined) return { reason: AFFINITY_REASON, hard: true };
      if (!this.#first && !this.#near.get(topologyKey, value)) return { reason: AFFINITY_REASON, hard: true };
    }
    for (const { topologyKey } of this.#pod.antiAffinity) {
      const value = labels[topologyKey];
      if (value !== undefined && this.#far.get(topologyKey, value))
        return { reason: ANTI_AFFINITY_REASON, hard: false };
    }
    if (this.#repelling.size)
      for (const key in labels)
        if (this.#repelling.get(key, labels[key] ?? '')) return { reason: EXISTING_REASON, hard: false };
    return undefined;
  }
}

/** Raw scores by preferred terms of the pod and of those that run. */
export function interPodScores(
  pod: PodInfo,
  snapshot: Snapshot,
  nodes: readonly NodeInfo[],
): number[] | undefined {
  const weights = new TopologyCounts();
  const home = pod.pod.metadata.namespace;
  for (const node of snapshot.nodes) {
    const labels = node.node.metadata.labels ?? {};
    for (const other of node.pods.values()) {
      for (const { weight, term } of pod.preferred) {
        const value = labels[term.topologyKey];
        if (value !== undefined && termSelects(term, home, other, snapshot))
          weights.add(term.topologyKey, value, weight);
      }
      const theirs = other.pod.metadata.namespace;
      for (const { weight, term } of other.preferred) {
        const value = labels[term.topologyKey];
        if (value !== undefined && termSelects(term, theirs, pod, snapshot))
          weights.add(term.topologyKey, value, weight);
      }
      for (const term of other.affinity) {
        const value = labels[term.topologyKey];
        if (value !== undefined && termSelects(term, theirs, pod, snapshot))
          weights.add(term.topologyKey, value, HARD_WEIGHT);
      }
    }
  }
  if (!weights.size) return undefined;
  return nodes.map(({ node }) =>
    Object.entries(node.metadata.labels ?? {}).reduce(
      (sum, [key, value]) => sum + weights.get(key, value),
      0,
    ),
  );
}
