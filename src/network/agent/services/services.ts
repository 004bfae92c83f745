import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import { ConntrackSocket } from '../../../kernel/conntrack/index.ts';
import { NftSocket } from '../../../kernel/nft/socket.ts';
import { type ServiceNetwork, ServiceTable } from '../../dataplane/services/service-table.ts';
import type { NodeConfig } from '../config.ts';
import type { ServiceCluster } from './cluster.ts';
import { ServiceProxy, type ServiceStatus, type Table } from './service-proxy.ts';

interface Running {
  readonly table: Table;
  readonly proxy: ServiceProxy;
  readonly network: ServiceNetwork;
}

export interface ServicesOptions {
  /** Undefined where there is no cluster: then there are no Services. */
  readonly cluster: ServiceCluster | undefined;
  readonly log: Logger;
  /** The kernel's side; default this node's. */
  readonly open?: (network: ServiceNetwork) => Table;
  /** For tests. */
  readonly healthPort?: number;
}

/** The agent's service proxy, on and off by the setting `serviceProxy`. */
export class Services {
  readonly #options: ServicesOptions;
  #running: Running | undefined;
  /** Closing proxies, to be waited for. */
  #closing: Promise<void> = Promise.resolve();
  /** Whether what an earlier agent may have left is gone. */
  #removed = false;
  #warned = false;

  constructor(options: ServicesOptions) {
    this.#options = options;
  }

  /** Undefined while it is off. */
  get status(): ServiceStatus | undefined {
    return this.#running?.proxy.status;
  }

  /**
   * Brings it to the configuration, and the tables to what is wanted. To be called after the pod table was brought up to
   * date, and from time to time. Never throws: pods are served also where Services cannot be; it is said, and tried
   * again with the next call.
   *
   * @param changed whether the pod table or the configuration is another than the last time
   */
  apply(config: NodeConfig, changed = true): void {
    try {
      this.#apply(config, changed);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#options.log.error({ err: error }, `Services: ${why}`);
    }
  }

  #apply(config: NodeConfig, changed: boolean): void {
    const { cluster, log } = this.#options;
    const { nodeAddresses, podCIDRs, serviceCIDRs } = config;
    const network: ServiceNetwork = { nodeAddresses, podCIDRs, serviceCIDRs };
    if (!config.serviceProxy || !cluster) {
      if (config.serviceProxy && !this.#warned)
        log.warn(
          "serviceProxy 'true' needs a cluster; start the agent with --kubeconfig or --in-cluster, or set it to false",
        );
      this.#warned = config.serviceProxy;
      this.#off(network);
      return;
    }
    const before = this.#running;
    if (before && isDeepStrictEqual(before.network, network)) {
      if (changed) before.proxy.sync();
      else before.proxy.check();
      return;
    }
    if (before) {
      // Its health ports are at the addresses before.
      this.#end(before);
      before.table.close();
    }
    this.#on(cluster, network);
  }

  /** Leaves the table as it is. */
  async close(): Promise<void> {
    const running = this.#running;
    if (running) this.#end(running);
    await this.#closing;
    running?.table.close();
  }

  #on(cluster: ServiceCluster, network: ServiceNetwork): void {
    const { log, healthPort } = this.#options;
    const table = this.#open(network);
    const port = healthPort === undefined ? {} : { healthPort };
    const proxy = new ServiceProxy({ cluster, table, network, log, ...port });
    this.#running = { table, proxy, network };
    this.#removed = false;
  }

  #off(network: ServiceNetwork): void {
    const running = this.#running;
    if (running) this.#end(running);
    if (this.#removed && !running) return;
    const table = running?.table ?? this.#open(network);
    try {
      table.remove();
      this.#removed = true;
    } finally {
      table.close();
    }
    if (running) this.#options.log.info('Services are left to others: the table is removed');
  }

  #end(running: Running): void {
    this.#running = undefined;
    const closed = running.proxy.close();
    this.#closing = Promise.all([this.#closing, closed]).then(() => {});
  }

  #open(network: ServiceNetwork): Table {
    return (
      this.#options.open?.(network) ?? new ServiceTable(NftSocket.open(), ConntrackSocket.open(), network)
    );
  }
}
