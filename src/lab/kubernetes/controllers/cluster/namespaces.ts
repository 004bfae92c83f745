import { isKubeError } from '../../../../kube/error.ts';
import { pathOf } from '../../../../kube/resources.ts';
import { each } from '../common/batch.ts';
import { type Context, type Controller, controllerLoop, merge } from '../common/context.ts';
import { type DiscoveredResource, discover } from '../common/discovery.ts';
import { mergePatch } from '../common/merge-patch.ts';
import { messageOf } from '../common/message.ts';
import { type AnyObject, NAMESPACES, type Namespace } from '../common/objects.ts';
import { namespaceConditions, type Remaining } from './namespace-plan.ts';

/** While content remains we look again after so many ms, unless a finalizer or a grace period is known to be longer. */
const AGAIN = 1000;
const LATER = 5000;

/** Empties namespaces that are being deleted, then lets them go. */
export function namespaceController(context: Context): Controller {
  const namespaces = context.informers.of(NAMESPACES);
  const rounds = new Map<string, number>();
  const loop = controllerLoop(
    context,
    { name: 'namespace', workers: 4, needs: [NAMESPACES] },
    async (name) => {
      const ns = namespaces.get(name);
      if (ns?.metadata.deletionTimestamp) return terminate(ns);
      rounds.delete(name);
      return undefined;
    },
  );
  const add = (ns: Namespace): void => {
    if (ns.metadata.deletionTimestamp) loop.add(ns.metadata.name);
  };
  namespaces.on('add', add).on('update', add);

  async function terminate(ns: Namespace): Promise<number | undefined> {
    if (!ns.spec.finalizers?.includes('kubernetes')) return undefined;
    const { name } = ns.metadata;
    if (ns.status.phase !== 'Terminating')
      await merge(context, NAMESPACES, ns, { status: { phase: 'Terminating' } }, 'status');
    const { resources, failures } = await discover(context.client);
    const remaining: Remaining = {
      resources: new Map(),
      finalizers: new Map(),
      discoveryFailures: [...failures].map(([group, why]) => `${group}: ${why}`),
      deletionFailures: [],
    };
    const deletable = resources.filter(({ type, verbs }) => type.namespaced && verbs.includes('delete'));
    await each(deletable, 8, (resource) => empty(name, resource, remaining));
    if (!remaining.resources.size && !remaining.deletionFailures.length && !failures.size) {
      await finalize(ns);
      rounds.delete(name);
      return undefined;
    }
    const conditions = namespaceConditions(ns.status.conditions, remaining, context.now());
    const patch = mergePatch({ conditions: ns.status.conditions ?? [] }, { conditions });
    if (patch) await merge(context, NAMESPACES, ns, { status: patch }, 'status').catch(ignoreGone);
    const round = (rounds.get(name) ?? 0) + 1;
    rounds.set(name, round);
    return round <= 15 ? AGAIN : LATER;
  }

  /** Deletes all objects of one resource in the namespace, and counts what is still there. */
  async function empty(namespace: string, resource: DiscoveredResource, remaining: Remaining): Promise<void> {
    const { type, verbs } = resource;
    const path = pathOf(type, { namespace });
    const name = `${type.plural}.${type.group}`;
    try {
      if (verbs.includes('list') && !(await objects(path)).length) return;
      if (verbs.includes('deletecollection'))
        await context.client.raw('DELETE', `${path}?propagationPolicy=Background`);
      else
        for (const o of await objects(path))
          await context.client
            .delete(type, { namespace, name: o.metadata.name }, { propagationPolicy: 'Background' })
            .catch(ignoreGone);
      if (!verbs.includes('list')) return;
      const left = await objects(path);
      if (!left.length) return;
      remaining.resources.set(name, left.length);
      for (const { metadata } of left)
        for (const finalizer of metadata.finalizers ?? [])
          remaining.finalizers.set(finalizer, (remaining.finalizers.get(finalizer) ?? 0) + 1);
    } catch (error) {
      // The resource's definition is gone by now, and its objects with it.
      if (isKubeError(error, 404, 405)) return;
      remaining.deletionFailures.push(`${name}: ${messageOf(error)}`);
    }
  }

  async function objects(path: string): Promise<AnyObject[]> {
    const items: AnyObject[] = [];
    let next: string | undefined = '';
    while (next !== undefined) {
      const page: string = next && `&continue=${encodeURIComponent(next)}`;
      const text = await context.client.raw('GET', `${path}?limit=500${page}`, undefined, METADATA_ONLY);
      const list = JSON.parse(text) as { items?: AnyObject[]; metadata?: { continue?: string } };
      items.push(...(list.items ?? []));
      next = list.metadata?.continue || undefined;
    }
    return items;
  }

  async function finalize(ns: Namespace): Promise<void> {
    const { name } = ns.metadata;
    const finalizers = (ns.spec.finalizers ?? []).filter((finalizer) => finalizer !== 'kubernetes');
    const body = {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { ...ns.metadata, namespace: undefined, resourceVersion: undefined },
      spec: { finalizers },
      status: ns.status,
    };
    await context.client
      .raw('PUT', pathOf(NAMESPACES, { name, subresource: 'finalize' }), JSON.stringify(body), {
        'content-type': 'application/json',
      })
      .catch(ignoreGone);
  }

  return { name: 'namespace', stop: () => loop.stop() };
}

/** An API server that cannot leave the rest out sends whole objects, which is as good. */
export const METADATA_ONLY = {
  accept: 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json',
};

function ignoreGone(error: unknown): void {
  if (!isKubeError(error, 404)) throw error;
}
