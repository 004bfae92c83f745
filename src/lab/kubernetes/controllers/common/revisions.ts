// ControllerRevisions: the history of DaemonSets and StatefulSets, which `kubectl rollout undo` reads.
import { isKubeError } from '../../../../kube/error.ts';
import type { ResourceType } from '../../../../kube/resources.ts';
import { type Context, create, merge, remove } from './context.ts';
import { settle } from './control.ts';
import { same, templateHash } from './hash.ts';
import {
  CONTROLLER_REVISIONS,
  type ControllerRevision,
  type LabelSelector,
  live,
  type Owned,
  type PodTemplate,
} from './objects.ts';
import { claim, controllerOf, controllerRef } from './owners.ts';

export const REVISION_HASH = 'controller-revision-hash';

interface RevisionOwner extends Owned {
  spec: { template: PodTemplate; selector?: LabelSelector; revisionHistoryLimit?: number };
}

/** The data of a revision: a strategic merge patch that makes the template what it was. */
export function revisionData(template: PodTemplate): object {
  const { creationTimestamp: _, ...metadata } = template.metadata ?? {};
  return { spec: { template: { ...template, metadata, $patch: 'replace' } } };
}

export function revisionHash(revision: ControllerRevision): string {
  return revision.metadata.labels?.[REVISION_HASH] ?? '';
}

const byRevision = (a: ControllerRevision, b: ControllerRevision): number =>
  a.revision - b.revision || (a.metadata.creationTimestamp < b.metadata.creationTimestamp ? -1 : 1);

/** A template out of a revision. */
export function templateOf(revision: ControllerRevision): PodTemplate | undefined {
  const data = revision.data as { spec?: { template?: PodTemplate & { $patch?: string } } } | undefined;
  if (!data?.spec?.template) return undefined;
  const { $patch: _, ...template } = data.spec.template;
  return template;
}

/** The owner's revisions, oldest first, and the one of its template as it is now: made, or found and made the newest. */
export async function syncRevisions(
  context: Context,
  ownerType: ResourceType<unknown>,
  owner: RevisionOwner,
  collisionCount: number | undefined,
): Promise<{ current: ControllerRevision; all: ControllerRevision[] }> {
  const informer = context.informers.of(CONTROLLER_REVISIONS);
  const { uid, namespace } = owner.metadata;
  const candidates = [...informer.byIndex('owner', uid), ...informer.byIndex('owner', `orphan/${namespace}`)];
  const claimed = claim(owner, owner.spec.selector, candidates);
  const all = await settle(context, ownerType, owner, CONTROLLER_REVISIONS, claimed);
  all.sort(byRevision);
  const data = revisionData(owner.spec.template);
  const next = (all.at(-1)?.revision ?? 0) + 1;
  const equal = all.filter((revision) => same(revision.data, data)).at(-1);
  if (equal === undefined) {
    const made = await make(context, ownerType, owner, data, next, collisionCount ?? 0);
    return { current: made, all: [...all.filter((r) => r.metadata.uid !== made.metadata.uid), made] };
  }
  if (equal === all.at(-1)) return { current: equal, all };
  // An undo: the old revision becomes the newest.
  const body = { revision: next, metadata: { resourceVersion: equal.metadata.resourceVersion } };
  const current = await merge(context, CONTROLLER_REVISIONS, equal, body);
  return { current, all: [...all.filter((revision) => revision !== equal), current] };
}

async function make(
  context: Context,
  ownerType: ResourceType<unknown>,
  owner: RevisionOwner,
  data: object,
  revision: number,
  collisions: number,
): Promise<ControllerRevision> {
  const { name: ownerName, namespace, uid } = owner.metadata;
  for (let collision = collisions; ; collision++) {
    const hash = templateHash(data, collision);
    const name = `${ownerName}-${hash}`;
    try {
      return await create(context, CONTROLLER_REVISIONS, {
        metadata: {
          name,
          namespace,
          labels: { ...owner.spec.template.metadata?.labels, [REVISION_HASH]: hash },
          ownerReferences: [controllerRef(ownerType, owner)],
        },
        data,
        revision,
      });
    } catch (error) {
      if (!isKubeError(error, 409) || error.reason !== 'AlreadyExists' || collision > collisions + 20)
        throw error;
      const found = await context.client.find(CONTROLLER_REVISIONS, { namespace, name });
      const existing = found && live<ControllerRevision>(found);
      if (existing && controllerOf(existing)?.uid === uid && same(existing.data, data)) return existing;
    }
  }
}

/** Deletes the oldest revisions beyond the limit that no pod has. */
export async function trimRevisions(
  context: Context,
  owner: RevisionOwner,
  all: readonly ControllerRevision[],
  inUse: ReadonlySet<string>,
): Promise<void> {
  const idle = all.filter((revision) => !inUse.has(revisionHash(revision)));
  const surplus = idle.length - (owner.spec.revisionHistoryLimit ?? 10);
  for (const revision of idle.slice(0, Math.max(0, surplus)))
    await remove(context, CONTROLLER_REVISIONS, revision);
}
