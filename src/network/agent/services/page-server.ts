import type { Server } from 'node:http';
import { Backoff } from '../../../kube/backoff.ts';

/** What a page says. */
export interface Page {
  readonly status: number;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface PageServerOptions {
  /** At each of these. */
  readonly addresses: readonly string[];
  /** 1..65535. */
  readonly port: number;
  /** The answer to a GET. @param path without the query */
  readonly page: (path: string) => Page;
  /** Told once for each address at which it cannot listen; it is tried again. */
  readonly onRefused: (address: string, error: Error) => void;
  /** Milliseconds; for tests. */
  readonly retry?: { readonly first: number; readonly longest: number };
}

const RETRY = { first: 1000, longest: 30_000 };
const TIMEOUT_MS = 10_000;
const MOST_CONNECTIONS = 128;

/** Pages that load balancers probe, at one port of the node's addresses. A port that is taken is tried again. */
export class PageServer {
  readonly #options: PageServerOptions;
  readonly #servers = new Map<string, Server>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  #closed = false;

  constructor(options: PageServerOptions) {
    this.#options = options;
    for (const address of new Set(options.addresses))
      this.#listen(address, new Backoff(options.retry ?? RETRY), true);
  }

  /** Addresses at which it answers now. */
  get listening(): string[] {
    return [...this.#servers.keys()];
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    for (const server of this.#servers.values()) {
      server.close();
      server.closeAllConnections();
    }
    this.#servers.clear();
  }

  #listen(address: string, backoff: Backoff, first: boolean): void {
    // Not imported: a bundle would load it at its start, on every node, wanted or not.
    const { createServer } = process.getBuiltinModule('node:http');
    const server = createServer({ requestTimeout: TIMEOUT_MS, keepAliveTimeout: 0 }, (request, response) => {
      const { method = '', url = '/' } = request;
      const get = method === 'GET' || method === 'HEAD';
      const page: Page = get
        ? this.#options.page(url.split('?', 1)[0]!)
        : { status: 405, body: 'only GET\n', headers: { allow: 'GET, HEAD' } };
      // A probe that finds a connection open would not see whether a new one can be made.
      response.writeHead(page.status, { connection: 'close', ...page.headers });
      response.end(method === 'HEAD' ? undefined : page.body);
    });
    server.maxConnections = MOST_CONNECTIONS;
    server.once('error', (error) => {
      if (this.#closed) return;
      if (first) this.#options.onRefused(address, error);
      const again = setTimeout(() => this.#listen(address, backoff, false), backoff.next()).unref();
      this.#timers.set(address, again);
    });
    server.listen({ host: address, port: this.#options.port, exclusive: true }, () => {
      if (this.#closed) {
        server.close();
        return;
      }
      server.removeAllListeners('error').on('error', () => {});
      this.#servers.set(address, server);
    });
  }
}
