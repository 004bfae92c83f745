import { matchRequirements, type Operator } from './selector.ts';
import type { Node, PodSpec } from './types.ts';

type NodeAffinity = NonNullable<NonNullable<PodSpec['affinity']>['nodeAffinity']>;
type Required = NonNullable<NodeAffinity['requiredDuringSchedulingIgnoredDuringExecution']>;
export type NodeSelectorTerm = Required['nodeSelectorTerms'][number];

/** What of a node selectors speak of. */
export type SelectableNode = Pick<Node, 'metadata'>;

/** What of a pod names the nodes that it may run on. */
export type NodeChoice = Pick<PodSpec, 'nodeSelector' | 'affinity'>;

function holds(
  expressions: NonNullable<NodeSelectorTerm['matchExpressions']>,
  values: Readonly<Record<string, string>> | undefined,
): boolean {
  return matchRequirements(
    expressions.map(({ key, operator, values = [] }) => ({ key, operator: operator as Operator, values })),
    values,
  );
}

/** Whether a term selects the node. A term without expressions selects none, nor does one with an unknown operator. */
export function matchesTerm(term: NodeSelectorTerm, { metadata }: SelectableNode): boolean {
  const { matchExpressions = [], matchFields = [] } = term;
  if (!matchExpressions.length && !matchFields.length) return false;
  const fields = { 'metadata.name': metadata?.name ?? '' };
  return holds(matchExpressions, metadata?.labels) && holds(matchFields, fields);
}

/** Whether nodeSelector and required node affinity allow the node. */
export function matchesNode(spec: NodeChoice, node: SelectableNode): boolean {
  const labels = node.metadata?.labels ?? {};
  if (!Object.entries(spec.nodeSelector ?? {}).every(([key, value]) => labels[key] === value)) return false;
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return !required || required.nodeSelectorTerms.some((term) => matchesTerm(term, node));
}
