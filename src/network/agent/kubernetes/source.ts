import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Logger } from 'pino';
import type { KubeClient } from '../../../kube/client.ts';
import { isKubeError } from '../../../kube/error.ts';
import { EventRecorder, type EventType } from '../../../kube/event-recorder.ts';
import { Informer } from '../../../kube/informer.ts';
import { CONFIG_MAPS, NODES, PODS } from '../../../kube/resources.ts';
import type { ConfigMap, Node, Pod } from '../../../kube/types.ts';
import { type NodeConfig, parseConfig } from '../config.ts';
import { ConfigError } from '../config-error.ts';
import type { ConfigListener, ConfigSource } from '../config-source.ts';
import { AGENT_CODES } from '../failures.ts';
import type { IpamRecord } from '../ipam/record.ts';
import type { Observed } from '../operations.ts';
import type { ServiceCluster } from '../services/cluster.ts';
import { NetworkCondition } from './condition.ts';
import { type ClusterView, documentOf, lacksBlock, needsPeers, SETTINGS } from './document.ts';
import { essentialNode, essentialPod, isOtherPod } from './essential.ts';

export interface KubernetesSourceOptions {
  readonly client: KubeClient;
  readonly log: Logger;
  readonly nodeName: string;
  /** A file for the settings last in force, in a folder that is there. */
  readonly saved: string;
  /** The runtime's CRI socket. */
  readonly cri?: string;
  /** Called when pods can be served for the first time: now the runtime may know of us. */
  readonly onServing?: () => void;
  /** Milliseconds that a start waits for the API server before it goes by what was saved. Default 5 s. */
  readonly patienceMs?: number;
  /** Milliseconds; for tests. */
  readonly retry?: { readonly first: number; readonly longest: number };
}

const PATIENCE_MS = 5000;
/** Many nodes change within moments; one reading is enough for all of them. */
const SETTLE_MS = 100;
/** A block that cannot change yet, and a Node without one, are looked at again. */
const AGAIN_MS = 5000;
/** An operator gives a block within a second; before this nobody needs to hear of it. */
const BLOCK_MS = 15_000;

/**
 * Kubernetes as the agent's configuration: its own Node (blocks and addresses), a ConfigMap (settings), the other
 * Nodes where the routing needs them, and this node's pods. While the API server is away everything stays as it was,
 * also over a restart; what cannot be used is refused by an event on the Node, and the one before stays.
 */
export class KubernetesSource implements ConfigSource {
  readonly name = 'Kubernetes';
  readonly cluster: ServiceCluster;
  readonly #options: KubernetesSourceOptions;
  readonly #events: EventRecorder;
  readonly #condition: NetworkCondition;
  readonly #own: Informer<Node>;
  readonly #maps: Informer<ConfigMap>;
  readonly #pods: Informer<Pod>;
  #others: Informer<Node> | undefined;
  #listener: ConfigListener | undefined;
  /** The document last made of what the cluster says, and the configuration that was accepted last. */
  #made = '';
  #accepted: string | undefined;
  #saved: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #missingSince: number | undefined;
  #serving = false;
  #closed = false;

