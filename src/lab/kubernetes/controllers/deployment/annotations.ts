// Annotations with which a Deployment keeps its history on its ReplicaSets.
import type { Deployment, ReplicaSet } from '../common/objects.ts';
import { surgeOf } from './limits.ts';

export const REVISION = 'deployment.kubernetes.io/revision';
export const REVISION_HISTORY = 'deployment.kubernetes.io/revision-history';
export const DESIRED_REPLICAS = 'deployment.kubernetes.io/desired-replicas';
export const MAX_REPLICAS = 'deployment.kubernetes.io/max-replicas';

type Annotations = Record<string, string>;

/** Not copied from a Deployment to its ReplicaSets. */
const OWN = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  REVISION,
  REVISION_HISTORY,
  DESIRED_REPLICAS,
  MAX_REPLICAS,
  'deprecated.deployment.rollback.to',
]);

/** The revision of a ReplicaSet or Deployment; 0 when it has none. */
export function revisionOf(o: { metadata: { annotations?: Annotations } }): number {
  const text = o.metadata.annotations?.[REVISION];
  return text && /^[0-9]{1,15}$/.test(text) ? Number(text) : 0;
}

export function lastRevision(sets: readonly ReplicaSet[]): number {
  return Math.max(0, ...sets.map(revisionOf));
}

/** The annotations that say what size the Deployment had in mind: how a later scaling is told from a rollout. */
export function sizeAnnotations(d: Deployment): Annotations {
  const replicas = d.spec.replicas ?? 1;
  return { [DESIRED_REPLICAS]: String(replicas), [MAX_REPLICAS]: String(replicas + surgeOf(d)) };
}

/** The annotations of the ReplicaSet that holds the Deployment's current template, given those it has. */
export function currentAnnotations(
  d: Deployment,
  existing: Annotations | undefined,
  revision: number,
): Annotations {
  const result: Annotations = { ...existing };
  for (const [key, value] of Object.entries(d.metadata.annotations ?? {}))
    if (!OWN.has(key)) result[key] = value;
  const old = existing?.[REVISION];
  if (Number(old ?? 0) < revision) {
    result[REVISION] = String(revision);
    // A template that was current before keeps the numbers it had: `kubectl rollout history` shows the last.
    if (old) {
      const history = existing?.[REVISION_HISTORY];
      result[REVISION_HISTORY] = history ? `${history},${old}` : old;
    }
  }
  return existing ? result : { ...result, ...sizeAnnotations(d) };
}
