import { join } from 'node:path';
import type { Logger } from 'pino';
import { Rtnl } from '../../kernel/netlink/rtnl.ts';
import { NftSocket } from '../../kernel/nft/socket.ts';
import { type CniServer, createCniServer } from '../cni/server.ts';
import { Dataplane } from '../dataplane/dataplane.ts';
import { AgentMetrics, type MetricSources } from './agent-metrics.ts';
import { type NodeConfig, parseConfig } from './config.ts';
import { type ConfigSource, FileSource } from './config-source.ts';
import { HealthServer } from './health.ts';
import { IpamStore } from './ipam/store.ts';
import { KeyedMutex } from './mutex.ts';
import { type Observed, PodOperations } from './operations.ts';
import { type Finding, reconcile } from './reconcile.ts';
import { askRuntime } from './runtime.ts';
import { Services } from './services/services.ts';

export interface AgentOptions {
  /** Path of node.json, or what takes its place. */
  readonly config: string | ConfigSource;
  /** Folder of the address journal. */
  readonly state: string;
  /** Folder of the sockets. */
  readonly run: string;
  /** Folder of DELs that came while no agent ran. */
  readonly spool: string;
  /** `127.0.0.1:9470`: the metrics over TCP too. */
  readonly metrics?: string;
  readonly version: string;
  /** How to start this executable once more, to ask the runtime; see {@link askRuntime}. */
  readonly self: readonly string[];
}

const RECONCILE_MS = 60_000;
/** Every so many reconciliations the runtime is asked too. */
const RUNTIME_EVERY = 60;
const RETRY_MS = 1000;

/** What works once there was a usable configuration. */
interface Working {
  readonly ipam: IpamStore;
  readonly dataplane: Dataplane;
  readonly operations: PodOperations;
  readonly server: CniServer;
}

/**
 * The node daemon. It serves CNI from the moment its state, table and routes are right, and nothing of what it has
 * made depends on its being there: stopping it disturbs no packet.
 */
export class Agent {
  readonly #options: AgentOptions;
  readonly #source: ConfigSource;
  readonly #log: Logger;
  readonly #metrics: AgentMetrics;
  readonly #health: HealthServer;
  readonly #services: Services;
  readonly #mutex = new KeyedMutex();
  #config: NodeConfig | undefined;
  /** The one that Services were told. */
  #applied: NodeConfig | undefined;
  #text: string | undefined;
  #working: Working | undefined;
  #parts: Omit<Working, 'server'> | undefined;
  #problems: readonly string[] = ['it is starting'];
  #timers: NodeJS.Timeout[] = [];
  #rounds = 0;
  #busy: Promise<void> = Promise.resolve();
  #stopped = false;
  #reported: { readonly config: NodeConfig | undefined; readonly why: string | undefined } | undefined;

