import { isKubeError } from '../../../../kube/error.ts';
import { WorkQueue } from '../../../../kube/work-queue.ts';
import { each } from '../common/batch.ts';
import { conditionOf, withCondition } from '../common/conditions.ts';
import { type Context, type Controller, controllerLoop, merge } from '../common/context.ts';
import { same } from '../common/hash.ts';
import { messageOf } from '../common/message.ts';
import { LEASES, NODES, type Node, PODS, type Pod } from '../common/objects.ts';
import { podCondition } from '../common/pods.ts';
import { desiredTaints, Heartbeats, unknownConditions } from './health.ts';

export interface NodeLifecycleOptions {
  /** ms without a sign of life after which a node is Unknown. Default 40,000. */
  graceMs?: number;
  /** ms between two looks. Default 5,000. */
  periodMs?: number;
}

/** Notices nodes that are silent, and taints nodes by their conditions. */
export function nodeLifecycleController(context: Context, options: NodeLifecycleOptions = {}): Controller {
  const { graceMs = 40_000, periodMs = 5000 } = options;
  const nodes = context.informers.of(NODES);
  const leases = context.informers.of(LEASES);
  const pods = context.informers.of(PODS);
  const heartbeats = new Heartbeats();
  const taints = controllerLoop(context, { name: 'node-taints', workers: 8, needs: [NODES] }, taint);
  const add = (node: Node): void => taints.add(node.metadata.name);
  nodes.on('add', add);
  nodes.on('update', (node, old) => {
    add(node);
    const status = readyStatus(node);
    if (status !== readyStatus(old) && status !== 'True') silent.add(node.metadata.name);
  });
  nodes.on('delete', (node) => {
    heartbeats.forget(node.metadata.name);
    const text = `Node ${node.metadata.name} event: Removing Node ${node.metadata.name} from Controller`;
    context.events.event(NODES, node, 'Normal', 'RemovingNode', text, 'node-controller');
  });
  /** Nodes that became NotReady or Unknown: their pods are not ready either. */
  const silent = new WorkQueue({
    workers: 4,
    handler: async (name) => {
      const node = nodes.get(name);
      if (!node || readyStatus(node) === 'True') return;
      await each(pods.byIndex('node', name), 8, markNotReady);
    },
    onError: (name, error) =>
      context.log.warn(
        { controller: 'node-lifecycle', node: name, error: messageOf(error) },
        'pods not marked',
      ),
  });

  async function taint(name: string): Promise<undefined> {
    const node = nodes.get(name);
    if (!node) return;
    const wanted = desiredTaints(node, context.now());
    if (same(wanted, node.spec.taints ?? [])) return;
    await merge(context, NODES, node, {
      metadata: { resourceVersion: node.metadata.resourceVersion },
      spec: { taints: wanted.length ? wanted : null },
    });
  }

  async function markNotReady(pod: Pod): Promise<void> {
    if (podCondition(pod, 'Ready')?.status !== 'True') return;
    const conditions = withCondition(
      pod.status.conditions,
      { type: 'Ready', status: 'False', reason: 'NodeNotReady', message: '' },
      context.now(),
    );
    try {
      await merge(context, PODS, pod, { status: { conditions } }, 'status');
    } catch (error) {
      if (!isKubeError(error, 404)) throw error;
    }
    context.events.event(PODS, pod, 'Warning', 'NodeNotReady', 'Node is not ready', 'node-controller');
  }

  let last = context.now();
  async function look(): Promise<void> {
    const now = context.now();
    // While we saw nothing, or the API server was away, no node could be seen.
    if (now - last > periodMs * 3 || !nodes.connected || !leases.connected) heartbeats.forgive(now);
    last = now;
    await each(nodes.list(), 16, async (node) => {
      const { name } = node.metadata;
      const lease = leases.get(`kube-node-lease/${name}`);
      const quiet = heartbeats.observe(name, lease?.spec.renewTime, node, now);
      if (quiet < graceMs) return;
      const conditions = unknownConditions(node, now);
      if (!conditions) return;
      await merge(
        context,
        NODES,
        node,
        { metadata: { resourceVersion: node.metadata.resourceVersion }, status: { conditions } },
        'status',
      );
      const text = `Node ${name} status is now: NodeNotReady`;
      context.events.event(NODES, node, 'Normal', 'NodeNotReady', text, 'node-controller');
    });
  }

  let looking = Promise.resolve();
  const timer = setInterval(() => {
    if (!nodes.hasSynced || !leases.hasSynced) return;
    looking = looking.then(look).catch((error) => {
      if (!isKubeError(error, 409, 404))
        context.log.warn({ controller: 'node-lifecycle', error: messageOf(error) }, 'look failed');
    });
  }, periodMs);
  timer.unref();

  return {
    name: 'node-lifecycle',
    stop: async () => {
      clearInterval(timer);
      await Promise.all([taints.stop(), silent.stop(), looking]);
    },
  };
}

const readyStatus = (node: Node): string | undefined => conditionOf(node.status.conditions, 'Ready')?.status;
