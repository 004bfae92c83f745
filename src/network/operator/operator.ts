import type { Logger } from 'pino';
import { formatCidr } from '../../address/cidr.ts';
import type { KubeClient } from '../../kube/client.ts';
import { isKubeError } from '../../kube/error.ts';
import type { EventRecorder } from '../../kube/event-recorder.ts';
import { Informer } from '../../kube/informer.ts';
import { CONFIG_MAPS, NODES } from '../../kube/resources.ts';
import type { ConfigMap, Node } from '../../kube/types.ts';
import { WorkQueue } from '../../kube/work-queue.ts';
import { ClusterBlocks, type Notice, REQUESTED } from './cluster-blocks.ts';
import { type BlockSettings, SETTINGS, settingsOf } from './settings.ts';

export interface OperatorOptions {
  readonly client: KubeClient;
  readonly events: EventRecorder;
  readonly log: Logger;
  /** From the command line; without it from the ConfigMap. */
  readonly settings?: BlockSettings;
  /** Asked before each write: whether we still lead. */
  readonly leads: () => boolean;
}

export interface OperatorStats {
  readonly nodes: number;
  /** Nodes that have no block yet. */
  readonly waiting: number;
  readonly used: number;
  readonly capacity: number;
  readonly assigned: number;
  readonly refused: number;
}

/** The field manager under which the operator writes. */
export const FIELD_MANAGER = 'flyover';
/** Writes at one time: the API server's latency times this many nodes a round trip. */
const WORKERS = 16;
const MOST_CONFLICTS = 5;
/** A node without a block is looked at again after this, should an event have been missed. */
const AGAIN_MS = 60_000;

/**
 * One term of leadership: gives every node its blocks. It starts knowing nothing, takes note of what all nodes have,
 * and only then gives what is free.
 */
export class Operator {
  readonly #options: OperatorOptions;
  readonly #nodes: Informer<Node>;
  readonly #maps: Informer<ConfigMap> | undefined;
  readonly #queue: WorkQueue;
  /** Nodes without blocks. */
  readonly #waiting = new Set<string>();
  /** The last notice about each node, so that it is told once and not at every heartbeat. */
  readonly #told = new Map<string, string>();
  /** What is being written to nodes, or may have been: other settings must not make it free. */
  readonly #promised = new Map<string, readonly string[]>();
  #blocks: ClusterBlocks | undefined;
  #assigned = 0;
  #refused = 0;

