import { statSync } from 'node:fs';
import type { Logger } from 'pino';
import { inNamespace } from '../../../kernel/netns.ts';
import { DNS_ADDRESS } from '../../fabric/ranges.ts';
import type { Upstream } from '../forward/exchange.ts';
import { Forwarder } from '../forward/forwarder.ts';
import { DnsServer } from '../server/dns-server.ts';
import { DnsMetrics } from '../server/metrics.ts';
import { Responder } from '../server/responder.ts';
import { type NamedMachine, NetworkZone } from './network-zone.ts';

/** A virtual network whose machines ask. */
export interface ServedNetwork {
  readonly name: string;
  /** The file of its router's namespace. */
  readonly netns: string;
  readonly machines: readonly NamedMachine[];
}

export interface LabDnsOptions {
  /** All virtual networks as they are now. */
  readonly networks: () => readonly ServedNetwork[];
  /** The name servers of the machine that the lab runs on. */
  readonly upstreams: () => readonly Upstream[];
  readonly log: Logger;
  /** Default 53. */
  readonly port?: number;
  /** Milliseconds until an address that could not be taken is tried again. Default 1000. */
  readonly retryMs?: number;
}

interface Served {
  readonly zone: NetworkZone;
  /** Of the namespace that the socket is in: one that was made again under its name is another. */
  readonly inode: number;
  readonly server: DnsServer;
}

/** Questions that all networks together have with the machine's resolver at a time. */
const MOST_UNDER_WAY = 256;

/**
 * The platform's DNS: in each virtual network at 168.63.129.16, names of its machines, and for all else the machine's own
 * resolver. Its sockets are bound inside the networks; it asks from the machine, like any program there, so that it needs
 * no way from the lab to the machine's network. Without such a network the answer is SERVFAIL, soon.
 */
export class LabDns {
  readonly #options: LabDnsOptions;
  readonly #forwarder: Forwarder;
  readonly #served = new Map<string, Served>();
  readonly #told = new Set<string>();
  #following: Promise<void> | undefined;
  #again = false;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: LabDnsOptions) {
    this.#options = options;
    this.#forwarder = new Forwarder({ upstreams: options.upstreams, mostUnderWay: MOST_UNDER_WAY });
  }

  /** Names of the networks that are served. */
  get networks(): string[] {
    return [...this.#served.keys()].sort();
  }

  /** Brings servers and names to the networks there are: to be called when these may have changed. Never rejects. */
  follow(): Promise<void> {
    this.#again = true;
    this.#following ??= this.#run().finally(() => {
      this.#following = undefined;
    });
    return this.#following;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    await this.#following;
    await Promise.all([...this.#served.keys()].map((name) => this.#end(name)));
  }

  async #run(): Promise<void> {
    while (this.#again && !this.#closed) {
      this.#again = false;
      // After whatever is being written to the store now.
      await new Promise((resolve) => setImmediate(resolve));
      try {
        await this.#apply(this.#options.networks());
      } catch (error) {
        this.#options.log.error({ err: error }, 'the names of virtual networks do not follow');
      }
    }
  }

  async #apply(networks: readonly ServedNetwork[]): Promise<void> {
    clearTimeout(this.#retry);
    const wanted = new Set(networks.map(({ name }) => name));
    for (const name of this.#served.keys()) if (!wanted.has(name)) await this.#end(name);
    let missing = false;
    for (const network of networks) missing = !(await this.#serve(network)) || missing;
    if (missing && !this.#closed)
      this.#retry = setTimeout(() => void this.follow(), this.#options.retryMs ?? 1000).unref();
  }

  /** Whether the network is served now. */
  async #serve({ name, netns, machines }: ServedNetwork): Promise<boolean> {
    const inode = statSync(netns, { throwIfNoEntry: false })?.ino;
    const served = this.#served.get(name);
    if (served && served.inode === inode) {
      served.zone.set(machines);
      return true;
    }
    if (served) await this.#end(name);
    if (inode === undefined) return false;
    const { log, port = 53 } = this.#options;
    const zone = new NetworkZone();
    zone.set(machines);
    const responder = new Responder({
      zone,
      outside: this.#forwarder,
      metrics: new DnsMetrics(),
      ready: () => true,
      onFailure: (query, error) =>
        log.debug({ network: name, name: query.name, err: error }, 'a name was not found out'),
    });
    try {
      const at = { host: DNS_ADDRESS, port, within: <T>(bind: () => T): T => inNamespace(netns, bind) };
      const server = await DnsServer.listen(at, responder, (error) =>
        log.warn({ network: name, err: error }, 'a socket of its DNS failed'),
      );
      this.#served.set(name, { zone, inode, server });
      this.#told.delete(name);
      log.info({ network: name }, `names are served at ${DNS_ADDRESS}`);
      return true;
    } catch (error) {
      // Its router may be half made: tried again, and told once.
      if (!this.#told.has(name)) log.warn({ network: name, err: error }, 'its DNS cannot be served yet');
      this.#told.add(name);
      return false;
    }
  }

  async #end(name: string): Promise<void> {
    const served = this.#served.get(name);
    this.#served.delete(name);
    await served?.server.close();
  }
}
