// Ownership: controller references, adoption and release, as upstream's ControllerRefManager decides them.
import { apiVersionOf, type ResourceType } from '../../../../kube/resources.ts';
import { matchLabelSelector } from '../../../../kube/selector.ts';
import type { AnyObject, LabelSelector, Owned, OwnerReference } from './objects.ts';

/** The reference to the object's managing controller, if it has one. */
export function controllerOf(o: Owned): OwnerReference | undefined {
  return o.metadata.ownerReferences?.find((ref) => ref.controller);
}

/** A controller reference to `owner`. */
export function controllerRef(type: ResourceType<unknown>, owner: Owned): OwnerReference {
  const { name, uid } = owner.metadata;
  return {
    apiVersion: apiVersionOf(type),
    kind: type.kind,
    name,
    uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** Index of informers: the controller's uid, or `orphan/<namespace>` for objects without one. */
export function ownerIndex(o: Owned): string[] {
  return [controllerOf(o)?.uid ?? `orphan/${o.metadata.namespace}`];
}

export interface Claim<T> {
  /** Owned already, or to be once adopted. */
  owned: T[];
  adopt: T[];
  /** Owned, but the selector selects them no more. */
  release: T[];
}

/**
 * Which of the objects belong to the owner: those with its controller reference that its selector selects, and orphans it selects
 * (unless owner or orphan are being deleted).
 * @param also a further condition for adoption
 */
export function claim<T extends Owned>(
  owner: Owned,
  selector: LabelSelector | undefined,
  objects: Iterable<T>,
  also: (o: T) => boolean = () => true,
): Claim<T> {
  const result: Claim<T> = { owned: [], adopt: [], release: [] };
  const ownerGoing = owner.metadata.deletionTimestamp !== undefined;
  for (const o of objects) {
    const ref = controllerOf(o);
    const selected = matchLabelSelector(selector, o.metadata.labels) && also(o);
    if (ref) {
      if (ref.uid !== owner.metadata.uid) continue;
      if (selected) result.owned.push(o);
      else if (!ownerGoing) result.release.push(o);
    } else if (selected && !ownerGoing && !o.metadata.deletionTimestamp) {
      if (o.metadata.namespace !== owner.metadata.namespace) continue;
      result.adopt.push(o);
      result.owned.push(o);
    }
  }
  return result;
}

/** Merge patch that adopts: fails with a conflict when the object changed meanwhile. */
export function adoptPatch(o: Owned, ref: OwnerReference): object {
  const { uid, resourceVersion, ownerReferences = [] } = o.metadata;
  return { metadata: { uid, resourceVersion, ownerReferences: [...ownerReferences, ref] } };
}

/** Merge patch that removes the references to these uids. */
export function releasePatch(o: Owned, uids: Iterable<string>): object {
  const gone = new Set(uids);
  const { uid, resourceVersion, ownerReferences = [] } = o.metadata;
  const rest = ownerReferences.filter((ref) => !gone.has(ref.uid));
  return { metadata: { uid, resourceVersion, ownerReferences: rest.length ? rest : null } };
}

/** A short name of an object for messages. */
export function described(o: AnyObject): string {
  return `${o.kind ?? 'object'} ${o.metadata.namespace}/${o.metadata.name}`;
}
