// The scheduler: watches, decides, binds. The decisions are in schedule.ts and preemption.ts.
import type { KubeClient } from '../../../kube/client.ts';
import { isKubeError } from '../../../kube/error.ts';
import { withCondition } from '../controllers/common/conditions.ts';
import { type Context, type Controller, merge, remove } from '../controllers/common/context.ts';
import { messageOf } from '../controllers/common/message.ts';
import {
  keyOf,
  NAMESPACES,
  NODES,
  PDBS,
  PERSISTENT_VOLUME_CLAIMS,
  PODS,
  type Pod,
} from '../controllers/common/objects.ts';
import { isTerminal, podCondition } from '../controllers/common/pods.ts';
import { SchedulerCache } from './cache.ts';
import { schedulingChange } from './changes.ts';
import type { Misfit } from './filters.ts';
import { type PodInfo, podInfo } from './node-info.ts';
import { preempt } from './preemption.ts';
import { LONGEST_PARKED, SchedulingQueue } from './queue.ts';
import { enoughNodes, misfitMessage, schedule } from './schedule.ts';
import type { Snapshot } from './snapshot.ts';
import { claimProblem } from './volumes.ts';

export const SCHEDULER_NAME = 'default-scheduler';
/** So many bindings are on their way at once. */
const BINDINGS = 32;
/** Decisions in one go, before others get the thread. */
const SLICE = 50;

export function schedulerController(context: Context, client: KubeClient = context.client): Controller {
  const scheduler = new Scheduler({ ...context, client });
  return { name: 'scheduler', stop: () => scheduler.stop() };
}

class Scheduler {
  readonly #context: Context;
  readonly #cache = new SchedulerCache();
  readonly #queue = new SchedulingQueue();
  /** Pods promised to a node by preemption, by their uid. */
  readonly #nominated = new Map<string, { node: string; info: PodInfo }>();
  #bindings = 0;
  #offset = 0;
  #stopped = false;
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  readonly #parked: NodeJS.Timeout;

