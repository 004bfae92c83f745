// A cluster for tests: the real API server in this process, the controllers, and nodes whose kubelets only pretend.
import { KubeClient } from '../../../kube/client.ts';
import { Informer } from '../../../kube/informer.ts';
import { loadKubeConfig } from '../../../kube/kube-config.ts';
import type { ResourceType } from '../../../kube/resources.ts';
import type { KubeObject } from '../../../kube/types.ts';
import { startTestApiServer, type TestApiServer } from '../server/testing.ts';
import type { Log } from './common/context.ts';
import { keyOf, LEASES, live, type NewPod, NODES, type Node, PODS, type Pod } from './common/objects.ts';
import { type Manager, type ManagerOptions, startManager } from './manager.ts';

export interface TestCluster {
  api: TestApiServer;
  client: KubeClient;
  manager: Manager;
  /** What the controllers complained about. */
  warnings: string[];
  addNode(name: string, more?: NodeShape): Promise<void>;
  /** Its kubelet falls silent. */
  silence(name: string): void;
  create<T>(type: ResourceType<T>, object: object): Promise<T>;
  /** Waits until the object of a type and key (or its absence) is as wanted. */
  until<T extends KubeObject>(
    type: ResourceType<T>,
    key: string,
    wanted: (object: T | undefined) => boolean,
  ): Promise<T | undefined>;
  /** Waits until all objects of a type are as wanted. */
  untilAll<T extends KubeObject>(type: ResourceType<T>, wanted: (objects: T[]) => boolean): Promise<T[]>;
  close(): Promise<void>;
}

export interface NodeShape {
  labels?: Record<string, string>;
  cpu?: string;
  memory?: string;
  pods?: string;
  taints?: { key: string; value?: string; effect: string }[];
}

export async function startTestCluster(options: Partial<ManagerOptions> = {}): Promise<TestCluster> {
  const api = await startTestApiServer();
  const client = new KubeClient(loadKubeConfig({ kubeconfig: api.kubeconfig }));
  const warnings: string[] = [];
  const note = (fields: object, message: string): void => {
    warnings.push(`${message} ${JSON.stringify(fields)}`);
  };
  const log: Log = { debug: () => {}, info: () => {}, warn: note };
  const manager = startManager({ client, log, rootCa: 'PEM', ...options });
  const kubelets = new PretendedKubelets(client);
  const watchers = new Map<string, Informer<KubeObject>>();

  function watch<T extends KubeObject>(type: ResourceType<T>): Informer<T> {
    const key = `${type.group}/${type.plural}`;
    let informer = watchers.get(key);
    if (!informer) {
      informer = new Informer<KubeObject>(client, type as ResourceType<KubeObject>, { transform: live });
      informer.setMaxListeners(100);
      watchers.set(key, informer.start());
    }
    return informer as unknown as Informer<T>;
  }

  async function wait<T extends KubeObject, R>(
    type: ResourceType<T>,
    check: (informer: Informer<T>) => R | undefined,
    what: string,
  ): Promise<R> {
    const informer = watch(type);
    await informer.synced;
    return new Promise<R>((resolve, reject) => {
      const done = (): boolean => {
        const result = check(informer);
        if (result === undefined) return false;
        informer.off('add', done).off('update', done).off('delete', done);
        clearTimeout(timer);
        resolve(result);
        return true;
      };
      const timer = setTimeout(() => {
        informer.off('add', done).off('update', done).off('delete', done);
        const now = JSON.stringify(informer.list(), null, 1).slice(0, 4000);
        reject(new Error(`${what} was not reached; now: ${now}\n${warnings.join('\n')}`));
      }, 20_000);
      if (!done()) informer.on('add', done).on('update', done).on('delete', done);
    });
  }

  return {
    api,
    client,
    manager,
    warnings,
    addNode: (name, shape) => kubelets.add(name, shape),
    silence: (name) => kubelets.silence(name),
    create: async (type, object) => live(await client.create(type, object as never)),
    until: (type, key, wanted) =>
      wait(
        type,
        (informer) => {
          const object = informer.get(key);
          return wanted(object) ? { object } : undefined;
        },
        `${type.kind} ${key}: ${wanted}`,
      ).then(({ object }) => object),
    untilAll: (type, wanted) =>
      wait(
        type,
        (informer) => (wanted(informer.list()) ? informer.list() : undefined),
        `${type.plural}: ${wanted}`,
      ),
    close: async () => {
      await manager.stop();
      await kubelets.stop();
      await Promise.all([...watchers.values()].map((informer) => informer.stop()));
      client.close();
      await api.close();
    },
  };
}

/** The annotation that says how a pretended pod ends: an exit code, or `never` for one that does not get ready. */
export const EXIT = 'test/exit';

/** Pods on their nodes run at once, end as their annotation says, and go when they are deleted. */
class PretendedKubelets {
  readonly #client: KubeClient;
  readonly #nodes = new Set<string>();
  readonly #pods: Informer<Pod>;
  #addresses = 0;

