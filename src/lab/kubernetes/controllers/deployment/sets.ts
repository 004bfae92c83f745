// Which ReplicaSet holds the Deployment's template, and what a new one looks like. Pure.
import { same, templateHash } from '../common/hash.ts';
import type { Deployment, NewReplicaSet, PodTemplate, ReplicaSet } from '../common/objects.ts';
import { DEPLOYMENTS } from '../common/objects.ts';
import { controllerRef } from '../common/owners.ts';
import { currentAnnotations, revisionOf } from './annotations.ts';
import { newSetSize } from './scaling.ts';

export const HASH_LABEL = 'pod-template-hash';

/** A template without the label that tells its ReplicaSets apart. */
function withoutHash(template: PodTemplate | undefined): PodTemplate {
  const { [HASH_LABEL]: _, ...labels } = template?.metadata?.labels ?? {};
  return { ...template, metadata: { ...withoutTime(template?.metadata), labels } };
}

function withoutTime(metadata: PodTemplate['metadata']): object {
  const { creationTimestamp: _, labels: __, ...rest } = metadata ?? {};
  return rest;
}

export function sameTemplate(a: PodTemplate | undefined, b: PodTemplate | undefined): boolean {
  return same(withoutHash(a), withoutHash(b));
}

/** The ReplicaSet of the current template: the oldest, should there be several. The others, newest revision last. */
export function splitSets(
  d: Deployment,
  sets: readonly ReplicaSet[],
): { current: ReplicaSet | undefined; old: ReplicaSet[] } {
  const byAge = [...sets].sort((a, b) =>
    a.metadata.creationTimestamp === b.metadata.creationTimestamp
      ? a.metadata.name.localeCompare(b.metadata.name)
      : a.metadata.creationTimestamp < b.metadata.creationTimestamp
        ? -1
        : 1,
  );
  const current = byAge.find((rs) => sameTemplate(rs.spec.template, d.spec.template));
  return { current, old: byAge.filter((rs) => rs !== current) };
}

/** The ReplicaSet for the Deployment's template. */
export function newSet(d: Deployment, old: readonly ReplicaSet[], revision: number): NewReplicaSet {
  const hash = templateHash(withoutHash(d.spec.template), d.status.collisionCount);
  const { template } = d.spec;
  const labels = { ...template.metadata?.labels, [HASH_LABEL]: hash };
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name: `${d.metadata.name}-${hash}`,
      namespace: d.metadata.namespace,
      labels,
      annotations: currentAnnotations(d, undefined, revision),
      ownerReferences: [controllerRef(DEPLOYMENTS, d)],
    },
    spec: {
      replicas: newSetSize(d, old, 0),
      ...(d.spec.minReadySeconds && { minReadySeconds: d.spec.minReadySeconds }),
      selector: {
        ...d.spec.selector,
        matchLabels: { ...d.spec.selector.matchLabels, [HASH_LABEL]: hash },
      },
      template: { ...structuredClone(template), metadata: { ...template.metadata, labels } },
    },
  };
}

/** Old ReplicaSets beyond the history limit that may go: empty, settled, lowest revision first. */
export function surplusHistory(d: Deployment, old: readonly ReplicaSet[]): ReplicaSet[] {
  const limit = d.spec.revisionHistoryLimit ?? 10;
  const alive = old.filter((rs) => !rs.metadata.deletionTimestamp);
  const surplus = alive.length - limit;
  if (surplus <= 0) return [];
  return [...alive]
    .sort((a, b) => revisionOf(a) - revisionOf(b))
    .slice(0, surplus)
    .filter(
      (rs) =>
        !rs.status.replicas &&
        rs.spec.replicas === 0 &&
        rs.metadata.generation <= (rs.status.observedGeneration ?? 0),
    );
}