  private constructor(options: KubernetesSourceOptions) {
    this.#options = options;
    const { client, nodeName, log, retry } = options;
    const onError = (error: unknown): void =>
      log.warn({ err: error }, error instanceof Error ? error.message : String(error));
    this.#events = new EventRecorder(client, { component: 'flyover-agent', host: nodeName, onError });
    this.#condition = new NetworkCondition(client, nodeName, { onError });
    const again = retry ? { retry } : {};
    const named = { fieldSelector: `metadata.name=${nodeName}` };
    this.#own = new Informer(client, NODES, { ...named, transform: essentialNode, ...again });
    const settings = { namespace: SETTINGS.namespace, fieldSelector: `metadata.name=${SETTINGS.name}` };
    this.#maps = new Informer(client, CONFIG_MAPS, { ...settings, ...again });
    const mine = { fieldSelector: `spec.nodeName=${nodeName}` };
    this.#pods = new Informer(client, PODS, { ...mine, transform: essentialPod, ...again });
    for (const informer of [this.#own, this.#maps] as Informer<Node | ConfigMap>[]) {
      for (const event of ['add', 'update', 'delete', 'listed'] as const)
        informer.on(event, () => this.#changed());
    }
    for (const event of ['add', 'update', 'delete'] as const)
      this.#own.on(event, () => this.#condition.sees(this.#own.get(nodeName)));
    for (const informer of [this.#own, this.#maps, this.#pods] as Informer<Node | ConfigMap | Pod>[])
      informer.on('error', onError);
    this.cluster = this.#cluster();
    this.#accepted = readSaved(options.saved, nodeName);
    this.#saved = this.#accepted;
  }

  /** Resolves when the cluster is known; after some patience also without, if settings were saved. */
  static async start(options: KubernetesSourceOptions): Promise<KubernetesSource> {
    const source = new KubernetesSource(options);
    source.#own.start();
    source.#maps.start();
    source.#pods.start();
    const known = Promise.all([source.#own.synced, source.#maps.synced]);
    void known.then(() => source.#checkServer());
    const patience = options.patienceMs ?? PATIENCE_MS;
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([
      known,
      new Promise((resolve) => {
        timer = setTimeout(resolve, patience);
      }),
    ]);
    clearTimeout(timer);
    return source;
  }

  watch(listener: ConfigListener): void {
    this.#listener = listener;
  }

  connected(): boolean {
    return this.#own.connected;
  }

  text(): string {
    const { nodeName } = this.#options;
    if (!this.#own.hasSynced || !this.#maps.hasSynced) {
      if (this.#accepted !== undefined) return this.#accepted;
      const rule = 'does not answer, and no settings of this node were saved before';
      const fix =
        'look whether it runs and can be reached, and whether this agent may get nodes and configmaps';
      const server = this.#options.client.config.server;
      throw new ConfigError(this.name, [{ field: 'API server', value: server, rule, fix }]);
    }
    const view = this.#view();
    // Without the others yet, their routes would go and come back.
    if (this.#others?.hasSynced === false && this.#accepted !== undefined) return this.#accepted;
    try {
      const made = documentOf(view);
      if (made !== this.#made) {
        parseConfig(made, `Node ${nodeName} and ConfigMap ${SETTINGS.namespace}/${SETTINGS.name}`);
        this.#made = made;
      }
      this.#missingSince = undefined;
      return this.#admit(made);
    } catch (error) {
      this.#refused(error, view);
      if (this.#accepted !== undefined) return this.#accepted;
      throw error;
    }
  }

  report(config: NodeConfig | undefined, notReady: string | undefined): void {
    this.#condition.report(config?.nodeBlocks, notReady);
    this.#save();
    if (notReady !== undefined || this.#serving) return;
    try {
      this.#options.onServing?.();
      this.#serving = true;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#options.log.error({ err: error }, `the CNI configuration cannot be written: ${why}`);
      this.#tell(
        'Warning',
        'ConflistNotWritten',
        `${why}; mount the node's /etc/cni/net.d writable, and start the agent again`,
      );
    }
  }

  failed({ error, pod }: Observed): void {
    if (error?.code !== AGENT_CODES.noFreeAddress) return;
    const [namespace, name] = pod?.split('/') ?? [];
    const message = `${error.details ?? error.message}. Delete pods of this node, or set maxPods so that the scheduler sends fewer`;
    this.#tell('Warning', 'AddressesExhausted', message);
    const live = this.#pods.get(`${namespace}/${name}`);
    if (live)
      this.#events.event(
        { ...live, apiVersion: 'v1', kind: 'Pod' },
        'Warning',
        'AddressesExhausted',
        message,
      );
  }

  podGone({ podNamespace, podName, podUid }: IpamRecord): boolean {
    if (!this.#pods.hasSynced || !this.#pods.connected || !podNamespace || !podName) return false;
    return isOtherPod(this.#pods.get(`${podNamespace}/${podName}`), podUid);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    const informers = [this.#own, this.#maps, this.#pods, this.#others];
    await Promise.all(informers.map((informer) => informer?.stop()));
    await this.#condition.stop();
    await this.#events.flush();
    this.#options.client.close();
  }

  /** For the service proxy. */
  #cluster(): ServiceCluster {
    const { client, nodeName, retry } = this.#options;
    const listeners = new Set<() => void>();
    for (const event of ['add', 'update', 'delete'] as const)
      this.#own.on(event, () => {
        for (const listener of listeners) listener();
      });
    return {
      client,
      nodeName,
      ...(retry ? { retry } : {}),
      nodeKnown: this.#own.synced,
      node: () => this.#own.get(nodeName),
      onNode: (listener) => void listeners.add(listener),
      offNode: (listener) => void listeners.delete(listener),
      tell: (...event) => this.#events.event(...event),
    };
  }

  #view(): ClusterView {
    const { nodeName, cri } = this.#options;
    const settings = this.#maps.get(`${SETTINGS.namespace}/${SETTINGS.name}`);
    this.#follow(needsPeers(settings));
    return {
      nodeName,
      node: this.#own.get(nodeName),
      settings,
      others: this.#others?.list() ?? [],
      cri,
    };
  }

  /** A node of a thousand need not hold the others in memory when the network knows them. */
  #follow(wanted: boolean): void {
    if (wanted === (this.#others !== undefined)) return;
    if (!wanted) {
      void this.#others?.stop();
      this.#others = undefined;
      return;
    }
    const { client, log, nodeName, retry } = this.#options;
    const others = new Informer(client, NODES, {
      fieldSelector: `metadata.name!=${nodeName}`,
      transform: essentialNode,
      ...(retry ? { retry } : {}),
    });
    others.on('error', (error) => log.warn({ err: error }, error.message));
    for (const event of ['add', 'delete', 'listed'] as const) others.on(event, () => this.#changed());
    others.on('update', (node, old) => {
      // Their heartbeats are not news.
      if (JSON.stringify([node.spec, node.status]) !== JSON.stringify([old.spec, old.status]))
        this.#changed();
    });
    this.#others = others.start();
  }

  /** The document if its block may be used now, else the one before. */
  #admit(made: string): string {
    const before = this.#accepted;
    if (made === before) return made;
    const now = blocksIn(made);
    const former = before === undefined ? now : blocksIn(before);
    const attached = this.#listener?.attached();
    // Not known before the journal is open, which needs a configuration.
    if (before !== undefined && now !== former && attached !== 0) {
      const pods = attached === undefined ? 'Its pods have' : `${attached} pods have`;
      this.#tell(
        'Warning',
        'BlockChanged',
        `spec.podCIDRs '${now}' is not what it was, '${former}'. ${pods} addresses of that, so it stays in force; drain this node, and the new one is taken`,
      );
      this.#later(AGAIN_MS);
      return before;
    }
    this.#accepted = made;
    this.#save();
    return made;
  }

  #save(): void {
    const { saved, log } = this.#options;
    if (this.#accepted === undefined || this.#accepted === this.#saved) return;
    try {
      writeFileSync(`${saved}.new`, this.#accepted, { mode: 0o600, flush: true });
      renameSync(`${saved}.new`, saved);
      this.#saved = this.#accepted;
    } catch (error) {
      // The folder is made when the journal is opened, which needs a configuration.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      const why = 'the settings could not be saved for a start without an API server';
      log.error({ err: error }, `${dirname(saved)}: ${why}`);
    }
  }

  #refused(error: unknown, view: ClusterView): void {
    if (!(error instanceof ConfigError)) throw error;
    const stays = this.#accepted === undefined ? '' : ' The settings before stay in force.';
    const said = error.problems
      .map(({ field, value, rule, fix }) => `${field} '${value}' ${rule}; ${fix}`)
      .join('. ');
    if (lacksBlock(view) && this.#accepted === undefined) {
      const now = performance.now();
      this.#missingSince ??= now;
      this.#later(AGAIN_MS);
      if (now - this.#missingSince >= BLOCK_MS) this.#tell('Warning', 'BlockMissing', said);
    } else if (view.node) this.#tell('Warning', 'InvalidSettings', `${said}.${stays}`);
    this.#options.log.warn({ accepted: this.#accepted !== undefined }, error.message);
  }

  #tell(type: EventType, reason: string, message: string): void {
    const node = this.#own.get(this.#options.nodeName);
    if (node) this.#events.event({ ...node, apiVersion: 'v1', kind: 'Node' }, type, reason, message);
  }

  #changed(): void {
    this.#later(SETTLE_MS);
  }

  #later(milliseconds: number): void {
    if (this.#closed) return;
    if (this.#timer && milliseconds > SETTLE_MS) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#listener?.changed();
    }, milliseconds).unref();
  }

  /** What later parts of the network wing need and old servers (before 1.21) do not have. */
  async #checkServer(): Promise<void> {
    const { client, log } = this.#options;
    try {
      await client.raw('GET', '/apis/discovery.k8s.io/v1');
    } catch (error) {
      if (!isKubeError(error, 404)) return;
      const message =
        'discovery.k8s.io/v1 is not served by this API server: Services cannot be followed; use Kubernetes 1.21 or newer (1.30 to 1.36 are tested)';
      log.warn(message);
      this.#tell('Warning', 'UnsupportedApiServer', message);
    }
  }
}

/** The blocks that a document names, as one text. */
function blocksIn(text: string): string {
  return (JSON.parse(text) as { nodeBlocks: string[] }).nodeBlocks.join(',');
}

/** What was in force when the agent last ran; undefined when there is nothing that this node could use. */
function readSaved(path: string, nodeName: string): string | undefined {
  try {
    const text = readFileSync(path, 'utf8');
    return parseConfig(text, path).nodeName === nodeName ? text : undefined;
  } catch {
    return undefined;
  }
}
