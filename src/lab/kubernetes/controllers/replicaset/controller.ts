import { slowStart } from '../common/batch.ts';
import {
  type Context,
  type Controller,
  controllerLoop,
  isNamespaceTerminating,
  merge,
} from '../common/context.ts';
import { createPod, deletePods, settle } from '../common/control.ts';
import { Expectations } from '../common/expectations.ts';
import { mergePatch } from '../common/merge-patch.ts';
import { messageOf } from '../common/message.ts';
import { PODS, type Pod, REPLICA_SETS, type ReplicaSet } from '../common/objects.ts';
import { claim, controllerOf } from '../common/owners.ts';
import { followPods } from '../common/pod-events.ts';
import { namePrefix, podFromTemplate } from '../common/pods.ts';
import { nextAvailable, planReplicas, replicaSetStatus } from './plan.ts';

/** Keeps the wanted number of pods of every ReplicaSet. */
export function replicaSetController(context: Context): Controller {
  const sets = context.informers.of(REPLICA_SETS);
  const pods = context.informers.of(PODS);
  const expectations = new Expectations(context.now);
  const loop = controllerLoop(
    context,
    { name: 'replicaset', workers: 8, needs: [REPLICA_SETS, PODS] },
    reconcile,
  );
  followPods({
    type: REPLICA_SETS,
    owners: sets,
    pods,
    loop,
    expectations,
    selectorOf: (rs) => rs.spec.selector,
  });

  /** Pods of all ReplicaSets with the same controller: a Deployment's. */
  function related(rs: ReplicaSet): Pod[] {
    const owner = controllerOf(rs);
    const family = owner ? sets.byIndex('owner', owner.uid) : [rs];
    return family.flatMap((member) => pods.byIndex('owner', member.metadata.uid));
  }

  async function reconcile(key: string): Promise<number | undefined> {
    const rs = sets.get(key);
    if (!rs) {
      expectations.forget(key);
      return undefined;
    }
    const mayChange = expectations.satisfied(key);
    const { uid, namespace } = rs.metadata;
    const candidates = [...pods.byIndex('owner', uid), ...pods.byIndex('owner', `orphan/${namespace}`)];
    const claimed = claim(rs, rs.spec.selector, candidates, (pod) => !isFinished(pod));
    const owned = await settle(context, REPLICA_SETS, rs, PODS, claimed);
    let failure: { reason: 'FailedCreate' | 'FailedDelete'; message: string } | undefined;
    let failed: unknown;
    if (mayChange && !rs.metadata.deletionTimestamp) {
      const plan = planReplicas(rs, owned, related(rs), context.now());
      try {
        if ('create' in plan) await createPods(key, rs, plan.create);
        else await deletePods(context, REPLICA_SETS, rs, plan.delete, { expectations, key });
      } catch (error) {
        failure = { reason: 'create' in plan ? 'FailedCreate' : 'FailedDelete', message: messageOf(error) };
        failed = error;
      }
    }
    const status = replicaSetStatus(rs, owned, failure, context.now());
    const patch = mergePatch(rs.status, status);
    if (patch) await merge(context, REPLICA_SETS, rs, { status: patch }, 'status');
    if (failed && !isNamespaceTerminating(failed)) throw failed;
    return nextAvailable(owned, rs.spec.minReadySeconds ?? 0, context.now());
  }

  async function createPods(key: string, rs: ReplicaSet, count: number): Promise<void> {
    if (!count) return;
    expectations.expectCreations(key, count);
    const name = { generateName: namePrefix(rs.metadata.name) };
    const { succeeded, error } = await slowStart(count, async () => {
      await createPod(
        context,
        REPLICA_SETS,
        rs,
        podFromTemplate(rs.spec.template ?? {}, rs, REPLICA_SETS, name),
      );
    });
    // What was not made will not be seen.
    expectations.creationObserved(key, count - succeeded);
    if (error) throw error;
  }

  return { name: 'replicaset', stop: () => loop.stop() };
}

function isFinished(pod: Pod): boolean {
  return pod.status.phase === 'Succeeded' || pod.status.phase === 'Failed';
}
