// Who owns whom: the garbage collector's picture of all objects. Pure.
import type { ResourceType } from '../../../../kube/resources.ts';
import type { AnyObject, LiveMeta, OwnerReference } from '../common/objects.ts';

export const FOREGROUND = 'foregroundDeletion';
export const ORPHAN = 'orphan';

/** What the collector keeps of an object. */
export interface Item {
  readonly type: ResourceType<unknown>;
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly owners: readonly OwnerReference[];
  readonly finalizers: readonly string[];
  readonly deleting: boolean;
}

const NONE: readonly never[] = [];

export function itemOf(type: ResourceType<unknown>, { metadata }: { metadata: LiveMeta }): Item {
  return {
    type,
    uid: metadata.uid,
    name: metadata.name,
    namespace: metadata.namespace,
    owners: metadata.ownerReferences ?? NONE,
    finalizers: metadata.finalizers ?? NONE,
    deleting: metadata.deletionTimestamp !== undefined,
  };
}

/** Metadata is all the collector reads: the rest of an object is not kept in memory. */
export function metadataOnly(object: AnyObject): AnyObject {
  const { name, namespace, uid, resourceVersion, ownerReferences, finalizers, deletionTimestamp } =
    object.metadata;
  const metadata = {
    name,
    namespace: namespace ?? '',
    uid,
    resourceVersion,
    ...(ownerReferences && { ownerReferences }),
    ...(finalizers && { finalizers }),
    ...(deletionTimestamp && { deletionTimestamp }),
  };
  return { metadata } as AnyObject;
}

export class OwnerGraph {
  readonly #items = new Map<string, Item>();
  readonly #dependents = new Map<string, Set<string>>();

  get size(): number {
    return this.#items.size;
  }

  get(uid: string): Item | undefined {
    return this.#items.get(uid);
  }

  dependentsOf(uid: string): Item[] {
    const found: Item[] = [];
    for (const dependent of this.#dependents.get(uid) ?? []) {
      const item = this.#items.get(dependent);
      if (item) found.push(item);
    }
    return found;
  }

  /** @returns uids that are to be looked at now */
  set(item: Item): string[] {
    const old = this.#items.get(item.uid);
    this.#unlink(old);
    this.#items.set(item.uid, item);
    for (const { uid } of item.owners) {
      const dependents = this.#dependents.get(uid);
      if (dependents) dependents.add(item.uid);
      else this.#dependents.set(uid, new Set([item.uid]));
    }
    const look = item.owners.length || item.deleting ? [item.uid] : [];
    // An owner that waits for this one may go when the reference, or its blocking, is gone.
    for (const { uid } of old?.owners ?? []) if (this.#items.get(uid)?.deleting) look.push(uid);
    return look;
  }

  delete(uid: string): string[] {
    const item = this.#items.get(uid);
    if (!item) return [];
    this.#unlink(item);
    this.#items.delete(uid);
    const look = this.dependentsOf(uid).map((dependent) => dependent.uid);
    for (const owner of item.owners) if (this.#items.get(owner.uid)?.deleting) look.push(owner.uid);
    return look;
  }

  #unlink(item: Item | undefined): void {
    for (const { uid } of item?.owners ?? []) {
      const dependents = this.#dependents.get(uid);
      dependents?.delete(item?.uid ?? '');
      if (dependents?.size === 0) this.#dependents.delete(uid);
    }
  }
}