  constructor(context: Context) {
    this.#context = context;
    const { informers } = context;
    const pods = informers.of(PODS);
    const nodes = informers.of(NODES);
    pods.on('add', (pod) => this.#podChanged(pod));
    pods.on('update', (pod, old) => this.#podChanged(pod, old));
    pods.on('delete', (pod) => this.#podGone(pod));
    nodes.on('add', (node) => {
      this.#cache.setNode(node);
      this.#wake();
    });
    nodes.on('update', (node, old) => {
      if (!schedulingChange(node, old)) return;
      this.#cache.setNode(node);
      this.#wake();
    });
    nodes.on('delete', (node) => this.#cache.removeNode(node.metadata.name));
    const claims = informers.of(PERSISTENT_VOLUME_CLAIMS);
    claims.on('add', () => this.#wake()).on('update', () => this.#wake());
    informers.of(NAMESPACES);
    informers.of(PDBS);
    this.#parked = setInterval(() => this.#wake(), LONGEST_PARKED);
    this.#parked.unref();
    void Promise.all([pods.synced, nodes.synced, claims.synced, informers.of(NAMESPACES).synced]).then(() => {
      this.#ready = true;
      // An informer that was running before us tells nothing twice.
      for (const node of nodes.list()) this.#cache.setNode(node);
      for (const pod of pods.list()) this.#podChanged(pod);
      this.#pump();
    });
  }

  #ready = false;

  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#parked);
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
  }

  #podChanged(pod: Pod, old?: Pod): void {
    const { uid } = pod.metadata;
    const key = keyOf(pod);
    const placedBefore = old ? !!old.spec.nodeName && !isTerminal(old) : false;
    this.#cache.setPod(pod);
    if (pod.spec.nodeName || isTerminal(pod)) {
      this.#queue.delete(key);
      this.#nominated.delete(uid);
      // Room became free, or a pod that others want to be near to is there.
      if (isTerminal(pod) ? placedBefore : !placedBefore) this.#wake();
      return;
    }
    if ((pod.spec.schedulerName ?? SCHEDULER_NAME) !== SCHEDULER_NAME) return;
    if (pod.metadata.deletionTimestamp || pod.spec.schedulingGates?.length) {
      this.#queue.delete(key);
      if (pod.spec.schedulingGates?.length) void this.#gated(pod);
      return;
    }
    if (this.#cache.isAssumed(uid)) return;
    // Our own notes in its status are no reason to try again.
    if (this.#queue.has(key) && old && !schedulingChange(pod, old)) return;
    this.#queue.add(key, pod);
    this.#pump();
  }

  #podGone(pod: Pod): void {
    this.#queue.delete(keyOf(pod));
    this.#nominated.delete(pod.metadata.uid);
    this.#cache.removePod(pod.metadata.uid);
    if (pod.spec.nodeName) this.#wake();
  }

  #wake(): void {
    this.#queue.wake();
    this.#pump();
  }

  #pump(): void {
    if (this.#stopped || !this.#ready || this.#immediate) return;
    this.#immediate = setImmediate(() => {
      this.#immediate = undefined;
      this.#work();
    });
  }

  #work(): void {
    clearTimeout(this.#timer);
    const snapshot = this.#snapshot();
    for (let i = 0; i < SLICE && this.#bindings < BINDINGS && !this.#stopped; i++) {
      const key = this.#queue.next(Date.now());
      if (key === undefined) {
        const pause = this.#queue.nextPause(Date.now());
        if (pause !== undefined) this.#timer = setTimeout(() => this.#pump(), pause + 1);
        return;
      }
      const pod = this.#context.informers.of(PODS).get(key);
      if (!pod || pod.spec.nodeName) this.#queue.delete(key);
      else this.#try(key, pod, snapshot);
    }
    if (this.#bindings < BINDINGS) this.#pump();
  }

  #snapshot(): Snapshot {
    const namespaces = this.#context.informers.of(NAMESPACES);
    return {
      nodes: this.#cache.nodes,
      namespaceLabels: (namespace) => namespaces.get(namespace)?.metadata.labels,
    };
  }

  #try(key: string, pod: Pod, snapshot: Snapshot): void {
    const info = podInfo(pod);
    const claims = this.#context.informers.of(PERSISTENT_VOLUME_CLAIMS);
    const problem = claimProblem(pod, (name) => claims.get(`${pod.metadata.namespace}/${name}`));
    if (problem) {
      const text = `0/${snapshot.nodes.length} nodes are available: ${problem}. preemption: 0/${snapshot.nodes.length} nodes are available: ${snapshot.nodes.length} Preemption is not helpful for scheduling.`;
      void this.#failed(key, pod, text);
      return;
    }
    const decision = schedule(info, snapshot, { nominated: this.#promises(), offset: this.#offset });
    this.#offset = (this.#offset + enoughNodes(snapshot.nodes.length)) % Math.max(1, snapshot.nodes.length);
    if ('misfits' in decision) void this.#unschedulable(key, info, snapshot, decision.misfits);
    else {
      this.#cache.assume(info, decision.node.name);
      this.#nominated.delete(pod.metadata.uid);
      void this.#bind(key, pod, decision.node.name);
    }
  }

  #promises(): Map<string, PodInfo[]> | undefined {
    if (!this.#nominated.size) return undefined;
    const byNode = new Map<string, PodInfo[]>();
    for (const { node, info } of this.#nominated.values())
      byNode.set(node, [...(byNode.get(node) ?? []), info]);
    return byNode;
  }

  async #bind(key: string, pod: Pod, node: string): Promise<void> {
    const { name, namespace, uid } = pod.metadata;
    this.#bindings++;
    try {
      await this.#context.client.post(PODS, { name, namespace }, 'binding', {
        apiVersion: 'v1',
        kind: 'Binding',
        metadata: { name, namespace, uid },
        target: { apiVersion: 'v1', kind: 'Node', name: node },
      });
      this.#queue.delete(key);
      const text = `Successfully assigned ${namespace}/${name} to ${node}`;
      this.#context.events.event(PODS, pod, 'Normal', 'Scheduled', text, SCHEDULER_NAME);
    } catch (error) {
      // Bound after all (the answer was lost): the informer says so. Gone: nothing to do.
      if (!isKubeError(error, 404)) {
        this.#queue.failed(key, Date.now(), false);
        this.#context.log.warn({ pod: key, node, error: messageOf(error) }, 'binding failed');
      }
      this.#cache.forget(uid);
      this.#queue.wake();
    } finally {
      this.#bindings--;
      this.#pump();
    }
  }

