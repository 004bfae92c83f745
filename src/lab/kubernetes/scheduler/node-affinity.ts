// nodeSelector and node affinity.
import { matchRequirements, type Operator } from '../../../kube/selector.ts';
import { hasLabels } from '../controllers/common/labels.ts';
import type { Node, NodeSelectorTerm, PodSpec } from '../controllers/common/objects.ts';

/** Whether a term selects the node. A term without expressions selects none. */
export function matchesTerm(term: NodeSelectorTerm, node: Node): boolean {
  const { matchExpressions = [], matchFields = [] } = term;
  if (!matchExpressions.length && !matchFields.length) return false;
  const fields = { 'metadata.name': node.metadata.name };
  return (
    matchRequirements(requirements(matchExpressions), node.metadata.labels) &&
    matchRequirements(requirements(matchFields), fields)
  );
}

function requirements(
  expressions: NonNullable<NodeSelectorTerm['matchExpressions']>,
): { key: string; operator: Operator; values: string[] }[] {
  return expressions.map(({ key, operator, values = [] }) => ({
    key,
    operator: operator as Operator,
    values,
  }));
}

/** Whether nodeSelector and required node affinity allow the node. */
export function matchesNode(spec: PodSpec, node: Node): boolean {
  if (!hasLabels(node.metadata.labels, spec.nodeSelector)) return false;
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return !required || required.nodeSelectorTerms.some((term) => matchesTerm(term, node));
}

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
