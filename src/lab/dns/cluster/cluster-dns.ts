import { setTimeout as delay } from 'node:timers/promises';
import type { KubeClient } from '../../../kube/client.ts';
import type { Upstream } from '../forward/exchange.ts';
import { Forwarder } from '../forward/forwarder.ts';
import { DnsServer } from '../server/dns-server.ts';
import { DnsMetrics } from '../server/metrics.ts';
import { Responder } from '../server/responder.ts';
import { ClusterZone } from '../zone/cluster-zone.ts';
import { ServiceDirectory } from '../zone/directory.ts';
import { DirectoryFollower } from './follow.ts';
import type { DnsLog } from './log.ts';
import { forwarderMetrics, zoneMetrics } from './metric-lines.ts';
import { PageServer } from './pages.ts';

export interface ClusterDnsOptions {
  readonly client: KubeClient;
  readonly log: DnsLog;
  /** Such as `cluster.local`. */
  readonly domain: string;
  /** Seconds, 0..3600. */
  readonly ttl: number;
  /** Addresses to serve at, of both families where there are both. */
  readonly hosts: readonly string[];
  readonly port: number;
  /** 0 for any that is free. */
  readonly pages: {
    readonly host: string;
    readonly health: number;
    readonly ready: number;
    readonly metrics: number;
  };
  readonly upstreams: () => readonly Upstream[];
  /** Whether each query gets a line. */
  readonly logQueries: boolean;
  /** Milliseconds that it still answers after it was told to end. */
  readonly lameduckMs: number;
}

const NAME_SERVER = 'kube-system/kube-dns';
/** While the servers that are asked ask us, they are tried again after so many milliseconds. */
const LOOP_RETRY_MS = 30_000;

/** The DNS server of a cluster: its names from the API, all others from the resolver of the node. */
export class ClusterDns {
  readonly #options: ClusterDnsOptions;
  readonly #directory = new ServiceDirectory();
  readonly #follower: DirectoryFollower;
  readonly #forwarder: Forwarder;
  readonly #metrics = new DnsMetrics();
  readonly #responder: Responder;
  readonly #stopping = new AbortController();
  #servers: DnsServer[] = [];
  #pages: PageServer[] = [];

  constructor(options: ClusterDnsOptions) {
    const { log, domain, ttl, client, upstreams } = options;
    this.#options = options;
    this.#forwarder = new Forwarder({ upstreams });
    let told = '';
    this.#follower = new DirectoryFollower(client, this.#directory, (error) => {
      // Once for each reason: it is tried again and again.
      if (error.message !== told) log.warning(`plugin/kubernetes: ${error.message}`);
      told = error.message;
    });
    this.#responder = new Responder({
      zone: new ClusterZone(this.#directory, { domain, ttl, nameServer: NAME_SERVER }),
      outside: this.#forwarder,
      metrics: this.#metrics,
      ready: () => this.#follower.hasSynced,
      onFailure: (query, error) => log.failure(query, error),
      ...(options.logQueries ? { onQuery: log.query.bind(log) } : {}),
    });
    this.#metrics.add(() => forwarderMetrics(this.#forwarder));
    this.#metrics.add(() => zoneMetrics(this.#directory, this.#follower));
  }

  /** Where it answers, once it has started. */
  get port(): number {
    return this.#servers[0]!.port;
  }

  get pagePorts(): { health: number; ready: number; metrics: number } {
    const [health, ready, metrics] = this.#pages.map(({ port }) => port);
    return { health: health!, ready: ready!, metrics: metrics! };
  }

  /** Why it is not ready; undefined when it is. */
  get notReady(): string | undefined {
    if (this.#stopping.signal.aborted) return 'it is about to end';
    return this.#follower.hasSynced ? undefined : 'kubernetes';
  }

  /** Serves. Resolves as soon as it answers, which is before it is ready. @throws Error when an address is taken */
  async start(): Promise<void> {
    const { hosts, port, pages, log, domain } = this.#options;
    const onError = (error: Error): void => log.error(`socket: ${error.message}`);
    for (const host of hosts)
      this.#servers.push(await DnsServer.listen({ host, port }, this.#responder, onError));
    this.#pages = [
      await PageServer.listen(pages.host, pages.health, '/health', () => ({ status: 200, text: 'OK' })),
      await PageServer.listen(pages.host, pages.ready, '/ready', () => {
        const why = this.notReady;
        return why === undefined ? { status: 200, text: 'OK' } : { status: 503, text: why };
      }),
      await PageServer.listen(pages.host, pages.metrics, '/metrics', () => ({
        status: 200,
        text: this.#metrics.render(),
      })),
    ];
    const started = performance.now();
    void this.#follower.start().then(() => {
      const { services, namespaces, endpointSlices } = this.#directory.counts;
      const ms = Math.round(performance.now() - started);
      log.info(
        `plugin/kubernetes: ${domain} has ${services} Services, ${endpointSlices} EndpointSlices and ${namespaces} Namespaces after ${ms} ms; ready`,
      );
    });
    void this.#watchLoop();
  }

  /** Answers for a while longer, not ready any more, so that nobody is sent here by the time it is gone. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    const { lameduckMs, log } = this.#options;
    log.info(`plugin/health: going into lameduck mode for ${lameduckMs / 1000}s`);
    await delay(lameduckMs);
    await Promise.all(this.#servers.map((server) => server.close()));
    for (const page of this.#pages) page.close();
    await this.#follower.stop();
  }

  async #watchLoop(): Promise<void> {
    const { log } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted && (await this.#forwarder.checkLoop())) {
      log.error(
        'plugin/loop: the servers in resolv.conf forward to this one; names outside the cluster get SERVFAIL until they do not. Give the node a resolver of its own',
      );
      await delay(LOOP_RETRY_MS, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }
}