  constructor(client: KubeClient) {
    this.#client = client;
    this.#pods = new Informer<Pod>(client, PODS, { transform: live<Pod> });
    const act = (pod: Pod): void => {
      void this.#act(pod).catch(() => {
        // The API server may be restarting; a kubelet does not give up.
        setTimeout(() => {
          const now = this.#pods.get(keyOf(pod));
          if (now && !this.#stopped) act(now);
        }, 100);
      });
    };
    this.#pods.on('add', act).on('update', act);
    this.#pods.start();
    this.#heart = setInterval(() => void this.#beat().catch(() => {}), 500);
  }

  readonly #heart: NodeJS.Timeout;
  #stopped = false;

  /** Renews the leases of the nodes that are not silent. */
  async #beat(): Promise<void> {
    for (const name of this.#nodes) {
      const key = { namespace: 'kube-node-lease', name };
      const spec = {
        holderIdentity: name,
        leaseDurationSeconds: 40,
        renewTime: new Date().toISOString().replace('Z', '000Z'),
      };
      await this.#client
        .patch(LEASES, key, { spec }, { type: 'merge' })
        .catch(() => this.#client.create(LEASES, { metadata: key, spec } as never));
    }
  }

  async add(name: string, shape: NodeShape = {}): Promise<void> {
    const { labels, cpu = '4', memory = '8Gi', pods = '110', taints } = shape;
    this.#nodes.add(name);
    const amounts = { cpu, memory, pods, 'ephemeral-storage': '100Gi' };
    const now = new Date().toISOString().replace(/\.\d+/, '');
    const node = {
      metadata: { name, labels: { 'kubernetes.io/hostname': name, ...labels } },
      spec: taints ? { taints } : {},
    };
    await this.#client.create(NODES, node as unknown as Node);
    const status = {
      allocatable: amounts,
      capacity: amounts,
      conditions: [
        {
          type: 'Ready',
          status: 'True',
          reason: 'KubeletReady',
          message: '',
          lastHeartbeatTime: now,
          lastTransitionTime: now,
        },
      ],
    };
    await this.#client.patch(NODES, { name }, { status }, { type: 'merge', subresource: 'status' });
  }

  silence(name: string): void {
    this.#nodes.delete(name);
  }

  async #act(pod: Pod): Promise<void> {
    const { name, namespace, uid } = pod.metadata;
    const { nodeName } = pod.spec;
    if (!nodeName || !this.#nodes.has(nodeName)) return;
    const exit = pod.metadata.annotations?.[EXIT];
    if (pod.metadata.deletionTimestamp) {
      await this.#client.delete(PODS, { namespace, name }, { gracePeriodSeconds: 0, preconditions: { uid } });
      return;
    }
    if (pod.status.phase === 'Running' && (exit === '0' || exit === '1')) {
      await this.#status(pod, {
        phase: exit === '0' ? 'Succeeded' : 'Failed',
        ...statuses(pod, Number(exit)),
      });
    } else if (pod.status.phase === 'Pending' || !pod.status.phase) {
      const number = ++this.#addresses;
      const podIP = `10.244.${number >> 8}.${number & 255}`;
      const ready = exit === 'never' ? 'False' : 'True';
      const now = new Date().toISOString().replace(/\.\d+/, '');
      await this.#status(pod, {
        phase: 'Running',
        podIP,
        podIPs: [{ ip: podIP }],
        startTime: now,
        conditions: [
          ...(pod.status.conditions ?? []).filter((c) => c.type !== 'Ready'),
          { type: 'Ready', status: ready, lastTransitionTime: now },
        ],
        ...statuses(pod),
      });
    }
  }

  async #status(pod: Pod, status: object): Promise<void> {
    const { name, namespace, uid } = pod.metadata;
    await this.#client.patch(
      PODS,
      { namespace, name },
      { metadata: { uid }, status },
      { type: 'merge', subresource: 'status' },
    );
  }

  stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#heart);
    return this.#pods.stop();
  }
}

function statuses(pod: Pod, exitCode?: number): object {
  const finishedAt = new Date().toISOString().replace(/\.\d+/, '');
  const state =
    exitCode === undefined
      ? { running: { startedAt: finishedAt } }
      : { terminated: { exitCode, finishedAt } };
  return {
    containerStatuses: pod.spec.containers.map(({ name, image = '' }) => ({
      name,
      image,
      imageID: '',
      ready: exitCode === undefined,
      restartCount: 0,
      state,
    })),
  };
}

/** The simplest template. */
export function template(
  labels: Record<string, string>,
  more: { cpu?: string; annotations?: Record<string, string>; spec?: Partial<NewPod['spec']> } = {},
): object {
  return {
    metadata: { labels, ...(more.annotations && { annotations: more.annotations }) },
    spec: {
      containers: [
        {
          name: 'main',
          image: 'busybox',
          ...(more.cpu && { resources: { requests: { cpu: more.cpu } } }),
        },
      ],
      ...more.spec,
    },
  };
}
