// What controllers ask about pods.
import type { ResourceType } from '../../../../kube/resources.ts';
import type { NewPod, Owned, Pod, PodCondition, PodTemplate } from './objects.ts';
import { controllerRef } from './owners.ts';

export function podCondition(pod: Pod, type: string): PodCondition | undefined {
  return pod.status.conditions?.find((c) => c.type === type);
}

export function isReady(pod: Pod): boolean {
  return podCondition(pod, 'Ready')?.status === 'True';
}

/** Succeeded or Failed. */
export function isTerminal(pod: Pod): boolean {
  return pod.status.phase === 'Succeeded' || pod.status.phase === 'Failed';
}

/** Neither finished nor being deleted. */
export function isActive(pod: Pod): boolean {
  return !isTerminal(pod) && !pod.metadata.deletionTimestamp;
}

/** Ready for at least `minReadySeconds`. `now` in ms since the epoch. */
export function isAvailable(pod: Pod, minReadySeconds: number, now: number): boolean {
  return availableAt(pod, minReadySeconds) <= now;
}

/** When the pod is (or was) available, in ms; Infinity while it is not ready. */
export function availableAt(pod: Pod, minReadySeconds: number): number {
  const ready = podCondition(pod, 'Ready');
  if (ready?.status !== 'True') return Number.POSITIVE_INFINITY;
  if (!minReadySeconds) return 0;
  const since = Date.parse(ready.lastTransitionTime ?? '');
  return Number.isNaN(since) ? Number.POSITIVE_INFINITY : since + minReadySeconds * 1000;
}

/** A pod from a template, owned by its controller. The API server completes the name. */
export function podFromTemplate(
  template: PodTemplate,
  owner: Owned,
  ownerType: ResourceType<unknown>,
  name: { name: string } | { generateName: string },
): NewPod {
  const { labels, annotations, finalizers } = template.metadata ?? {};
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...name,
      namespace: owner.metadata.namespace,
      ...(labels && { labels: { ...labels } }),
      ...(annotations && { annotations: { ...annotations } }),
      ...(finalizers && { finalizers: [...finalizers] }),
      ownerReferences: [controllerRef(ownerType, owner)],
    },
    spec: structuredClone(template.spec ?? { containers: [] }),
  };
}

/** The prefix of generated names: `name-`, shortened so that the random end fits. */
export function namePrefix(name: string): string {
  return `${name.slice(0, 57)}-`;
}
