import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { KubeClient } from '../../../kube/client.ts';
import { isKubeError } from '../../../kube/error.ts';
import { Informer } from '../../../kube/informer.ts';
import { LEASES, NODES } from '../../../kube/resources.ts';
import type { CriClient } from '../cri.ts';
import type { Lease, Node } from '../model.ts';
import type { NodeResources } from '../resources.ts';
import { architecture, nodeInfo, pressure } from './node-facts.ts';
import { type NodeStatusInputs, nodeStatus } from './node-status.ts';

export interface NodeSettings {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly maxPods: number;
  readonly labels: Readonly<Record<string, string>>;
  /** The blocks of pod addresses that the platform planned for this node, comma-separated. */
  readonly requestedPodCidrs: string | undefined;
  readonly resources: NodeResources;
  readonly root: string;
  readonly port: number;
}

const LEASE_MS = 10_000;
const LEASE_SECONDS = 40;
/** How often the node is looked at; every five minutes its status is written although nothing has changed. */
const LOOK_MS = 1000;
const LOOK_READY_MS = 10_000;
const REPORT_MS = 300_000;
const RETRY_MS = 1000;
const LEASE_NAMESPACE = 'kube-node-lease';

/** The labels by which every kubelet describes its machine. */
export function standardLabels(name: string): Record<string, string> {
  return {
    'beta.kubernetes.io/arch': architecture(),
    'beta.kubernetes.io/os': 'linux',
    'kubernetes.io/arch': architecture(),
    'kubernetes.io/hostname': name,
    'kubernetes.io/os': 'linux',
  };
}

/** A time of the Kubernetes API with microseconds. @param ms - since 1970 */
const microTime = (ms: number): string => new Date(ms).toISOString().replace('Z', '000Z');

/** What of a status counts as a change: not the heartbeat, and not the few bytes by which a disk fills. */
function essence(status: NonNullable<Node['status']>): string {
  const { conditions = [], ...rest } = status;
  return JSON.stringify({
    ...rest,
    conditions: conditions.map(({ type, status: is, reason, message }) => [type, is, reason, message]),
  });
}

/** Registers the node and keeps its status and its lease; whatever is away is tried again until it is there. */
export class NodeAgent {
  readonly #client: KubeClient;
  readonly #cri: CriClient;
  readonly #settings: NodeSettings;
  readonly #log: (message: string) => void;
  readonly #stopping = new AbortController();
  readonly #informer: Informer<Node>;
  readonly #facts: Record<string, string>;
  #runtimeVersion = '';
  #lease: Lease | undefined;
  #wake: (() => void) | undefined;

  constructor(client: KubeClient, cri: CriClient, settings: NodeSettings, log: (message: string) => void) {
    this.#client = client;
    this.#cri = cri;
    this.#settings = settings;
    this.#facts = nodeInfo(settings.name);
    this.#log = log;
    this.#informer = new Informer<Node>(client, NODES, { fieldSelector: `metadata.name=${settings.name}` });
    this.#informer.on('error', (error) => log(`node: ${error.message}`));
    // Somebody removed the node: it registers again.
    this.#informer.on('delete', () => this.#wake?.());
  }

  /** The node's object as the API server has it. */
  get node(): Node | undefined {
    return this.#informer.get(this.#settings.name);
  }

  start(): void {
    this.#informer.start();
    void this.#forever('node status', () => this.#report());
    void this.#forever('lease', () => this.#renew());
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wake?.();
    await this.#informer.stop();
  }

