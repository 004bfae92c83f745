import { isKubeError } from '../../../kube/error.ts';
import { timestamp } from '../controllers/common/conditions.ts';
import { type Context, type Controller, create, merge } from '../controllers/common/context.ts';
import { messageOf } from '../controllers/common/message.ts';
import {
  CONFIG_MAPS,
  DAEMON_SETS,
  NAMESPACES,
  NODES,
  type Node,
  PDBS,
  PODS,
  type Pod,
} from '../controllers/common/objects.ts';
import { isTerminal, podCondition } from '../controllers/common/pods.ts';
import { daemonPod, placement } from '../controllers/daemonset/plan.ts';
import { NodeInfo, type PodInfo, podInfo } from '../scheduler/node-info.ts';
import type { Snapshot } from '../scheduler/snapshot.ts';
import { type NodePool, type NodePools, POOL_LABEL } from './node-pools.ts';
import { movable, unneeded } from './scale-down.ts';
import { planScaleUp, TO_BE_DELETED } from './scale-up.ts';
import { statusText } from './status.ts';

export interface AutoscalerOptions {
  /** ms between two looks. Default 10,000. */
  periodMs?: number;
  /** ms a node must be idle before it leaves. Default 600,000. */
  scaleDownMs?: number;
  /** ms after nodes were added during which none is removed. Default the same. */
  quietMs?: number;
  /** Default 0.5. */
  threshold?: number;
}

const STATUS = 'cluster-autoscaler-status';
const COMPONENT = 'cluster-autoscaler';
/** How long pods may take to leave a node. */
const DRAIN_MS = 120_000;

export function autoscalerController(
  context: Context,
  pools: NodePools,
  options: AutoscalerOptions = {},
): Controller {
  const autoscaler = new Autoscaler(context, pools, options);
  return { name: 'autoscaler', stop: () => autoscaler.stop() };
}

export class Autoscaler {
  readonly #context: Context;
  readonly #pools: NodePools;
  readonly #options: Required<AutoscalerOptions>;
  readonly #timer: NodeJS.Timeout;
  /** Since when nodes are idle. */
  readonly #idle = new Map<string, number>();
  readonly #removing = new Set<string>();
  #lastAdded = Number.NEGATIVE_INFINITY;
  #lastRemoved = Number.NEGATIVE_INFINITY;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(context: Context, pools: NodePools, options: AutoscalerOptions = {}) {
    const { periodMs = 10_000, scaleDownMs = 600_000, quietMs = scaleDownMs, threshold = 0.5 } = options;
    this.#context = context;
    this.#pools = pools;
    this.#options = { periodMs, scaleDownMs, quietMs, threshold };
    const { informers } = context;
    const needs = [PODS, NODES, NAMESPACES, PDBS, DAEMON_SETS].map(
      (type) => informers.of(type as typeof PODS).synced,
    );
    void Promise.all(needs).then(() => this.#soon());
    this.#timer = setInterval(() => this.#soon(), periodMs);
    this.#timer.unref();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    await this.#running;
  }

