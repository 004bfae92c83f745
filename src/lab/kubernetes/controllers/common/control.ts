// What controllers do to the objects they own: adopt, release, create and delete pods, with upstream's events.
import { isKubeError } from '../../../../kube/error.ts';
import type { ResourceType } from '../../../../kube/resources.ts';
import { each } from './batch.ts';
import { type Context, create, isNamespaceTerminating, merge, remove } from './context.ts';
import type { Expectations } from './expectations.ts';
import { messageOf } from './message.ts';
import type { NewPod, Owned, Pod } from './objects.ts';
import { PODS } from './objects.ts';
import { adoptPatch, type Claim, controllerRef, releasePatch } from './owners.ts';

/**
 * Carries out the adoptions and releases of a claim. The owner is read afresh before the first adoption: one that is
 * being deleted, or was made anew under its name, adopts nothing.
 * @returns what is owned now
 */
export async function settle<T extends Owned>(
  context: Context,
  ownerType: ResourceType<unknown>,
  owner: Owned,
  type: ResourceType<T>,
  claim: Claim<T>,
): Promise<T[]> {
  for (const o of claim.release) {
    await merge(context, type, o, releasePatch(o, [owner.metadata.uid])).catch((error) => {
      if (!isKubeError(error, 404, 422)) throw error;
    });
  }
  if (!claim.adopt.length) return claim.owned;
  const { namespace, name, uid } = owner.metadata;
  const fresh = (await context.client.find(ownerType, { namespace, name })) as Owned | undefined;
  if (fresh?.metadata.uid !== uid || fresh.metadata.deletionTimestamp)
    return claim.owned.filter((o) => !claim.adopt.includes(o));
  const lost = new Set<T>();
  await each(claim.adopt, 8, async (o) => {
    try {
      await merge(context, type, o, adoptPatch(o, controllerRef(ownerType, owner)));
    } catch (error) {
      if (!isKubeError(error, 404, 422)) throw error;
      lost.add(o);
    }
  });
  return claim.owned.filter((o) => !lost.has(o));
}

/** Creates a pod for its controller. A failure becomes an event, unless the namespace is being deleted. */
export async function createPod(
  context: Context,
  ownerType: ResourceType<unknown>,
  owner: Owned,
  pod: NewPod,
): Promise<Pod> {
  try {
    const made = await create(context, PODS, pod);
    context.events.event(
      ownerType,
      owner,
      'Normal',
      'SuccessfulCreate',
      `Created pod: ${made.metadata.name}`,
    );
    return made;
  } catch (error) {
    if (!isNamespaceTerminating(error))
      context.events.event(
        ownerType,
        owner,
        'Warning',
        'FailedCreate',
        `Error creating: ${messageOf(error)}`,
      );
    throw error;
  }
}

/** Deletes a controller's pod; false when it was gone already. */
export async function deletePod(
  context: Context,
  ownerType: ResourceType<unknown>,
  owner: Owned,
  pod: Pod,
): Promise<boolean> {
  try {
    const deleted = await remove(context, PODS, pod);
    if (deleted)
      context.events.event(
        ownerType,
        owner,
        'Normal',
        'SuccessfulDelete',
        `Deleted pod: ${pod.metadata.name}`,
      );
    return deleted;
  } catch (error) {
    context.events.event(ownerType, owner, 'Warning', 'FailedDelete', `Error deleting: ${messageOf(error)}`);
    throw error;
  }
}

/** Deletes pods, 16 at a time. All are tried; then the first failure is thrown. Those that will not be seen going are no longer expected to. */
export async function deletePods(
  context: Context,
  ownerType: ResourceType<unknown>,
  owner: Owned,
  pods: readonly Pod[],
  { expectations, key }: { expectations: Expectations; key: string },
): Promise<void> {
  expectations.expectDeletions(
    key,
    pods.map((pod) => pod.metadata.uid),
  );
  await each(pods, 16, async (pod) => {
    let deleted = false;
    try {
      deleted = await deletePod(context, ownerType, owner, pod);
    } finally {
      if (!deleted) expectations.deletionObserved(key, pod.metadata.uid);
    }
  });
}
