// Names, labels, host names and volumes of a StatefulSet's pods. Pure.
import { same } from '../common/hash.ts';
import {
  type NewPod,
  type PersistentVolumeClaim,
  type Pod,
  type PodTemplate,
  STATEFUL_SETS,
  type StatefulSet,
} from '../common/objects.ts';
import { podFromTemplate } from '../common/pods.ts';
import { REVISION_HASH } from '../common/revisions.ts';

const POD_NAME = 'statefulset.kubernetes.io/pod-name';
const POD_INDEX = 'apps.kubernetes.io/pod-index';

export const podName = (set: StatefulSet, ordinal: number): string => `${set.metadata.name}-${ordinal}`;

/** The pod's number; undefined when the pod's name is not one of the set's. */
export function ordinalOf(set: StatefulSet, pod: Pod): number | undefined {
  const prefix = `${set.metadata.name}-`;
  const { name } = pod.metadata;
  const text = name.startsWith(prefix) ? name.slice(prefix.length) : '';
  return /^(0|[1-9][0-9]{0,8})$/.test(text) ? Number(text) : undefined;
}

export const claimName = (template: string, set: StatefulSet, ordinal: number): string =>
  `${template}-${podName(set, ordinal)}`;

/** The pod of an ordinal, from the template of a revision. */
export function statefulPod(
  set: StatefulSet,
  template: PodTemplate,
  ordinal: number,
  revision: string,
): NewPod {
  const name = podName(set, ordinal);
  const pod = podFromTemplate(template, set, STATEFUL_SETS, { name });
  pod.metadata = {
    ...pod.metadata,
    labels: {
      ...pod.metadata?.labels,
      [POD_NAME]: name,
      [POD_INDEX]: String(ordinal),
      [REVISION_HASH]: revision,
    },
  };
  const spec = pod.spec ?? { containers: [] };
  spec.hostname = name;
  if (set.spec.serviceName) spec.subdomain = set.spec.serviceName;
  const claims = set.spec.volumeClaimTemplates ?? [];
  const names = new Set(claims.map((claim) => claim.metadata?.name));
  const volumes = claims.map(({ metadata }) => ({
    name: metadata?.name ?? '',
    persistentVolumeClaim: { claimName: claimName(metadata?.name ?? '', set, ordinal) },
  }));
  if (volumes.length)
    spec.volumes = [...volumes, ...(spec.volumes ?? []).filter((volume) => !names.has(volume.name))];
  pod.spec = spec;
  return pod;
}

/** The claims of an ordinal's pod. */
export function statefulClaims(set: StatefulSet, ordinal: number): Partial<PersistentVolumeClaim>[] {
  return (set.spec.volumeClaimTemplates ?? []).map((template) => ({
    ...template,
    metadata: {
      ...template.metadata,
      name: claimName(template.metadata?.name ?? '', set, ordinal),
      namespace: set.metadata.namespace,
      labels: { ...template.metadata?.labels, ...set.spec.selector.matchLabels },
    } as PersistentVolumeClaim['metadata'],
  }));
}

/** The labels that a pod of the set has lost; undefined when it has them. */
export function missingIdentity(set: StatefulSet, pod: Pod): Record<string, string> | undefined {
  const ordinal = ordinalOf(set, pod);
  const wanted = { [POD_NAME]: pod.metadata.name, [POD_INDEX]: String(ordinal) };
  const have = { [POD_NAME]: pod.metadata.labels?.[POD_NAME], [POD_INDEX]: pod.metadata.labels?.[POD_INDEX] };
  return same(wanted, have) ? undefined : wanted;
}