  #soon(): void {
    const { informers, log } = this.#context;
    if (this.#stopped || !informers.of(PODS).hasSynced || !informers.of(NODES).hasSynced) return;
    this.#running = this.#running
      .then(() => (this.#stopped ? undefined : this.look()))
      .catch((error) => log.warn({ controller: 'autoscaler', error: messageOf(error) }, 'look failed'));
  }

  /** One round. */
  async look(): Promise<void> {
    const pools = await this.#pools.list();
    const snapshot = this.#snapshot();
    const added = await this.#scaleUp(pools, snapshot);
    if (!added) await this.#scaleDown(pools, snapshot);
    await this.#writeStatus(pools);
  }

  #snapshot(): Snapshot {
    const { informers } = this.#context;
    const pods = informers.of(PODS);
    const nodes = informers
      .of(NODES)
      .list()
      .map((node) => {
        const here = pods.byIndex('node', node.metadata.name).filter((pod) => !isTerminal(pod));
        return new NodeInfo(node, here.map(podInfo));
      });
    const namespaces = informers.of(NAMESPACES);
    return { nodes, namespaceLabels: (name) => namespaces.get(name)?.metadata.labels };
  }

  #registered(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const node of this.#context.informers.of(NODES).list()) {
      const pool = node.metadata.labels?.[POOL_LABEL];
      // One that is not ready yet takes no pods yet, but is no reason for another either.
      if (pool && isReadyNode(node)) counts.set(pool, (counts.get(pool) ?? 0) + 1);
    }
    return counts;
  }

  /** The pods that every new node of the pools would run. */
  #daemons(pools: readonly NodePool[]): PodInfo[] {
    const sets = this.#context.informers.of(DAEMON_SETS).list();
    return sets
      .filter((ds) => pools.some(({ template }) => placement(ds, template as Node).run))
      .map((ds) => {
        const pod = daemonPod(ds, '', '');
        delete pod.spec?.affinity;
        return podInfo({ ...pod, metadata: { ...pod.metadata, uid: `daemon-${ds.metadata.uid}` } } as Pod);
      });
  }

  async #scaleUp(pools: readonly NodePool[], snapshot: Snapshot): Promise<boolean> {
    const { informers, events, log } = this.#context;
    const pending = informers
      .of(PODS)
      .byIndex('node', '')
      .filter(
        (pod) =>
          !pod.metadata.deletionTimestamp &&
          !isTerminal(pod) &&
          podCondition(pod, 'PodScheduled')?.reason === 'Unschedulable',
      );
    if (!pending.length) return false;
    const ready = snapshot.nodes.filter(({ node }) => isReadyNode(node));
    const plan = planScaleUp(
      pending.map(podInfo),
      { ...snapshot, nodes: ready },
      pools,
      this.#registered(),
      this.#daemons(pools),
    );
    for (const { pool, count, pods } of plan.scaleUps) {
      log.info({ pool: pool.name, from: pool.size, to: pool.size + count }, 'scale-up');
      await this.#pools.add(pool.name, count);
      this.#lastAdded = this.#context.now();
      const text = `pod triggered scale-up: [{${pool.name} ${pool.size}->${pool.size + count} (max: ${pool.max})}]`;
      for (const { pod } of pods) events.event(PODS, pod, 'Normal', 'TriggeredScaleUp', text, COMPONENT);
      pool.size += count;
    }
    for (const { pod, reasons } of plan.hopeless) {
      const why = [...reasons].map(([reason, n]) => `${n} ${reason}`).sort();
      const text = `pod didn't trigger scale-up: ${why.join(', ')}`;
      events.event(PODS, pod.pod, 'Normal', 'NotTriggerScaleUp', text, COMPONENT);
    }
    return plan.scaleUps.length > 0;
  }

  async #scaleDown(pools: readonly NodePool[], snapshot: Snapshot): Promise<void> {
    const now = this.#context.now();
    const byName = new Map(pools.map((pool) => [pool.name, pool]));
    const poolOf = ({ node }: NodeInfo): NodePool | undefined =>
      byName.get(node.metadata.labels?.[POOL_LABEL] ?? '');
    const candidates = snapshot.nodes.filter((node) => poolOf(node) && !this.#removing.has(node.name));
    const budgets = this.#context.informers.of(PDBS).list();
    const staying = { ...snapshot, nodes: snapshot.nodes.filter(({ node }) => isReadyNode(node)) };
    const idle = unneeded(candidates, staying, budgets, this.#options.threshold);
    const names = new Set(idle.map(({ node }) => node.name));
    for (const name of this.#idle.keys()) if (!names.has(name)) this.#idle.delete(name);
    for (const name of names) if (!this.#idle.has(name)) this.#idle.set(name, now);
    if (now - this.#lastAdded < this.#options.quietMs) return;
    const room = new Map(pools.map((pool) => [pool.name, pool.size - pool.min]));
    let drained = false;
    for (const { node, empty } of idle) {
      const pool = poolOf(node);
      const left = room.get(pool?.name ?? '') ?? 0;
      if (!pool || left <= 0 || now - (this.#idle.get(node.name) ?? now) < this.#options.scaleDownMs)
        continue;
      // Nodes with pods go one at a time: what moves is seen before the next is judged.
      if (!empty && (drained || this.#removing.size)) continue;
      drained ||= !empty;
      room.set(pool.name, left - 1);
      this.#removing.add(node.name);
      this.#idle.delete(node.name);
      void this.#remove(node).catch((error) => {
        const text = `failed to drain the node, aborting ScaleDown: ${messageOf(error)}`;
        this.#event(node.node, 'Warning', 'ScaleDownFailed', text);
      });
    }
  }

  #event(node: Node, severity: 'Normal' | 'Warning', reason: string, text: string): void {
    this.#context.events.event(NODES, node, severity, reason, text, COMPONENT);
  }

  async #remove(info: NodeInfo): Promise<void> {
    const { name } = info;
    const { informers, events, log } = this.#context;
    log.info({ node: name }, 'scale-down');
    try {
      this.#event(info.node, 'Normal', 'ScaleDown', 'marked the node as toBeDeleted/unschedulable');
      await this.#taint(name, true);
      for (const { pod } of movable(info)) {
        events.event(PODS, pod, 'Normal', 'ScaleDown', 'deleting pod for node scale down', COMPONENT);
        await this.#evict(pod);
      }
      const deadline = Date.now() + DRAIN_MS;
      const staying = (): boolean =>
        informers
          .of(PODS)
          .byIndex('node', name)
          .some(
            (pod) =>
              !isTerminal(pod) && info.pods.has(pod.metadata.uid) && movable(info).includes(podInfo(pod)),
          );
      while (staying() && Date.now() < deadline && !this.#stopped)
        await new Promise((resolve) => setTimeout(resolve, 200));
      if (this.#stopped) return;
      await this.#pools.remove(name);
      this.#lastRemoved = this.#context.now();
      this.#event(info.node, 'Normal', 'ScaleDown', 'node removed by cluster autoscaler');
    } catch (error) {
      await this.#taint(name, false).catch(() => {});
      throw error;
    } finally {
      this.#removing.delete(name);
    }
  }

  async #evict(pod: Pod): Promise<void> {
    const { name, namespace, uid } = pod.metadata;
    const deadline = Date.now() + DRAIN_MS;
    for (;;) {
      try {
        await this.#context.client.post(PODS, { name, namespace }, 'eviction', {
          apiVersion: 'policy/v1',
          kind: 'Eviction',
          metadata: { name, namespace },
          deleteOptions: { preconditions: { uid } },
        });
        return;
      } catch (error) {
        if (isKubeError(error, 404, 409)) return;
        // A budget says not now.
        if (!isKubeError(error, 429) || Date.now() > deadline || this.#stopped) throw error;
        await new Promise((resolve) => setTimeout(resolve, 5000));
      }
    }
  }

  async #taint(name: string, on: boolean): Promise<void> {
    const node = await this.#context.client.get(NODES, { name });
    const rest = (node.spec?.taints ?? []).filter((taint) => taint.key !== TO_BE_DELETED);
    const value = String(Math.floor(Date.now() / 1000));
    const taints = on ? [...rest, { key: TO_BE_DELETED, value, effect: 'NoSchedule' }] : rest;
    await merge(this.#context, NODES, node, {
      metadata: { resourceVersion: node.metadata.resourceVersion },
      spec: { taints: taints.length ? taints : null },
    });
  }

  async #writeStatus(pools: readonly NodePool[]): Promise<void> {
    const nodes = this.#context.informers.of(NODES).list();
    const now = timestamp(this.#context.now());
    const status = statusText(pools, nodes, {
      now,
      ...(Number.isFinite(this.#lastAdded) && { lastAdded: timestamp(this.#lastAdded) }),
      ...(Number.isFinite(this.#lastRemoved) && { lastRemoved: timestamp(this.#lastRemoved) }),
      candidates: this.#idle.size,
      removing: this.#removing.size,
    });
    const annotations = { 'cluster-autoscaler.kubernetes.io/last-updated': now };
    const object = { metadata: { name: STATUS, namespace: 'kube-system', annotations }, data: { status } };
    try {
      const key = { name: STATUS, namespace: 'kube-system' };
      await this.#context.client.patch(CONFIG_MAPS, key, object, { type: 'merge' });
    } catch (error) {
      if (!isKubeError(error, 404)) throw error;
      await create(this.#context, CONFIG_MAPS, object);
    }
  }
}

function isReadyNode(node: Node): boolean {
  return node.status.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') === true;
}
