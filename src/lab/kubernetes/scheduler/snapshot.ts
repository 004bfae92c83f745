// The cluster as one scheduling decision sees it.

import { matchLabelSelector } from '../../../kube/selector.ts';
import type { LabelSelector } from '../controllers/common/objects.ts';
import type { NodeInfo, PodInfo } from './node-info.ts';

export interface Snapshot {
  readonly nodes: readonly NodeInfo[];
  namespaceLabels(namespace: string): Record<string, string> | undefined;
}

/** Whether an affinity term of a pod in `home` selects the other pod. */
export function termSelects(
  term: { labelSelector?: LabelSelector; namespaces?: string[]; namespaceSelector?: LabelSelector },
  home: string,
  other: PodInfo,
  snapshot: Snapshot,
): boolean {
  const { namespace, labels } = other.pod.metadata;
  const { namespaces, namespaceSelector } = term;
  const listed =
    namespaces?.length || namespaceSelector ? namespaces?.includes(namespace) : namespace === home;
  if (
    !listed &&
    !(namespaceSelector && matchLabelSelector(namespaceSelector, snapshot.namespaceLabels(namespace)))
  )
    return false;
  return matchLabelSelector(term.labelSelector, labels);
}

/** Counts by `topology key` and value. */
export class TopologyCounts {
  readonly #counts = new Map<string, number>();

  add(key: string, value: string, by: number): void {
    const at = `${key}\n${value}`;
    this.#counts.set(at, (this.#counts.get(at) ?? 0) + by);
  }

  get(key: string, value: string): number {
    return this.#counts.get(`${key}\n${value}`) ?? 0;
  }

  get size(): number {
    return this.#counts.size;
  }
}
