// Node affinity beyond what every node can judge for itself.
import { matchesTerm } from '../../../kube/node-selector.ts';
import type { Node, PodSpec } from '../controllers/common/objects.ts';

/** The names to which matchFields pins the pod; undefined when it pins it to none (a DaemonSet's pods are pinned). */
export function pinnedNodes(spec: PodSpec): Set<string> | undefined {
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  if (!required?.nodeSelectorTerms.length) return undefined;
  const names = new Set<string>();
  for (const term of required.nodeSelectorTerms) {
    const field = term.matchFields?.find((f) => f.key === 'metadata.name' && f.operator === 'In');
    if (!field) return undefined;
    for (const name of field.values ?? []) names.add(name);
  }
  return names;
}

/** The sum of the weights of the preferred terms that select the node. */
export function preference(spec: PodSpec, node: Node): number {
  let sum = 0;
  for (const { weight, preference: term } of spec.affinity?.nodeAffinity
    ?.preferredDuringSchedulingIgnoredDuringExecution ?? [])
    if (matchesTerm(term, node)) sum += weight;
  return sum;
}
