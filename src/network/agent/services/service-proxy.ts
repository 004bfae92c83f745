import type { Logger } from 'pino';
import { Backoff } from '../../../kube/backoff.ts';
import { Informer } from '../../../kube/informer.ts';
import { ENDPOINT_SLICES, SERVICES } from '../../../kube/resources.ts';
import type { EndpointSlice, Node, Service } from '../../../kube/types.ts';
import { type ManifestProblem, sentenceOf } from '../../../manifest/problem.ts';
import { ServiceModel } from '../../../service/model.ts';
import { keyOf, type NodeView } from '../../../service/objects.ts';
import type { ServiceTranslation } from '../../../service/types.ts';
import type {
  ServiceFindings,
  ServiceNetwork,
  ServiceTable,
} from '../../dataplane/services/service-table.ts';
import { Batcher } from './batcher.ts';
import type { ServiceCluster } from './cluster.ts';
import { essentialService, essentialSlice, SELECTOR } from './essential.ts';
import { HealthPorts } from './health-ports.ts';
import { HEALTHY_MS, isEligible, NODE_HEALTH_PORT, serveNodeHealth, ZONE_LABEL } from './node-health.ts';
import type { PageServer } from './page-server.ts';

/** What of the table is used. */
export type Table = Pick<ServiceTable, 'sync' | 'update' | 'counters' | 'remove' | 'close'>;

export interface ServiceProxyOptions {
  readonly cluster: ServiceCluster;
  readonly table: Table;
  readonly network: ServiceNetwork;
  readonly log: Logger;
  /** Of the node's health page; for tests. */
  readonly healthPort?: number;
}

/** How things are, for the metrics. */
export interface ServiceStatus {
  readonly services: number;
  /** Whether both lists are in and in the kernel. */
  readonly synced: boolean;
  readonly syncs: number;
  readonly syncErrors: number;
  /** Milliseconds that the last transaction took, and when it was (milliseconds since 1970). */
  readonly lastSyncMs: number | undefined;
  readonly lastSyncAt: number | undefined;
  readonly healthChecks: number;
  translations(): Iterable<ServiceTranslation>;
  /** The kernel's, by name. @throws KernelError when the table cannot be read */
  counters(): ReturnType<Table['counters']>;
}

/** From one transaction to the next; kube-proxy waits a second. */
const BATCH_MS = 50;
/** Times the duration of a comparison that is left in peace after it. */
const WHOLE_PAUSE = 200;
const RETRY = { first: 250, longest: 30_000 };

/**
 * Brings the cluster's Services into this node's tables and keeps them there. Until both Services and EndpointSlices
 * are known, the tables stay as an earlier agent left them; then they are brought to what is wanted by their
 * differences, so that connections do not notice an agent that restarts.
 */
