// Pods leave nodes with NoExecute taints: at once, or after the time that they tolerate.

import { isKubeError } from '../../../../kube/error.ts';
import { isTolerated, tolerates } from '../../scheduler/taints.ts';
import { withCondition } from '../common/conditions.ts';
import { type Context, type Controller, controllerLoop, merge, remove } from '../common/context.ts';
import { same } from '../common/hash.ts';
import { keyOf, NODES, type Node, PODS, type Pod } from '../common/objects.ts';
import { isTerminal } from '../common/pods.ts';

/** When the pod has to leave the node, in ms; Infinity when it may stay. Pure. */
export function evictionTime(pod: Pod, node: Node): number {
  let at = Number.POSITIVE_INFINITY;
  for (const taint of node.spec.taints ?? []) {
    if (taint.effect !== 'NoExecute') continue;
    const tolerations = pod.spec.tolerations ?? [];
    if (!isTolerated(taint, tolerations)) return Number.NEGATIVE_INFINITY;
    for (const toleration of tolerations) {
      if (!tolerates(toleration, taint) || toleration.tolerationSeconds === undefined) continue;
      const since = Date.parse(taint.timeAdded ?? '') || 0;
      at = Math.min(at, since + Math.max(0, toleration.tolerationSeconds) * 1000);
    }
  }
  return at;
}

export function taintEvictionController(context: Context): Controller {
  const pods = context.informers.of(PODS);
  const nodes = context.informers.of(NODES);
  const loop = controllerLoop(
    context,
    { name: 'taint-eviction', workers: 8, needs: [PODS, NODES] },
    async (key) => {
      const pod = pods.get(key);
      const node = pod?.spec.nodeName ? nodes.get(pod.spec.nodeName) : undefined;
      if (!pod || !node || pod.metadata.deletionTimestamp || isTerminal(pod)) return undefined;
      const wait = evictionTime(pod, node) - context.now();
      if (wait > 0) return Number.isFinite(wait) ? Math.min(wait, 2 ** 31 - 1) : undefined;
      await evict(pod);
      return undefined;
    },
  );
  const hasTaint = (node: Node | undefined): boolean =>
    node?.spec.taints?.some(({ effect }) => effect === 'NoExecute') === true;
  const podChanged = (pod: Pod): void => {
    if (pod.spec.nodeName && hasTaint(nodes.get(pod.spec.nodeName))) loop.add(keyOf(pod));
  };
  pods.on('add', podChanged);
  pods.on('update', (pod, old) => {
    if (pod.spec.nodeName !== old.spec.nodeName || !same(pod.spec.tolerations, old.spec.tolerations))
      podChanged(pod);
  });
  const nodeChanged = (node: Node): void => {
    if (hasTaint(node)) for (const pod of pods.byIndex('node', node.metadata.name)) loop.add(keyOf(pod));
  };
  nodes.on('add', nodeChanged);
  nodes.on('update', (node, old) => {
    if (!same(node.spec.taints, old.spec.taints)) nodeChanged(node);
  });

  async function evict(pod: Pod): Promise<void> {
    const conditions = withCondition(
      pod.status.conditions,
      {
        type: 'DisruptionTarget',
        status: 'True',
        reason: 'DeletionByTaintManager',
        message: 'Taint manager: deleting due to NoExecute taint',
      },
      context.now(),
    );
    const text = `Marking for deletion Pod ${keyOf(pod)}`;
    context.events.event(PODS, pod, 'Normal', 'TaintManagerEviction', text, 'taint-eviction-controller');
    await merge(context, PODS, pod, { status: { conditions } }, 'status').catch((error) => {
      if (!isKubeError(error, 404)) throw error;
    });
    await remove(context, PODS, pod);
  }

  return { name: 'taint-eviction', stop: () => loop.stop() };
}