  /** @param step - returns milliseconds until the next one */
  async #forever(what: string, step: () => Promise<number>): Promise<void> {
    const { signal } = this.#stopping;
    let complaint = '';
    while (!signal.aborted) {
      let wait = RETRY_MS;
      try {
        wait = await step();
        complaint = '';
      } catch (error) {
        const message = (error as Error).message;
        if (message !== complaint) this.#log(`${what}: ${message}`);
        complaint = message;
      }
      const woken = new Promise<void>((resolve) => {
        if (what === 'node status') this.#wake = resolve;
      });
      await Promise.race([woken, delay(wait, undefined, { signal, ref: true }).catch(() => undefined)]);
    }
  }

  #sent = '';
  #sentAt = 0;

  async #report(): Promise<number> {
    const { name } = this.#settings;
    const inputs = await this.#inputs();
    let node = this.node ?? (await this.#client.find(NODES, { name }));
    if (!node) {
      node = await this.#register(inputs);
      this.#log(`node ${name} is registered`);
    } else if (this.#sentAt === 0) await this.#label(node);
    const status = nodeStatus(inputs, node.status);
    const ready = status.conditions?.some((each) => each.type === 'Ready' && each.status === 'True');
    const text = essence(status);
    if (text !== this.#sent || Date.now() - this.#sentAt >= REPORT_MS) {
      const addresses = [{ $patch: 'replace' }, ...(status.addresses ?? [])];
      const body = { status: { ...status, addresses } };
      await this.#client.patch(NODES, { name }, body, { type: 'strategic', subresource: 'status' });
      this.#sent = text;
      this.#sentAt = Date.now();
    }
    return ready ? LOOK_READY_MS : LOOK_MS;
  }

  async #inputs(): Promise<NodeStatusInputs> {
    const { addresses, resources, maxPods, root, port, name } = this.#settings;
    let runtime: NodeStatusInputs['runtime'];
    let runtimeError: string | undefined;
    let images: NodeStatusInputs['images'] = [];
    try {
      if (this.#runtimeVersion === '') {
        const version = await this.#cri.version();
        this.#runtimeVersion = `${version.runtimeName}://${version.runtimeVersion.replace(/^v/, '')}`;
      }
      runtime = (await this.#cri.status()).status?.conditions;
      images = await this.#cri.listImages();
    } catch (error) {
      runtimeError = (error as Error).message;
      this.#runtimeVersion = '';
    }
    return {
      hostname: hostname() || name,
      addresses,
      resources,
      maxPods,
      info: this.#facts,
      runtimeVersion: this.#runtimeVersion,
      runtime,
      runtimeError,
      pressure: pressure(root),
      images,
      port,
      now: Date.now(),
    };
  }

  #annotations(): Record<string, string> {
    const { requestedPodCidrs } = this.#settings;
    return {
      'node.alpha.kubernetes.io/ttl': '0',
      'volumes.kubernetes.io/controller-managed-attach-detach': 'true',
      ...(requestedPodCidrs ? { 'flyover.dev/requested-pod-cidrs': requestedPodCidrs } : {}),
    };
  }

  async #register(inputs: NodeStatusInputs): Promise<Node> {
    const { name, labels } = this.#settings;
    const node: Node = {
      metadata: { name, labels: { ...standardLabels(name), ...labels }, annotations: this.#annotations() },
      spec: {},
      status: nodeStatus(inputs),
    };
    try {
      return await this.#client.create(NODES, node);
    } catch (error) {
      if (isKubeError(error, 409)) return await this.#client.get(NODES, { name });
      throw error;
    }
  }

  /** A node that is known from before gets the labels and annotations that it lacks. */
  async #label(node: Node): Promise<void> {
    const { name } = this.#settings;
    const labels = { ...standardLabels(name), ...this.#settings.labels };
    const missing = (now: Record<string, string> | undefined, wanted: Record<string, string>) =>
      Object.fromEntries(Object.entries(wanted).filter(([key, value]) => now?.[key] !== value));
    const body = {
      metadata: {
        labels: missing(node.metadata?.labels, labels),
        annotations: missing(node.metadata?.annotations, this.#annotations()),
      },
    };
    if (Object.keys(body.metadata.labels).length + Object.keys(body.metadata.annotations).length === 0)
      return;
    await this.#client.patch(NODES, { name }, body, { type: 'merge' });
  }

  async #renew(): Promise<number> {
    const { name } = this.#settings;
    const renewTime = microTime(Date.now());
    const key = { namespace: LEASE_NAMESPACE, name };
    try {
      const known = this.#lease ?? (await this.#client.find(LEASES, key));
      if (known) {
        const spec = { ...known.spec, holderIdentity: name, leaseDurationSeconds: LEASE_SECONDS, renewTime };
        this.#lease = await this.#client.replace(LEASES, { ...known, spec });
        return LEASE_MS;
      }
      const node = this.node;
      const owner = node?.metadata?.uid;
      // A lease that belongs to no node would stay for ever.
      if (!owner) return RETRY_MS / 4;
      this.#lease = await this.#client.create(LEASES, {
        metadata: {
          ...key,
          ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name, uid: owner }],
        },
        spec: { holderIdentity: name, leaseDurationSeconds: LEASE_SECONDS, renewTime },
      });
      return LEASE_MS;
    } catch (error) {
      // Somebody else wrote or removed it: it is read again.
      this.#lease = undefined;
      if (isKubeError(error, 404, 409)) return RETRY_MS;
      throw error;
    }
  }
}
