import type { ServiceTranslation } from '../../../service/types.ts';
import { type Page, PageServer } from './page-server.ts';

export interface HealthPortsOptions {
  /** The node's own. */
  readonly addresses: readonly string[];
  /** Whether this node's tables are kept up to date. */
  readonly proxyHealthy: () => boolean;
  /** Told when a port cannot be had. @param key of the Service */
  readonly onRefused: (key: string, port: number, address: string, error: Error) => void;
  /** Milliseconds; for tests. */
  readonly retry?: { readonly first: number; readonly longest: number };
}

interface Health {
  readonly port: number;
  readonly server: PageServer;
  localEndpoints: number;
}

/**
 * `spec.healthCheckNodePort` of each Service that has one: 200 while this node has ready endpoints of it, 503 while it
 * has none, so that a load balancer sends connections only to nodes that keep them. Answers as kube-proxy's do.
 */
export class HealthPorts {
  readonly #options: HealthPortsOptions;
  readonly #health = new Map<string, Health>();

  constructor(options: HealthPortsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#health.size;
  }

  update(changed: Iterable<ServiceTranslation>, gone: Iterable<string>): void {
    // What goes first: one of those that come may want its port.
    for (const key of gone) this.#close(key);
    const wanted = [...changed];
    for (const { key, healthCheck } of wanted)
      if (this.#health.get(key)?.port !== healthCheck?.port) this.#close(key);
    for (const { key, healthCheck } of wanted) {
      if (!healthCheck) continue;
      const { port, localEndpoints } = healthCheck;
      const known = this.#health.get(key);
      if (known) known.localEndpoints = localEndpoints;
      else this.#health.set(key, { port, localEndpoints, server: this.#open(key, port) });
    }
  }

  close(): void {
    for (const key of [...this.#health.keys()]) this.#close(key);
  }

  #close(key: string): void {
    this.#health.get(key)?.server.close();
    this.#health.delete(key);
  }

  #open(key: string, port: number): PageServer {
    const { addresses, onRefused, retry } = this.#options;
    return new PageServer({
      addresses,
      port,
      page: () => this.#page(key),
      onRefused: (address, error) => onRefused(key, port, address, error),
      ...(retry ? { retry } : {}),
    });
  }

  #page(key: string): Page {
    const localEndpoints = this.#health.get(key)?.localEndpoints ?? 0;
    const serviceProxyHealthy = this.#options.proxyHealthy();
    const [namespace, name] = key.split('/');
    const body = { service: { namespace, name }, localEndpoints, serviceProxyHealthy };
    return {
      status: localEndpoints > 0 && serviceProxyHealthy ? 200 : 503,
      body: JSON.stringify(body, null, '\t'),
      headers: {
        'content-type': 'application/json',
        'x-content-type-options': 'nosniff',
        'x-load-balancing-endpoint-weight': String(localEndpoints),
      },
    };
  }
}
