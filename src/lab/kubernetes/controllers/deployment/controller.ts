import { matchLabelSelector } from '../../../../kube/selector.ts';
import { type Context, type Controller, controllerLoop, merge, remove } from '../common/context.ts';
import { settle } from '../common/control.ts';
import { mergePatch } from '../common/merge-patch.ts';
import {
  DEPLOYMENTS,
  type Deployment,
  type DeploymentStatus,
  keyOf,
  PODS,
  type Pod,
  REPLICA_SETS,
  type ReplicaSet,
} from '../common/objects.ts';
import { claim, controllerOf } from '../common/owners.ts';
import { isTerminal } from '../common/pods.ts';
import { sizeAnnotations } from './annotations.ts';
import { CurrentSets } from './current-set.ts';
import { isRolling } from './limits.ts';
import { resize, rollingStep, type Scale, sizeOf, wasResized } from './scaling.ts';
import { splitSets, surplusHistory } from './sets.ts';
import { baseStatus, isComplete, pauseConditions, rolloutStatus, untilDeadline } from './status.ts';

/** Rolls out Deployments. */
export function deploymentController(context: Context): Controller {
  const deployments = context.informers.of(DEPLOYMENTS);
  const sets = context.informers.of(REPLICA_SETS);
  const pods = context.informers.of(PODS);
  const loop = controllerLoop(
    context,
    { name: 'deployment', workers: 8, needs: [DEPLOYMENTS, REPLICA_SETS, PODS] },
    reconcile,
  );
  const currentSets = new CurrentSets(context);
  const add = (d: Deployment): void => loop.add(keyOf(d));
  deployments.on('add', add).on('update', add).on('delete', add);
  const ownerOf = (rs: ReplicaSet): Deployment | undefined => {
    const ref = controllerOf(rs);
    const d =
      ref?.kind === 'Deployment' ? deployments.get(`${rs.metadata.namespace}/${ref.name}`) : undefined;
    return d?.metadata.uid === ref?.uid ? d : undefined;
  };
  const setChanged = (rs: ReplicaSet): void => {
    const owner = ownerOf(rs);
    if (owner) add(owner);
    else if (!controllerOf(rs)) {
      for (const d of deployments.byIndex('namespace', rs.metadata.namespace))
        if (matchLabelSelector(d.spec.selector, rs.metadata.labels)) add(d);
    }
  };
  sets.on('add', setChanged).on('delete', setChanged);
  sets.on('update', (rs, old) => {
    if (controllerOf(old)?.uid !== controllerOf(rs)?.uid) setChanged(old);
    setChanged(rs);
  });
  // Recreate waits for the last old pod.
  pods.on('delete', (pod) => {
    const ref = controllerOf(pod);
    const rs = ref?.kind === 'ReplicaSet' ? sets.get(`${pod.metadata.namespace}/${ref.name}`) : undefined;
    const owner = rs && ownerOf(rs);
    if (owner && !isRolling(owner)) add(owner);
  });

  async function reconcile(key: string): Promise<number | undefined> {
    const d = deployments.get(key);
    if (!d) return undefined;
    const candidates = [
      ...sets.byIndex('owner', d.metadata.uid),
      ...sets.byIndex('owner', `orphan/${d.metadata.namespace}`),
    ];
    const owned = await settle(context, DEPLOYMENTS, d, REPLICA_SETS, claim(d, d.spec.selector, candidates));
    const { current, old } = splitSets(d, owned);
    if (d.metadata.deletionTimestamp) return writeStatus(d, baseStatus(d, current, old, context.now()));
    const paused = pauseConditions(d, context.now());
    if (paused) {
      await merge(context, DEPLOYMENTS, d, { status: { conditions: paused } }, 'status');
      return undefined;
    }
    if (d.spec.paused || wasResized(d, owned)) {
      const known = current && (await currentSets.refresh(d, current, old));
      await applyScales(d, resize(d, known, old));
      if (d.spec.paused) await cleanUp(d, old);
      return writeStatus(d, baseStatus(d, known, old, context.now()));
    }
    return isRolling(d) ? rolling(d, current, old) : recreate(d, current, old);
  }

  async function rolling(
    d: Deployment,
    found: ReplicaSet | undefined,
    old: ReplicaSet[],
  ): Promise<number | undefined> {
    const current = found ? await currentSets.refresh(d, found, old) : await currentSets.make(d, old);
    if (!current) return undefined;
    await applyScales(d, rollingStep(d, current, old));
    return finish(d, current, old);
  }

  async function recreate(
    d: Deployment,
    found: ReplicaSet | undefined,
    old: ReplicaSet[],
  ): Promise<number | undefined> {
    const active = old.filter((rs) => sizeOf(rs) > 0);
    if (active.length) {
      await applyScales(
        d,
        active.map((set) => ({ set, to: 0 })),
      );
      return finish(d, found, old);
    }
    if (old.some((rs) => podsOf(rs).some((pod) => !isTerminal(pod)))) return finish(d, found, old);
    const current = found ? await currentSets.refresh(d, found, old) : await currentSets.make(d, old);
    if (!current) return undefined;
    const replicas = d.spec.replicas ?? 1;
    if (sizeOf(current) !== replicas) await applyScales(d, [{ set: current, to: replicas }]);
    return finish(d, current, old);
  }

  async function finish(
    d: Deployment,
    current: ReplicaSet | undefined,
    old: ReplicaSet[],
  ): Promise<number | undefined> {
    // The conditions that making the ReplicaSet wrote are not in the cache yet.
    const known = currentSets.known(d);
    const status = rolloutStatus(known, current, old, context.now());
    if (isComplete(d, status)) await cleanUp(d, old);
    await writeStatus(known, status);
    return untilDeadline(d, status, context.now());
  }

  function podsOf(rs: ReplicaSet): Pod[] {
    return pods.byIndex('owner', rs.metadata.uid);
  }

  async function writeStatus(d: Deployment, status: DeploymentStatus): Promise<undefined> {
    const patch = mergePatch(d.status, status);
    if (patch) await merge(context, DEPLOYMENTS, d, { status: patch }, 'status');
  }

  async function applyScales(d: Deployment, scales: readonly Scale[]): Promise<void> {
    const annotations = sizeAnnotations(d);
    for (const { set, to } of scales) {
      const from = sizeOf(set);
      const patch = mergePatch(
        { metadata: { annotations: set.metadata.annotations ?? {} }, spec: { replicas: from } },
        {
          metadata: { annotations: { ...set.metadata.annotations, ...annotations } },
          spec: { replicas: to },
        },
      );
      if (!patch) continue;
      await merge(context, REPLICA_SETS, set, withVersion(set, patch));
      if (to === from) continue;
      const direction = to > from ? 'up' : 'down';
      context.events.event(
        DEPLOYMENTS,
        d,
        'Normal',
        'ScalingReplicaSet',
        `Scaled ${direction} replica set ${set.metadata.name} from ${from} to ${to}`,
      );
    }
  }

  async function cleanUp(d: Deployment, old: ReplicaSet[]): Promise<void> {
    for (const rs of surplusHistory(d, old)) await remove(context, REPLICA_SETS, rs);
  }

  return { name: 'deployment', stop: () => loop.stop() };
}

/** The patch, refused when the object was changed since we decided. */
export function withVersion(o: ReplicaSet, patch: { metadata?: object }): object {
  return { ...patch, metadata: { ...patch.metadata, resourceVersion: o.metadata.resourceVersion } };
}
