import { isKubeError } from '../../../../kube/error.ts';
import {
  type Context,
  type Controller,
  controllerLoop,
  create,
  isNamespaceTerminating,
  merge,
  remove,
} from '../common/context.ts';
import { settle } from '../common/control.ts';
import { Expectations } from '../common/expectations.ts';
import { mergePatch } from '../common/merge-patch.ts';
import { messageOf } from '../common/message.ts';
import {
  CONTROLLER_REVISIONS,
  type ControllerRevision,
  PERSISTENT_VOLUME_CLAIMS,
  PODS,
  type Pod,
  STATEFUL_SETS,
  type StatefulSet,
} from '../common/objects.ts';
import { claim } from '../common/owners.ts';
import { followPods } from '../common/pod-events.ts';
import {
  REVISION_HASH,
  revisionHash,
  syncRevisions,
  templateOf,
  trimRevisions,
} from '../common/revisions.ts';
import { nextAvailable } from '../replicaset/plan.ts';
import { missingIdentity, ordinalOf, podName, statefulClaims, statefulPod } from './identity.ts';
import { planStateful, type Step, statefulStatus } from './plan.ts';

/** Pods with names, one after another. */
export function statefulSetController(context: Context): Controller {
  const sets = context.informers.of(STATEFUL_SETS);
  const pods = context.informers.of(PODS);
  const expectations = new Expectations(context.now);
  const loop = controllerLoop(
    context,
    { name: 'statefulset', workers: 4, needs: [STATEFUL_SETS, PODS, CONTROLLER_REVISIONS] },
    reconcile,
  );
  followPods({
    type: STATEFUL_SETS,
    owners: sets,
    pods,
    loop,
    expectations,
    selectorOf: (set) => set.spec.selector,
  });
  const emit = (set: StatefulSet, severity: 'Normal' | 'Warning', reason: string, text: string): void =>
    context.events.event(STATEFUL_SETS, set, severity, reason, text);

  async function reconcile(key: string): Promise<number | undefined> {
    const set = sets.get(key);
    if (!set) {
      expectations.forget(key);
      return undefined;
    }
    const { uid, namespace } = set.metadata;
    const candidates = [...pods.byIndex('owner', uid), ...pods.byIndex('owner', `orphan/${namespace}`)];
    const mine = claim(set, set.spec.selector, candidates, (pod) => ordinalOf(set, pod) !== undefined);
    const owned = await settle(context, STATEFUL_SETS, set, PODS, mine);
    if (set.metadata.deletionTimestamp) return undefined;
    const { current: update, all } = await syncRevisions(
      context,
      STATEFUL_SETS,
      set,
      set.status.collisionCount,
    );
    const current = all.find((revision) => revision.metadata.name === set.status.currentRevision) ?? update;
    const hashes = { current: revisionHash(current), update: revisionHash(update) };
    const names = { current: current.metadata.name, update: update.metadata.name };
    let failure: unknown;
    if (expectations.satisfied(key)) {
      try {
        for (const pod of owned) await restoreIdentity(set, pod);
        for (const step of planStateful(set, owned, hashes, context.now()))
          await take(key, set, step, { current, update });
      } catch (error) {
        failure = error;
      }
    }
    const status = statefulStatus(set, owned, hashes, names, context.now());
    const patch = mergePatch(set.status, status);
    if (patch) await merge(context, STATEFUL_SETS, set, { status: patch }, 'status');
    const inUse = new Set([
      hashes.current,
      hashes.update,
      ...owned.map((pod) => pod.metadata.labels?.[REVISION_HASH] ?? ''),
    ]);
    await trimRevisions(context, set, all, inUse);
    if (failure && !isNamespaceTerminating(failure)) throw failure;
    return nextAvailable(owned, set.spec.minReadySeconds ?? 0, context.now());
  }

  async function take(
    key: string,
    set: StatefulSet,
    step: Step,
    revisions: { current: ControllerRevision; update: ControllerRevision },
  ): Promise<void> {
    if (step.do === 'delete') return removePod(key, set, step.pod, step.again);
    const { current, update } = revisions;
    const revision = step.revision === revisionHash(update) ? update : current;
    const template = templateOf(revision) ?? set.spec.template;
    await createClaims(set, step.ordinal);
    const name = podName(set, step.ordinal);
    expectations.expectCreations(key, 1);
    try {
      await create(context, PODS, statefulPod(set, template, step.ordinal, step.revision));
      const text = `create Pod ${name} in StatefulSet ${set.metadata.name} successful`;
      emit(set, 'Normal', 'SuccessfulCreate', text);
    } catch (error) {
      expectations.creationObserved(key);
      // Its predecessor of that name is still going: its end brings us back.
      if (isKubeError(error, 409) && error.reason === 'AlreadyExists') return;
      if (!isNamespaceTerminating(error))
        emit(
          set,
          'Warning',
          'FailedCreate',
          `create Pod ${name} in StatefulSet ${set.metadata.name} failed error: ${messageOf(error)}`,
        );
      throw error;
    }
  }

  async function removePod(key: string, set: StatefulSet, pod: Pod, again: boolean): Promise<void> {
    const { name, uid, namespace } = pod.metadata;
    if (again) {
      const text = `StatefulSet ${namespace}/${set.metadata.name} is recreating ${pod.status.phase} Pod ${name}`;
      const reason = pod.status.phase === 'Failed' ? 'RecreatingFailedPod' : 'RecreatingTerminatedPod';
      emit(set, pod.status.phase === 'Failed' ? 'Warning' : 'Normal', reason, text);
    }
    expectations.expectDeletions(key, [uid]);
    try {
      if (await remove(context, PODS, pod))
        emit(
          set,
          'Normal',
          'SuccessfulDelete',
          `delete Pod ${name} in StatefulSet ${set.metadata.name} successful`,
        );
      else expectations.deletionObserved(key, uid);
    } catch (error) {
      expectations.deletionObserved(key, uid);
      emit(
        set,
        'Warning',
        'FailedDelete',
        `delete Pod ${name} in StatefulSet ${set.metadata.name} failed error: ${messageOf(error)}`,
      );
      throw error;
    }
  }

  async function createClaims(set: StatefulSet, ordinal: number): Promise<void> {
    const claims = set.spec.volumeClaimTemplates?.length
      ? context.informers.of(PERSISTENT_VOLUME_CLAIMS)
      : undefined;
    await claims?.synced;
    for (const wanted of statefulClaims(set, ordinal)) {
      const name = wanted.metadata?.name ?? '';
      if (claims?.get(`${set.metadata.namespace}/${name}`)) continue;
      const what = `Claim ${name} Pod ${podName(set, ordinal)} in StatefulSet ${set.metadata.name}`;
      try {
        await create(context, PERSISTENT_VOLUME_CLAIMS, wanted);
        emit(set, 'Normal', 'SuccessfulCreate', `create ${what} success`);
      } catch (error) {
        if (isKubeError(error, 409)) continue;
        emit(set, 'Warning', 'FailedCreate', `create ${what} failed error: ${messageOf(error)}`);
        throw error;
      }
    }
  }

  async function restoreIdentity(set: StatefulSet, pod: Pod): Promise<void> {
    const labels = pod.metadata.deletionTimestamp ? undefined : missingIdentity(set, pod);
    if (labels) await merge(context, PODS, pod, { metadata: { uid: pod.metadata.uid, labels } });
  }

  return { name: 'statefulset', stop: () => loop.stop() };
}
