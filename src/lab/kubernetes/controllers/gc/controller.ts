// The garbage collector: deletes what its owners have left behind, and carries out Foreground and Orphan.
import { isKubeError } from '../../../../kube/error.ts';
import type { ResourceType } from '../../../../kube/resources.ts';
import { WorkQueue } from '../../../../kube/work-queue.ts';
import { each } from '../common/batch.ts';
import { type Context, type Controller, merge } from '../common/context.ts';
import { messageOf } from '../common/message.ts';
import { type AnyObject, live, type OwnerReference } from '../common/objects.ts';
import { releasePatch } from '../common/owners.ts';
import { type Action, decide, type OwnerState } from './decide.ts';
import { FOREGROUND, type Item, itemOf, ORPHAN, OwnerGraph } from './graph.ts';
import { Monitors } from './monitors.ts';

/** An owner that was found absent stays so: uids are never given again. So many are remembered. */
const MOST_ABSENT = 2000;

export function garbageCollector(context: Context): Controller {
  const graph = new OwnerGraph();
  const absent = new Set<string>();
  /** Objects with references of a kind that no resource is known for: its definition may still come. */
  const unknown = new Set<string>();
  const monitors = new Monitors(context, {
    changed: (type, object) => {
      for (const uid of graph.set(itemOf(type, object))) queue.add(uid);
    },
    gone: (_, object) => {
      unknown.delete(object.metadata.uid);
      for (const uid of graph.delete(object.metadata.uid)) queue.add(uid);
    },
    found: () => {
      for (const uid of unknown) queue.add(uid);
      unknown.clear();
    },
  });
  const synced = monitors.synced();
  const queue = new WorkQueue({
    workers: 16,
    retry: { first: 50, longest: 30_000 },
    handler: async (uid) => {
      await synced;
      return collect(uid);
    },
    onError: (key, error, tries) => {
      const level = isKubeError(error, 409) && tries < 5 ? 'debug' : 'warn';
      context.log[level]({ controller: 'gc', key, tries, error: messageOf(error) }, 'collecting failed');
    },
  });

  async function collect(uid: string): Promise<void> {
    const item = graph.get(uid);
    if (!item || (!item.deleting && !item.owners.length)) return;
    const states = new Map<string, OwnerState>();
    if (!item.deleting)
      for (const owner of item.owners) {
        const state = await ownerState(item, owner);
        if (state === undefined) unknown.add(uid);
        states.set(owner.uid, state ?? 'unresolvable');
      }
    const action = decide(item, graph, (owner) => states.get(owner.uid) ?? 'unresolvable');
    await act(item, action);
  }

  /** undefined when no resource of that kind is known. */
  async function ownerState(item: Item, owner: OwnerReference): Promise<OwnerState | undefined> {
    const known = graph.get(owner.uid);
    const type = known?.type ?? monitors.resolve(owner.apiVersion, owner.kind);
    if (!type) return undefined;
    if (known && (!type.namespaced || known.namespace === item.namespace)) return stateOf(known);
    if (!item.namespace && type.namespaced) {
      invalid(item, `ownerRef ${text(owner)} is namespaced, the object is not`);
      return 'unresolvable';
    }
    if (absent.has(owner.uid)) return 'absent';
    // The cache may be behind: the API server has the last word.
    const found = (await context.client.find(type as ResourceType<AnyObject>, {
      name: owner.name,
      ...(type.namespaced && { namespace: item.namespace }),
    })) as AnyObject | undefined;
    if (found?.metadata.uid === owner.uid) return stateOf(itemOf(type, live<AnyObject>(found)));
    if (known) invalid(item, `ownerRef ${text(owner)} does not exist in namespace "${item.namespace}"`);
    absent.add(owner.uid);
    for (const oldest of absent) {
      if (absent.size <= MOST_ABSENT) break;
      absent.delete(oldest);
    }
    return 'absent';
  }

  function stateOf(owner: Item): OwnerState {
    return owner.deleting && owner.finalizers.includes(FOREGROUND) ? 'waiting' : 'solid';
  }

  function invalid(item: Item, message: string): void {
    const object = { metadata: { ...item, resourceVersion: '', creationTimestamp: '', generation: 0 } };
    context.events.event(
      item.type,
      live(object),
      'Warning',
      'OwnerRefInvalidNamespace',
      message,
      'garbage-collector-controller',
    );
  }

  async function act(item: Item, action: Action): Promise<void> {
    switch (action.do) {
      case 'nothing':
        return;
      case 'release':
        return release(item, action.uids);
      case 'delete':
        for (const dependent of action.unblock) await unblock(dependent, item.uid);
        return remove(item, action.propagationPolicy);
      case 'foreground':
        if (action.finish) return dropFinalizer(item, FOREGROUND);
        for (const dependent of action.dependents) if (!dependent.deleting) queue.add(dependent.uid);
        return;
      case 'orphan':
        await each(action.dependents, 8, (dependent) => release(dependent, [item.uid]));
        return dropFinalizer(item, ORPHAN);
    }
  }

  async function fresh(item: Item): Promise<AnyObject | undefined> {
    const { type, name, namespace, uid } = item;
    const found = (await context.client.find(type as ResourceType<AnyObject>, {
      name,
      ...(namespace && { namespace }),
    })) as AnyObject | undefined;
    return found?.metadata.uid === uid ? live<AnyObject>(found) : undefined;
  }

  async function release(item: Item, uids: string[]): Promise<void> {
    await edit(item, (o) =>
      o.metadata.ownerReferences?.some((ref) => uids.includes(ref.uid)) ? releasePatch(o, uids) : undefined,
    );
  }

  async function unblock(item: Item, owner: string): Promise<void> {
    await edit(item, ({ metadata: { uid, resourceVersion, ownerReferences = [] } }) => ({
      metadata: {
        uid,
        resourceVersion,
        ownerReferences: ownerReferences.map((ref) =>
          ref.uid === owner ? { ...ref, blockOwnerDeletion: false } : ref,
        ),
      },
    }));
  }

  async function dropFinalizer(item: Item, finalizer: string): Promise<void> {
    await edit(item, ({ metadata: { uid, resourceVersion, finalizers = [] } }) =>
      finalizers.includes(finalizer)
        ? { metadata: { uid, resourceVersion, finalizers: finalizers.filter((f) => f !== finalizer) } }
        : undefined,
    );
  }

  /** A patch of the object as it is now; that it is gone is fine. */
  async function edit(item: Item, patchOf: (o: AnyObject) => object | undefined): Promise<void> {
    const o = await fresh(item);
    const patch = o && patchOf(o);
    if (!patch) return;
    await merge(context, item.type, o, patch).catch((error) => {
      if (!isKubeError(error, 404)) throw error;
    });
  }

  async function remove(
    item: Item,
    propagationPolicy: 'Background' | 'Foreground' | 'Orphan',
  ): Promise<void> {
    // The owners may have changed since: an object that got a new one is not ours to delete.
    const o = await fresh(item);
    if (!o || o.metadata.deletionTimestamp) return;
    const now = (o.metadata.ownerReferences ?? []).map((ref) => ref.uid).sort();
    if (now.join() !== [...item.owners.map((ref) => ref.uid)].sort().join()) return;
    const { uid, resourceVersion } = o.metadata;
    const { name, namespace } = item;
    await context.client
      .delete(item.type, { name, namespace }, { propagationPolicy, preconditions: { uid, resourceVersion } })
      .catch((error) => {
        if (!isKubeError(error, 404)) throw error;
      });
  }

  return {
    name: 'gc',
    stop: async () => {
      await Promise.all([queue.stop(), monitors.stop()]);
    },
  };
}

function text({ apiVersion, kind, name, uid }: OwnerReference): string {
  return `[${apiVersion}/${kind}, name: ${name}, uid: ${uid}]`;
}