export class ServiceProxy {
  readonly #options: ServiceProxyOptions;
  readonly #model: ServiceModel;
  readonly #services: Informer<Service>;
  readonly #slices: Informer<EndpointSlice>;
  readonly #batcher = new Batcher(() => this.#flush(), BATCH_MS);
  readonly #backoff = new Backoff(RETRY);
  readonly #health: HealthPorts;
  readonly #page: PageServer;
  readonly #nodeChanged = (): void => this.#node();
  #nodeKnown = false;
  #known = false;
  /** The kernel may hold something else than what it was given last. */
  #dirty = true;
  #pendingSince: number | undefined;
  #retry: NodeJS.Timeout | undefined;
  #said = new Set<string>();
  #syncs = 0;
  #syncErrors = 0;
  #lastSyncMs: number | undefined;
  #lastSyncAt: number | undefined;
  #lastWholeMs: number | undefined;
  #lastWholeAt = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(options: ServiceProxyOptions) {
    this.#options = options;
    const { cluster, network, log } = options;
    const { client, retry } = cluster;
    this.#model = new ServiceModel(viewOf(cluster.nodeName, cluster.node()));
    const selection = { labelSelector: SELECTOR, ...(retry ? { retry } : {}) };
    this.#services = new Informer(client, SERVICES, { ...selection, transform: essentialService });
    this.#slices = new Informer(client, ENDPOINT_SLICES, { ...selection, transform: essentialSlice });
    const addresses = network.nodeAddresses;
    this.#health = new HealthPorts({
      addresses,
      proxyHealthy: () => this.#healthy(),
      onRefused: (...about) => this.#portRefused(...about),
    });
    const source = {
      eligible: () => !this.#nodeKnown || isEligible(cluster.node()),
      healthy: () => this.#healthy(),
      updatedAt: () => this.#lastSyncAt,
    };
    const port = options.healthPort ?? NODE_HEALTH_PORT;
    this.#page = serveNodeHealth(source, {
      addresses,
      port,
      onRefused: (address, error) => this.#pageRefused(address, port, error),
    });
    this.#follow();
    cluster.onNode(this.#nodeChanged);
    void Promise.all([this.#services.synced, this.#slices.synced, cluster.nodeKnown]).then(() => {
      this.#nodeKnown = true;
      this.#known = true;
      this.#node();
      log.info({ services: this.#services.size, slices: this.#slices.size }, 'Services are known');
      this.sync();
    });
  }

  get status(): ServiceStatus {
    return {
      services: this.#model.size,
      synced: this.#known && !this.#dirty,
      syncs: this.#syncs,
      syncErrors: this.#syncErrors,
      lastSyncMs: this.#lastSyncMs,
      lastSyncAt: this.#lastSyncAt,
      healthChecks: this.#health.size,
      translations: () => this.#model.translations(),
      counters: () => this.#options.table.counters(),
    };
  }

  /**
   * From time to time: compares the whole table with what is wanted, and repairs it, unless it was done so lately that it
   * would take more than its share of the processor (0.5 %: with ten thousand Services every three minutes).
   */
  check(): void {
    const pause = WHOLE_PAUSE * (this.#lastWholeMs ?? 0);
    if (this.#dirty || performance.now() - this.#lastWholeAt >= pause) this.sync();
  }

  /** Compares the whole table with what is wanted, and repairs it. Nothing before everything is known. */
  sync(): void {
    if (this.#closed || !this.#known) return;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#dirty = true;
    this.#flush();
  }

  /** Lets go of everything but the table. Nothing is told to it any more from this moment on. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#batcher.close();
    clearTimeout(this.#retry);
    this.#options.cluster.offNode(this.#nodeChanged);
    this.#health.close();
    this.#page.close();
    await Promise.all([this.#services.stop(), this.#slices.stop()]);
  }

  #follow(): void {
    const model = this.#model;
    const slices = this.#slices;
    const services = this.#services;
    const changed = <T>(apply: (object: T) => void) => {
      return (object: T): void => {
        apply(object);
        this.#changed();
      };
    };
    const setService = changed((one: Service) => model.setService(one));
    const setSlice = changed((one: EndpointSlice) => model.setSlice(one));
    services.on('add', setService).on('update', setService);
    services.on(
      'delete',
      changed((one) => model.deleteService(keyOf(one))),
    );
    slices.on('add', setSlice).on('update', setSlice);
    slices.on(
      'delete',
      changed((one) => model.deleteSlice(keyOf(one))),
    );
    const failed = (error: Error): void => this.#options.log.warn({ err: error }, error.message);
    services.on('error', failed).start();
    slices.on('error', failed).start();
  }

  #node(): void {
    const { cluster } = this.#options;
    this.#model.setNode(viewOf(cluster.nodeName, cluster.node()));
    if (this.#model.pending) this.#changed();
  }

  #changed(): void {
    if (!this.#known) return;
    this.#pendingSince ??= performance.now();
    this.#batcher.add();
  }

  /** Brings what changed into the kernel, or everything when it is not certain what the kernel holds. */
  #flush(): void {
    // After a failure everything waits for its next try, which takes the whole.
    if (this.#closed || this.#retry) return;
    const { table, log } = this.#options;
    const { changed, gone, problems } = this.#model.take();
    this.#report(problems);
    this.#health.update(changed, gone);
    const whole = this.#dirty;
    if (!whole && changed.length === 0 && gone.length === 0) {
      this.#pendingSince = undefined;
      return;
    }
    this.#pendingSince ??= performance.now();
    const started = performance.now();
    this.#dirty = true;
    try {
      const findings = whole ? table.sync(this.#model.translations()) : table.update(changed, gone);
      this.#done(findings, performance.now() - started, whole);
    } catch (error) {
      this.#syncErrors++;
      const wait = this.#backoff.next();
      log.error(
        { err: error },
        `Services cannot be brought into the kernel: ${error instanceof Error ? error.message : error}`,
      );
      this.#retry = setTimeout(() => this.sync(), wait).unref();
    }
  }

  #done(findings: ServiceFindings, milliseconds: number, whole: boolean): void {
    const { log } = this.#options;
    this.#dirty = false;
    this.#pendingSince = undefined;
    this.#backoff.reset();
    this.#syncs++;
    this.#lastSyncMs = milliseconds;
    this.#lastSyncAt = Date.now();
    if (whole) {
      this.#lastWholeMs = milliseconds;
      this.#lastWholeAt = performance.now();
    }
    const { created, changes, forgotten, problems } = findings;
    const line = { created, changes, forgotten, services: this.#model.size, ms: Math.round(milliseconds) };
    if (whole && changes > 0) log.info(line, 'Services brought up to date');
    else log.debug(line, 'Services');
    for (const problem of problems) if (!this.#said.has(problem)) log.warn(problem);
    this.#said = new Set(whole ? problems : [...this.#said, ...problems]);
  }

  #healthy(): boolean {
    if (this.#lastSyncAt === undefined) return false;
    return this.#pendingSince === undefined || performance.now() - this.#pendingSince < HEALTHY_MS;
  }

  #report(problems: ReadonlyMap<string, readonly ManifestProblem[]>): void {
    for (const [, found] of problems)
      for (const problem of found) this.#options.log.warn(sentenceOf(problem));
  }

  #portRefused(key: string, port: number, address: string, error: Error): void {
    const { cluster, log } = this.#options;
    const message = `node ${cluster.nodeName} failed to start healthcheck "${key}" on port ${port}: ${address}: ${error.message}; it is tried again`;
    log.warn(message);
    const service = this.#services.get(key);
    if (service)
      cluster.tell(
        { ...service, apiVersion: 'v1', kind: 'Service' },
        'Warning',
        'FailedToStartServiceHealthcheck',
        message,
      );
  }

  #pageRefused(address: string, port: number, error: Error): void {
    const { cluster, log } = this.#options;
    const message = `${address}:${port}, where load balancers probe this node, cannot be listened on: ${error.message}. Does a kube-proxy run here? Then set serviceProxy to false; else it is tried again`;
    log.warn(message);
    const node = cluster.node();
    if (node)
      cluster.tell(
        { ...node, apiVersion: 'v1', kind: 'Node' },
        'Warning',
        'FailedToStartNodeHealthcheck',
        message,
      );
  }
}

function viewOf(name: string, node: Node | undefined): NodeView {
  const zone = node?.metadata?.labels?.[ZONE_LABEL];
  return { name, ...(zone === undefined ? {} : { zone }) };
}