  async #unschedulable(
    key: string,
    info: PodInfo,
    snapshot: Snapshot,
    misfits: Map<string, Misfit>,
  ): Promise<void> {
    const found = preempt(info, snapshot, misfits, this.#context.informers.of(PDBS).list());
    const nominee = 'node' in found ? found : undefined;
    const why = 'message' in found ? ` preemption: ${found.message}` : '';
    const nodes = snapshot.nodes.length;
    const message = `${misfitMessage(nodes, misfits.values())}${nodes ? why : ''}`;
    if (nominee) this.#nominated.set(info.pod.metadata.uid, { node: nominee.node, info });
    await this.#failed(key, info.pod, message, nominee?.node);
    for (const victim of nominee?.victims ?? [])
      await this.#evict(victim.pod, info.pod, nominee?.node ?? '').catch((error) =>
        this.#context.log.warn({ pod: keyOf(victim.pod), error: messageOf(error) }, 'preemption failed'),
      );
  }

  async #evict(victim: Pod, pod: Pod, node: string): Promise<void> {
    if (victim.metadata.deletionTimestamp) return;
    const conditions = withCondition(
      victim.status.conditions,
      {
        type: 'DisruptionTarget',
        status: 'True',
        reason: 'PreemptionByScheduler',
        message: `${SCHEDULER_NAME}: preempting to accommodate a higher priority pod`,
      },
      this.#context.now(),
    );
    await merge(this.#context, PODS, victim, { status: { conditions } }, 'status');
    await remove(this.#context, PODS, victim);
    const text = `Preempted by pod ${pod.metadata.uid} on node ${node}`;
    this.#context.events.event(PODS, victim, 'Normal', 'Preempted', text, SCHEDULER_NAME);
  }

  async #failed(key: string, pod: Pod, message: string, nominatedNodeName?: string): Promise<void> {
    this.#queue.failed(key, Date.now());
    this.#context.events.event(PODS, pod, 'Warning', 'FailedScheduling', message, SCHEDULER_NAME);
    await this.#condition(pod, 'Unschedulable', message, nominatedNodeName);
    this.#pump();
  }

  #gated(pod: Pod): Promise<void> {
    const message = 'Scheduling is blocked due to non-empty scheduling gates';
    return this.#condition(pod, 'SchedulingGated', message);
  }

  /** Writes PodScheduled=False (and the nomination), if it is not there yet. */
  async #condition(pod: Pod, reason: string, message: string, nominatedNodeName?: string): Promise<void> {
    const old = podCondition(pod, 'PodScheduled');
    const nominate = nominatedNodeName && pod.status.nominatedNodeName !== nominatedNodeName;
    if (old?.reason === reason && old.message === message && !nominate) return;
    const conditions = withCondition(
      pod.status.conditions,
      { type: 'PodScheduled', status: 'False', reason, message },
      this.#context.now(),
    );
    const status = { conditions, ...(nominate && { nominatedNodeName }) };
    try {
      await merge(this.#context, PODS, pod, { status }, 'status');
    } catch (error) {
      if (!isKubeError(error, 404))
        this.#context.log.warn({ pod: keyOf(pod), error: messageOf(error) }, 'condition not written');
    }
  }
}