  constructor(options: OperatorOptions) {
    this.#options = options;
    const { client, settings, log } = options;
    this.#nodes = new Informer(client, NODES, { transform: essential });
    this.#nodes.on('add', (node) => this.#sees(node));
    this.#nodes.on('update', (node, old) => this.#changed(node, old));
    this.#nodes.on('delete', (node) => this.#gone(node));
    this.#nodes.on('error', (error) => log.warn({ err: error }, error.message));
    this.#queue = new WorkQueue({
      workers: WORKERS,
      handler: (name) => this.#give(name),
      onError: (name, error, tries) =>
        log.warn({ node: name, err: error, tries }, `${name} has no block yet`),
    });
    if (settings) {
      this.#blocks = new ClusterBlocks(settings);
      return;
    }
    this.#maps = new Informer(client, CONFIG_MAPS, {
      namespace: SETTINGS.namespace,
      fieldSelector: `metadata.name=${SETTINGS.name}`,
    });
    this.#maps.on('add', (map) => this.#configure(map));
    this.#maps.on('update', (map) => this.#configure(map));
    this.#maps.on('delete', () =>
      log.warn('ConfigMap kube-system/flyover-config is gone; what it said stays'),
    );
    this.#maps.on('error', (error) => log.warn({ err: error }, error.message));
  }

  /** Runs until the signal ends it; what was begun is finished first. */
  async run(signal: AbortSignal): Promise<void> {
    const ended = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    this.#maps?.start();
    this.#nodes.start();
    const synced = Promise.all([this.#nodes.synced, this.#maps?.synced]).then(() => {
      const { log } = this.#options;
      log.info({ nodes: this.#nodes.size, waiting: this.#waiting.size }, 'nodes known');
      if (!this.#blocks)
        log.warn(
          'no pod CIDRs: set podCIDRs in ConfigMap kube-system/flyover-config, or give --pod-cidr; until then no node gets a block',
        );
      this.#workOnWaiting();
    });
    await Promise.race([synced, ended]);
    await ended;
    await Promise.all([this.#nodes.stop(), this.#maps?.stop(), this.#queue.stop()]);
  }

  stats(): OperatorStats {
    const blocks = this.#blocks?.stats();
    return {
      nodes: this.#nodes.size,
      waiting: this.#waiting.size,
      used: blocks?.used ?? 0,
      capacity: Number(blocks?.capacity ?? 0),
      assigned: this.#assigned,
      refused: this.#refused,
    };
  }

  get #ready(): boolean {
    return this.#nodes.hasSynced && (this.#maps?.hasSynced ?? true) && this.#blocks !== undefined;
  }

  #configure(map: ConfigMap): void {
    const { log, events } = this.#options;
    let settings: BlockSettings | undefined;
    try {
      settings = settingsOf(map);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      log.error(`ConfigMap kube-system/flyover-config is refused: ${why}`);
      const stays = this.#blocks ? 'what it said before stays in force' : 'no node gets a block';
      events.event(map, 'Warning', 'InvalidSettings', `${why}. Until then ${stays}`);
      return;
    }
    if (!settings || JSON.stringify(settings, bigints) === JSON.stringify(this.#blocks?.settings, bigints))
      return;
    this.#blocks = new ClusterBlocks(settings);
    this.#told.clear();
    for (const [name, podCIDRs] of this.#promised) this.#blocks.adopt(name, podCIDRs);
    for (const node of this.#nodes.list()) this.#sees(node);
    log.info({ podCIDRs: settings.podCIDRs.map(formatCidr), blockPrefix: settings.blockPrefix }, 'pod CIDRs');
    this.#workOnWaiting();
  }

  /** Takes note of what a node has. Runs for all nodes of a list before anything is given to one. */
  #sees(node: Node): void {
    const name = node.metadata?.name ?? '';
    const has = blocksOf(node);
    if (has.length === 0) {
      this.#waiting.add(name);
      if (this.#ready) this.#queue.add(name);
      return;
    }
    this.#waiting.delete(name);
    this.#promised.delete(name);
    if (!this.#blocks) return;
    const notices = this.#blocks.adopt(name, has);
    if (notices.length === 0) this.#told.delete(name);
    for (const notice of notices) this.#tell(node, notice);
  }

  #changed(node: Node, old: Node): void {
    const same =
      blocksOf(node).join() === blocksOf(old).join() &&
      node.metadata?.annotations?.[REQUESTED] === old.metadata?.annotations?.[REQUESTED];
    if (!same) this.#sees(node);
  }

  #gone(node: Node): void {
    const name = node.metadata?.name ?? '';
    this.#waiting.delete(name);
    this.#told.delete(name);
    this.#promised.delete(name);
    if (!this.#blocks?.release(name)) return;
    this.#options.log.info({ node: name, blocks: blocksOf(node) }, 'node gone, its blocks are free');
    this.#workOnWaiting();
  }

  #workOnWaiting(): void {
    if (!this.#ready) return;
    for (const name of this.#waiting) this.#queue.add(name);
  }

  /** Gives one node its blocks. */
  async #give(name: string): Promise<number | undefined> {
    const { client, log, leads } = this.#options;
    let node = this.#nodes.get(name);
    for (let tries = 1; ; tries++) {
      if (!node || !this.#ready || !this.#blocks || node.metadata?.deletionTimestamp) return undefined;
      if (blocksOf(node).length > 0) return undefined;
      const given = this.#blocks.allocate(name, node.metadata?.annotations?.[REQUESTED]);
      if ('reason' in given) {
        this.#refused++;
        this.#tell(node, given);
        return AGAIN_MS;
      }
      const podCIDRs = given.map(formatCidr);
      // Between here and the server's answer another may lead; the version makes sure that this node is as we saw it.
      if (!leads()) return undefined;
      const { uid, resourceVersion } = node.metadata ?? {};
      this.#promised.set(name, podCIDRs);
      try {
        const body = { metadata: { uid, resourceVersion }, spec: { podCIDR: podCIDRs[0], podCIDRs } };
        await client.patch(NODES, { name }, body, { type: 'merge', fieldManager: FIELD_MANAGER });
        this.#assigned++;
        log.info({ node: name, podCIDRs }, 'blocks given');
        return undefined;
      } catch (error) {
        if (isKubeError(error, 404)) return undefined;
        if (!isKubeError(error, 409) || tries >= MOST_CONFLICTS) throw error;
        // Its heartbeat came in between.
        const live = await client.find(NODES, { name });
        if (!live || live.metadata?.uid !== uid) return undefined;
        node = essential(live);
      }
    }
  }

  #tell(node: Node, notice: Notice): void {
    const name = node.metadata?.name ?? '';
    const text = `${notice.reason}: ${notice.message}`;
    if (this.#told.get(name) === text) return;
    this.#told.set(name, text);
    const { events, log } = this.#options;
    log.warn({ node: name, reason: notice.reason }, notice.message);
    events.event({ ...node, apiVersion: 'v1', kind: 'Node' }, 'Warning', notice.reason, notice.message);
  }
}

/** What of a node is kept: some 300 bytes instead of 10 KB. */
export function essential(node: Node): Node {
  const { name, uid, resourceVersion, annotations, deletionTimestamp } = node.metadata ?? {};
  const requested = annotations?.[REQUESTED];
  return {
    metadata: {
      ...(name === undefined ? {} : { name }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
      ...(requested === undefined ? {} : { annotations: { [REQUESTED]: requested } }),
      ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
    },
    spec: {
      ...(node.spec?.podCIDR ? { podCIDR: node.spec.podCIDR } : {}),
      ...(node.spec?.podCIDRs ? { podCIDRs: node.spec.podCIDRs } : {}),
    },
  };
}

function blocksOf(node: Node): readonly string[] {
  const { podCIDR, podCIDRs } = node.spec ?? {};
  return podCIDRs?.length ? podCIDRs : podCIDR ? [podCIDR] : [];
}

function bigints(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}
