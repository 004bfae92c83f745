// PodDisruptionBudgets: how many pods may be disrupted now.
import { matchLabelSelector } from '../../../../kube/selector.ts';
import { type Condition, withCondition } from '../common/conditions.ts';
import { type Context, type Controller, controllerLoop, merge } from '../common/context.ts';
import { mergePatch } from '../common/merge-patch.ts';
import {
  DEPLOYMENTS,
  keyOf,
  PDBS,
  type PdbStatus,
  PODS,
  type Pod,
  type PodDisruptionBudget,
  REPLICA_SETS,
  STATEFUL_SETS,
} from '../common/objects.ts';
import { controllerOf } from '../common/owners.ts';
import { isActive, isReady } from '../common/pods.ts';
import { scaled } from '../common/quantity.ts';

/** A pod that was to be evicted and is still there after this many ms counts as staying. */
const DISRUPTION_TIMEOUT = 120_000;

/** The status of a budget. `expected` is how many pods the controllers of the matching ones want. Pure. */
export function budgetStatus(
  pdb: PodDisruptionBudget,
  matching: readonly Pod[],
  expected: number,
  now: number,
): PdbStatus {
  const { minAvailable, maxUnavailable } = pdb.spec;
  const active = matching.filter(isActive);
  // A whole number of pods is of those that are there; a share, of those that should be.
  const total = typeof minAvailable === 'number' ? active.length : expected;
  const desired =
    maxUnavailable !== undefined
      ? Math.max(0, total - scaled(maxUnavailable, total, 'up'))
      : scaled(minAvailable ?? 1, total, 'up');
  const disrupted: Record<string, string> = {};
  for (const [name, at] of Object.entries(pdb.status.disruptedPods ?? {})) {
    const pod = matching.find((p) => p.metadata.name === name);
    if (pod && !pod.metadata.deletionTimestamp && Date.parse(at) + DISRUPTION_TIMEOUT > now)
      disrupted[name] = at;
  }
  const healthy = active.filter((pod) => isReady(pod) && !(pod.metadata.name in disrupted)).length;
  const allowed = total > 0 ? Math.max(0, healthy - desired) : 0;
  const conditions = withCondition(
    pdb.status.conditions as Condition[] | undefined,
    {
      type: 'DisruptionAllowed',
      status: allowed > 0 ? 'True' : 'False',
      reason: allowed > 0 ? 'SufficientPods' : 'InsufficientPods',
      message: '',
    },
    now,
  ).map((c) => ({ ...c, observedGeneration: pdb.metadata.generation }));
  return {
    currentHealthy: healthy,
    desiredHealthy: desired,
    disruptionsAllowed: allowed,
    expectedPods: total,
    observedGeneration: pdb.metadata.generation,
    conditions: conditions as NonNullable<PdbStatus['conditions']>,
    ...(Object.keys(disrupted).length && { disruptedPods: disrupted }),
  };
}

export function disruptionController(context: Context): Controller {
  const budgets = context.informers.of(PDBS);
  const pods = context.informers.of(PODS);
  const sets = context.informers.of(REPLICA_SETS);
  const deployments = context.informers.of(DEPLOYMENTS);
  const stateful = context.informers.of(STATEFUL_SETS);
  const loop = controllerLoop(
    context,
    { name: 'disruption', needs: [PDBS, PODS, REPLICA_SETS, DEPLOYMENTS, STATEFUL_SETS] },
    reconcile,
  );
  const add = (pdb: PodDisruptionBudget): void => loop.add(keyOf(pdb));
  budgets.on('add', add).on('update', add);
  const podChanged = (pod: Pod): void => {
    for (const pdb of budgets.list())
      if (
        pdb.metadata.namespace === pod.metadata.namespace &&
        matchLabelSelector(pdb.spec.selector, pod.metadata.labels)
      )
        add(pdb);
  };
  pods.on('add', podChanged).on('update', podChanged).on('delete', podChanged);
  const sized = (): void => {
    for (const pdb of budgets.list()) add(pdb);
  };
  deployments.on('update', (d, old) => d.spec.replicas !== old.spec.replicas && sized());
  stateful.on('update', (s, old) => s.spec.replicas !== old.spec.replicas && sized());

  /** How many pods the controllers of these pods want. A pod without one counts for itself. */
  function expectedPods(matching: readonly Pod[]): number {
    const wanted = new Map<string, number>();
    let alone = 0;
    for (const pod of matching) {
      const ref = controllerOf(pod);
      const key = `${pod.metadata.namespace}/${ref?.name}`;
      if (ref?.kind === 'ReplicaSet') {
        const rs = sets.get(key);
        const owner = rs && controllerOf(rs);
        const d = owner && deployments.get(`${pod.metadata.namespace}/${owner.name}`);
        if (d) wanted.set(d.metadata.uid, d.spec.replicas ?? 1);
        else if (rs) wanted.set(rs.metadata.uid, rs.spec.replicas ?? 1);
      } else if (ref?.kind === 'StatefulSet') wanted.set(ref.uid, stateful.get(key)?.spec.replicas ?? 0);
      else alone++;
    }
    return alone + [...wanted.values()].reduce((sum, n) => sum + n, 0);
  }

  async function reconcile(key: string): Promise<number | undefined> {
    const pdb = budgets.get(key);
    if (!pdb || pdb.metadata.deletionTimestamp) return undefined;
    const matching = pods
      .byIndex('namespace', pdb.metadata.namespace)
      .filter((pod) => matchLabelSelector(pdb.spec.selector, pod.metadata.labels));
    if (!matching.length)
      context.events.event(PDBS, pdb, 'Normal', 'NoPods', 'No matching pods found', 'controllermanager');
    const status = budgetStatus(pdb, matching, expectedPods(matching), context.now());
    const patch = mergePatch(pdb.status, status);
    // The eviction subresource writes this status too: never over a newer one.
    if (patch)
      await merge(
        context,
        PDBS,
        pdb,
        { metadata: { resourceVersion: pdb.metadata.resourceVersion }, status: patch },
        'status',
      );
    return status.disruptedPods ? DISRUPTION_TIMEOUT / 4 : undefined;
  }

  return { name: 'disruption', stop: () => loop.stop() };
}
