// Turns the pods' events into work for the controller that owns them.
import type { Informer } from '../../../../kube/informer.ts';
import type { ResourceType } from '../../../../kube/resources.ts';
import { matchLabelSelector } from '../../../../kube/selector.ts';
import type { WorkQueue } from '../../../../kube/work-queue.ts';
import type { Expectations } from './expectations.ts';
import { keyOf, type LabelSelector, type Owned, type Pod } from './objects.ts';
import { controllerOf } from './owners.ts';

export interface PodOwnerEvents<T extends Owned> {
  type: ResourceType<T>;
  owners: Informer<T & object>;
  pods: Informer<Pod>;
  loop: WorkQueue;
  expectations: Expectations;
  selectorOf(owner: T): LabelSelector | undefined;
  /** Called for each change of an owned pod, before its owner is queued. */
  changed?(owner: T, pod: Pod): void;
}

/** Queues owners when they or their pods change, and tells the expectations what the cache shows. */
export function followPods<T extends Owned>(of: PodOwnerEvents<T>): void {
  const { owners, pods, loop, expectations, type } = of;
  const ownerOf = (pod: Pod): T | undefined => {
    const ref = controllerOf(pod);
    if (ref?.kind !== type.kind || !ref.apiVersion.startsWith(type.group)) return undefined;
    const owner = owners.get(`${pod.metadata.namespace}/${ref.name}`);
    return owner?.metadata.uid === ref.uid ? owner : undefined;
  };
  const queue = (pod: Pod): void => {
    const owner = ownerOf(pod);
    if (owner) {
      of.changed?.(owner, pod);
      loop.add(keyOf(owner));
    } else if (!controllerOf(pod)) {
      // An orphan: whoever selects it may adopt it.
      for (const candidate of owners.list())
        if (
          candidate.metadata.namespace === pod.metadata.namespace &&
          matchLabelSelector(of.selectorOf(candidate), pod.metadata.labels)
        )
          loop.add(keyOf(candidate));
    }
  };
  owners.on('add', (o) => loop.add(keyOf(o)));
  owners.on('update', (o) => loop.add(keyOf(o)));
  owners.on('delete', (o) => {
    expectations.forget(keyOf(o));
    loop.add(keyOf(o));
  });
  pods.on('add', (pod) => {
    const owner = ownerOf(pod);
    if (owner) {
      expectations.creationObserved(keyOf(owner));
      if (pod.metadata.deletionTimestamp) expectations.deletionObserved(keyOf(owner), pod.metadata.uid);
    }
    queue(pod);
  });
  pods.on('update', (pod, old) => {
    const owner = ownerOf(pod);
    if (owner && pod.metadata.deletionTimestamp)
      expectations.deletionObserved(keyOf(owner), pod.metadata.uid);
    if (controllerOf(old)?.uid !== controllerOf(pod)?.uid) queue(old);
    queue(pod);
  });
  pods.on('delete', (pod) => {
    const owner = ownerOf(pod);
    if (owner) expectations.deletionObserved(keyOf(owner), pod.metadata.uid);
    queue(pod);
  });
}