  private constructor(options: AgentOptions, log: Logger) {
    this.#options = options;
    this.#source = typeof options.config === 'string' ? new FileSource(options.config) : options.config;
    this.#log = log;
    this.#services = new Services({ cluster: this.#source.cluster, log });
    this.#metrics = new AgentMetrics({
      version: options.version,
      nodeName: () => this.#config?.nodeName,
      ready: () => this.notReady() === undefined,
      addresses: () => this.#parts?.ipam.stats(),
      counters: () => this.#parts?.dataplane.counters(),
      ...this.#clusterMetrics(),
    });
    this.#health = new HealthServer({
      notReady: () => this.#notServing(),
      metrics: () =>
        this.#metrics.text((name, error) =>
          log.warn({ metric: name, err: error }, 'a metric cannot be read'),
        ),
      pods: () => this.#parts?.ipam.records() ?? [],
    });
  }

  /**
   * Starts the daemon. Resolves when it serves; with an unusable node.json as soon as it has said so: then it waits
   * for a better one, while the plugin's front queues DELs and refuses the rest.
   *
   * @throws Error when another agent runs here, or the state is corrupt
   */
  static async start(options: AgentOptions, log: Logger): Promise<Agent> {
    const agent = new Agent(options, log);
    try {
      await agent.#health.listenUnix(join(options.run, 'metrics.sock'));
      if (options.metrics) await agent.#health.listenTcp(options.metrics);
      agent.#watch();
      await agent.#inTurn(() => agent.#load());
      return agent;
    } catch (error) {
      await agent.stop();
      throw error;
    }
  }

  /** Why pods cannot be served now; undefined when they can. */
  notReady(): string | undefined {
    return this.#problems.length === 0 ? undefined : this.#problems.join('; ');
  }

  /** Reads node.json again and brings everything to it. A bad one changes nothing. */
  reload(): Promise<void> {
    return this.#inTurn(() => this.#load());
  }

  /** Lets running operations end, and leaves the data plane as it is. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers) clearInterval(timer);
    await this.#busy;
    await this.#working?.server.close();
    await this.#parts?.ipam.close();
    await this.#services.close();
    this.#parts?.dataplane.close();
    await this.#source.close();
    await this.#health.close();
  }

  /** Configuration, reconciliation and retries run one after another. */
  #inTurn(body: () => Promise<void> | void): Promise<void> {
    const run = this.#busy.then(() => (this.#stopped ? undefined : body())).finally(() => this.#report());
    this.#busy = run.then(
      () => {},
      () => {},
    );
    return run;
  }

  #watch(): void {
    this.#source.watch({
      changed: () =>
        void this.#inTurn(() => this.#load(true)).catch((error: unknown) => this.#failed(error, 'reload')),
      attached: () => this.#parts?.ipam.stats().records,
    });
    const every = (milliseconds: number, body: () => Promise<void> | void): void => {
      const tick = (): void =>
        void this.#inTurn(body).catch((error: unknown) => this.#failed(error, 'periodic work'));
      this.#timers.push(setInterval(tick, milliseconds).unref());
    };
    every(RECONCILE_MS, () => this.#reconcile(++this.#rounds % RUNTIME_EVERY === 0));
    every(RETRY_MS, () => {
      if (this.#config && this.#problems.length > 0) return this.#bring(this.#config);
    });
  }

  /** @param onlyChanged do nothing when the file says what it said the last time, refused or not */
  async #load(onlyChanged = false): Promise<void> {
    let config: NodeConfig;
    try {
      const text = this.#source.text();
      if (onlyChanged && text === this.#text) return;
      this.#text = text;
      config = parseConfig(text, this.#source.name);
      this.#parts?.ipam.reconfigure(poolOf(config));
    } catch (error) {
      this.#metrics.reloaded('refused');
      const why = error instanceof Error ? error.message : String(error);
      if (!this.#config) this.#problems = [why];
      this.#log.error(
        { config: this.#source.name },
        this.#config ? `${why}\nthe one before stays in force` : why,
      );
      return;
    }
    this.#metrics.reloaded('applied');
    this.#config = config;
    await this.#bring(config);
    const { nodeName, nodeBlocks, routing } = config;
    this.#log.info(
      { nodeName, nodeBlocks, routing, ready: this.notReady() === undefined },
      'configuration applied',
    );
  }

  /** Makes everything as the configuration wants it; what stands in the way becomes the reason for not being ready. */
  async #bring(config: NodeConfig): Promise<void> {
    try {
      if (this.#working) this.#apply();
      else await this.#begin(config);
    } catch (error) {
      this.#problems = [error instanceof Error ? error.message : String(error)];
      throw error;
    }
  }

  /** The first usable configuration: open the state, make the kernel agree with it, and only then serve. */
  async #begin(config: NodeConfig): Promise<void> {
    if (!this.#parts) {
      const ipam = await IpamStore.open(this.#options.state, poolOf(config));
      for (const note of ipam.opening.notes) this.#log.warn(note);
      const dataplane = new Dataplane(Rtnl.open(), NftSocket.open());
      const operations = new PodOperations({
        ipam,
        dataplane,
        mutex: this.#mutex,
        notReady: () => this.notReady(),
        observe: (operation) => this.#observed(operation),
      });
      this.#parts = { ipam, dataplane, operations };
    }
    await this.#reconcile(true);
    const server = await createCniServer(join(this.#options.run, 'agent.sock'), this.#parts.operations, {
      spool: this.#options.spool,
      onError: (error, where) => this.#failed(error, where),
    });
    this.#working = { ...this.#parts, server };
  }

  /** Table, routes and tunnel as the configuration and the records want them. */
  #apply(): void {
    if (!this.#parts || !this.#config) return;
    const { dataplane, operations } = this.#parts;
    const { table, routing, problems, warnings } = dataplane.apply(this.#config, operations.sources());
    const { created, missing, stale } = table;
    if (created || missing.length > 0 || stale.length > 0)
      this.#log.info({ created, missing, stale }, 'table brought up to date');
    if (routing.length > 0) this.#log.info({ changes: routing }, 'routes brought up to date');
    for (const warning of warnings) this.#log.warn(warning);
    if (problems.join() !== this.#problems.join()) {
      if (problems.length > 0) this.#log.error({ problems }, 'not ready');
      else this.#log.info('ready');
    }
    this.#problems = problems;
    const changed = created || missing.length > 0 || stale.length > 0 || this.#config !== this.#applied;
    this.#applied = this.#config;
    this.#services.apply(this.#config, changed);
  }

  async #reconcile(withRuntime: boolean): Promise<void> {
    const parts = this.#parts;
    if (!parts) return;
    // The table first: links are compared with it, and it must be there whatever follows.
    this.#apply();
    const podGone = this.#source.podGone?.bind(this.#source);
    const asked = withRuntime || (podGone !== undefined && parts.ipam.records().some(podGone));
    const findings = await reconcile(
      { ...parts, mutex: this.#mutex, podGone },
      asked ? await this.#sandboxes() : undefined,
    );
    for (const finding of findings) this.#found(finding);
    if (findings.some(({ kind }) => kind === 'adopted' || kind === 'link-deleted')) this.#apply();
  }

  async #sandboxes(): Promise<ReadonlySet<string> | undefined> {
    const socket = this.#config?.cri;
    // A node without pods has nothing to compare.
    if (
      !socket ||
      (this.#parts?.ipam.stats().records === 0 && this.#parts.dataplane.foundLinks().length === 0)
    )
      return undefined;
    const answer = await askRuntime(socket, this.#options.self, (error) =>
      this.#log.warn({ cri: socket }, error.message),
    );
    return answer?.ids;
  }

  #found(finding: Finding): void {
    this.#metrics.found(finding);
    const { kind, object, details } = finding;
    const level = kind === 'broken' || kind === 'failed' ? 'error' : 'warn';
    this.#log[level]({ finding: kind, object }, details);
  }

  #observed(operation: Observed): void {
    this.#metrics.observe(operation);
    const { command, error, milliseconds, replayed, ...rest } = operation;
    const line = { ...rest, ms: Math.round(milliseconds * 100) / 100, ...(replayed ? { replayed } : {}) };
    if (!error) {
      this.#log[command === 'STATUS' ? 'debug' : 'info'](line, command);
      return;
    }
    this.#log.warn({ ...line, code: error.code }, `${command} failed: ${error.message}`);
    this.#source.failed?.(operation);
    // What the kernel refused may be a table or route that somebody took away.
    if (command === 'ADD' && error.code >= 100) void this.#inTurn(() => this.#apply()).catch(() => {});
  }

  #notServing(): string | undefined {
    return this.notReady() ?? (this.#working ? undefined : 'it is starting');
  }

  /** Tells the source how things are, when they are not as they were. */
  #report(): void {
    const config = this.#config;
    const why = this.#notServing();
    if (this.#stopped || (this.#reported?.config === config && this.#reported?.why === why)) return;
    this.#reported = { config, why };
    this.#source.report?.(config, why);
  }

  /** What only a node of a cluster has. */
  #clusterMetrics(): Pick<MetricSources, 'connected' | 'records' | 'services'> {
    const { connected } = this.#source;
    if (!connected) return {};
    return {
      connected: connected.bind(this.#source),
      records: () => this.#parts?.ipam.records() ?? [],
      services: () => this.#services.status,
    };
  }

  #failed(error: unknown, where: string): void {
    this.#log.error({ err: error, where }, error instanceof Error ? error.message : String(error));
  }
}

function poolOf(config: NodeConfig): { blocks: readonly string[]; maxPods: number; cooldownSeconds: number } {
  return { blocks: config.nodeBlocks, maxPods: config.maxPods, cooldownSeconds: config.cooldownSeconds };
}
