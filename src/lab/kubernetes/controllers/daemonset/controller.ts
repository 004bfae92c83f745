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
import { same } from '../common/hash.ts';
import { isEmptySelector } from '../common/labels.ts';
import { mergePatch } from '../common/merge-patch.ts';
import {
  CONTROLLER_REVISIONS,
  DAEMON_SETS,
  type DaemonSet,
  keyOf,
  NODES,
  type Node,
  PODS,
  type Pod,
} from '../common/objects.ts';
import { claim } from '../common/owners.ts';
import { followPods } from '../common/pod-events.ts';
import { REVISION_HASH, revisionHash, syncRevisions, trimRevisions } from '../common/revisions.ts';
import { nextAvailable } from '../replicaset/plan.ts';
import { FailurePauses } from './failure-pauses.ts';
import { daemonPod, daemonSetStatus, placement, planDaemons, planUpdate } from './plan.ts';

/** At most so many pods are made or deleted in one go. */
const BURST = 250;

/** One pod of every DaemonSet on each node that it fits. */
export function daemonSetController(context: Context): Controller {
  const sets = context.informers.of(DAEMON_SETS);
  const pods = context.informers.of(PODS);
  const nodes = context.informers.of(NODES);
  const expectations = new Expectations(context.now);
  const failures = new FailurePauses();
  const loop = controllerLoop(
    context,
    { name: 'daemonset', workers: 4, needs: [DAEMON_SETS, PODS, NODES, CONTROLLER_REVISIONS] },
    reconcile,
  );
  followPods({
    type: DAEMON_SETS,
    owners: sets,
    pods,
    loop,
    expectations,
    selectorOf: (ds) => ds.spec.selector,
  });
  const nodeChanged = (node: Node, old?: Node): void => {
    for (const ds of sets.list())
      if (!old || !same(placement(ds, node), placement(ds, old))) loop.add(keyOf(ds));
  };
  nodes.on('add', (node) => nodeChanged(node)).on('delete', (node) => nodeChanged(node));
  nodes.on('update', (node, old) => {
    if (
      !same(node.metadata.labels, old.metadata.labels) ||
      !same(node.spec.taints, old.spec.taints) ||
      node.spec.unschedulable !== old.spec.unschedulable
    )
      nodeChanged(node, old);
  });

  async function reconcile(key: string): Promise<number | undefined> {
    const ds = sets.get(key);
    if (!ds) {
      expectations.forget(key);
      return undefined;
    }
    if (isEmptySelector(ds.spec.selector)) {
      const text = 'This daemon set is selecting all pods. A non-empty selector is required.';
      context.events.event(DAEMON_SETS, ds, 'Warning', 'SelectingAll', text);
      return undefined;
    }
    if (ds.metadata.deletionTimestamp) return undefined;
    const { current, all } = await syncRevisions(context, DAEMON_SETS, ds, ds.status.collisionCount);
    const hash = revisionHash(current);
    const owned = await ownedPods(ds);
    let failure: unknown;
    if (expectations.satisfied(key)) {
      try {
        await manage(key, ds, owned, hash);
      } catch (error) {
        failure = error;
      }
    }
    await trimRevisions(
      context,
      ds,
      all,
      new Set([hash, ...owned.map((pod) => pod.metadata.labels?.[REVISION_HASH] ?? '')]),
    );
    const status = daemonSetStatus(ds, nodes.list(), owned, hash, context.now());
    const patch = mergePatch(ds.status, status);
    if (patch) await merge(context, DAEMON_SETS, ds, { status: patch }, 'status');
    if (failure && !isNamespaceTerminating(failure)) throw failure;
    return nextAvailable(owned, ds.spec.minReadySeconds ?? 0, context.now());
  }

  async function manage(key: string, ds: DaemonSet, owned: Pod[], hash: string): Promise<void> {
    const plan = planDaemons(ds, nodes.list(), owned, hash);
    // A pod that fails again and again is made anew with growing pauses.
    const early = new Set(
      plan.failed.filter((pod) => !failures.due(`${key}/${pod.spec.nodeName}`, context.now())),
    );
    plan.delete = plan.delete.filter((pod) => !early.has(pod));
    if (early.size) loop.addAfter(key, 1000);
    for (const pod of plan.failed) {
      if (early.has(pod)) continue;
      const text = `Found failed daemon pod ${keyOf(pod)} on node ${pod.spec.nodeName}, will try to kill it`;
      context.events.event(DAEMON_SETS, ds, 'Warning', 'FailedDaemonPod', text);
    }
    await change(key, ds, plan.create, plan.delete, hash);
    if (ds.spec.updateStrategy?.type === 'OnDelete' || plan.create.length || plan.delete.length || early.size)
      return;
    const update = planUpdate(ds, nodes.list(), owned, hash, context.now());
    await change(key, ds, update.create, update.delete, hash);
  }

  async function ownedPods(ds: DaemonSet): Promise<Pod[]> {
    const { uid, namespace } = ds.metadata;
    const candidates = [...pods.byIndex('owner', uid), ...pods.byIndex('owner', `orphan/${namespace}`)];
    return settle(context, DAEMON_SETS, ds, PODS, claim(ds, ds.spec.selector, candidates));
  }

  async function change(
    key: string,
    ds: DaemonSet,
    create: string[],
    victims: Pod[],
    hash: string,
  ): Promise<void> {
    const names = create.slice(0, BURST);
    const goners = victims.slice(0, BURST);
    expectations.expectCreations(key, names.length);
    const made = slowStart(names.length, async (i) => {
      await createPod(context, DAEMON_SETS, ds, daemonPod(ds, names[i] ?? '', hash));
    }).then(({ succeeded, error }) => {
      expectations.creationObserved(key, names.length - succeeded);
      if (error) throw error;
    });
    const results = await Promise.allSettled([
      made,
      deletePods(context, DAEMON_SETS, ds, goners, { expectations, key }),
    ]);
    const failure = results.find((result) => result.status === 'rejected');
    if (failure) throw failure.reason;
  }

  return { name: 'daemonset', stop: () => loop.stop() };
}
