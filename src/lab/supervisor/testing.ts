import { pino } from 'pino';
import { ResourceStore } from '../azure/store.ts';
import type { FabricPlan } from '../fabric/plan.ts';
import type { ProcessIdentity } from '../machine/index.ts';
import type { ControlPlaneDriver, ControlPlaneOrder, NodeDriver, NodeOrder, Watch } from './context.ts';
import { Lab } from './lab.ts';
import type { CloudParts } from './load-balancers.ts';
import type { NodePoolWork } from './node-pools.ts';

/** Nodes that are nothing but names. */
export class FakeNodes implements NodeDriver {
  readonly running = new Map<string, Record<string, ProcessIdentity>>();
  /** `start NAME` and `stop NAME`, as they began. */
  readonly calls: string[] = [];
  /** The most that were starting at one time. */
  most = 0;
  /** When it returns a promise, a start waits for it; what it throws, the start throws. */
  onStart: (order: NodeOrder) => Promise<void> | void = () => undefined;
  onStop: (name: string) => Promise<void> | void = () => undefined;
  #starting = 0;
  #pid = 1000;

  async start(order: NodeOrder): Promise<Record<string, ProcessIdentity>> {
    this.calls.push(`start ${order.name}`);
    this.most = Math.max(this.most, ++this.#starting);
    try {
      await this.onStart(order);
    } finally {
      this.#starting--;
    }
    const parts = this.running.get(order.name) ?? {};
    for (const part of ['init', 'containerd', 'agent', 'kubelet']) {
      parts[part] ??= { pid: this.#pid++, startTime: '1' };
    }
    this.running.set(order.name, parts);
    return { ...parts };
  }

  async stop(name: string): Promise<void> {
    this.calls.push(`stop ${name}`);
    await this.onStop(name);
    this.running.delete(name);
  }

  look(name: string): ReturnType<NodeDriver['look']> {
    const parts = this.running.get(name);
    return {
      ...(parts?.init ? { init: parts.init.pid } : {}),
      containerd: parts?.containerd ? 'running' : 'down',
      agent: parts?.agent ? 'running' : 'down',
      kubelet: parts?.kubelet ? 'running' : 'down',
    };
  }
}

/** Control planes that are nothing but names. */
export class FakeControlPlanes implements ControlPlaneDriver {
  /** `start NAME`, `stop NAME` and `forget NAME NODE`, as they began. */
  readonly calls: string[] = [];
  /** What it throws, a start throws. */
  onStart: (order: ControlPlaneOrder) => Promise<void> | void = () => undefined;
  readonly running = new Map<string, ProcessIdentity>();
  #pid = 5000;

  async start(order: ControlPlaneOrder): Promise<Record<string, ProcessIdentity>> {
    this.calls.push(`start ${order.name}`);
    await this.onStart(order);
    const apiServer = this.running.get(order.name) ?? { pid: this.#pid++, startTime: '1' };
    this.running.set(order.name, apiServer);
    return { apiServer };
  }

  async stop(cluster: string): Promise<void> {
    this.calls.push(`stop ${cluster}`);
    this.running.delete(cluster);
  }

  look(cluster: string): ReturnType<ControlPlaneDriver['look']> {
    const state = this.running.has(cluster) ? 'running' : 'down';
    return { apiServer: state, controllers: state, operator: state };
  }

  async kubeconfig(cluster: string): Promise<string> {
    return `kubeconfig of ${cluster}`;
  }

  async exampleNode(cluster: string): Promise<object | undefined> {
    return this.running.has(cluster) ? { kind: 'Node' } : undefined;
  }

  async forgetNode(cluster: string, node: string): Promise<void> {
    this.calls.push(`forget ${cluster} ${node}`);
  }
}

/** Processes whose end is announced by the test. */
class FakeWatch implements Watch {
  readonly #watched = new Map<ProcessIdentity, () => void>();

  add(process: ProcessIdentity, onGone: () => void): void {
    this.#watched.set(process, onGone);
  }

  close(): void {
    this.#watched.clear();
  }

  /** Announces the end of several processes at once. */
  end(...pids: number[]): void {
    for (const [process, onGone] of [...this.#watched]) {
      if (!pids.includes(process.pid)) continue;
      this.#watched.delete(process);
      onGone();
    }
  }
}

/** A lab without a kernel. */
export class TestLab {
  readonly store: ResourceStore;
  readonly nodes = new FakeNodes();
  readonly controlPlanes = new FakeControlPlanes();
  readonly watch = new FakeWatch();
  readonly lab: Lab;
  /** The last plan that was applied. */
  plan: FabricPlan = { namespaces: new Map(), cables: [] };
  /** Applications that went well. */
  applied = 0;
  /** Thrown by the next application. */
  fabricFailure: Error | undefined;
  /** The doors of clusters with an autoscaler. */
  readonly pools = new Map<string, NodePoolWork>();
  readonly gone = new Set<string>();
  /** What was logged. */
  readonly logged: string[] = [];

  /**
   * @param store - what a former lab left; nothing when absent
   * @param cloud - without it clusters have no load balancers
   */
  constructor(store = new ResourceStore(':memory:'), cloud?: CloudParts) {
    this.store = store;
    this.lab = new Lab({
      store,
      log: pino(
        { base: null },
        { write: (line) => this.logged.push((JSON.parse(line) as { msg: string }).msg) },
      ),
      nodes: this.nodes,
      controlPlanes: this.controlPlanes,
      watch: this.watch,
      fabric: {
        apply: (plan) => {
          // A refusal comes in the middle of it.
          this.plan = plan;
          const failure = this.fabricFailure;
          this.fabricFailure = undefined;
          if (failure) throw failure;
          this.applied++;
        },
        forget: () => this.gone.clear(),
      },
      machineAddresses: () => [],
      uplink: { state: 'up', start: async () => undefined, close: () => undefined },
      nodePools: {
        open: async (cluster, work) => void this.pools.set(cluster, work),
        close: async (cluster) => void this.pools.delete(cluster),
      },
      registry: { start: async () => undefined, close: () => undefined },
      ...(cloud ? { cloud } : {}),
      isThere: (namespace) => !this.gone.has(namespace),
      refused: (namespace) => (namespace === 'internet' ? { private: 3 } : {}),
    });
  }

  /** Namespaces of the fabric. */
  namespaces(prefix = ''): string[] {
    return [...this.plan.namespaces.keys()].filter((name) => name.startsWith(prefix));
  }

  /** What a supervisor of after a kill -9 finds: the store, and nothing of what this one had in mind. */
  successor(): TestLab {
    return new TestLab(this.store);
  }
}

/** A promise that is resolved from outside. */
export function signal(): { wait: Promise<void>; send: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { wait: promise, send: resolve };
}

/** Lets everything happen that can happen without time passing. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve));
}
