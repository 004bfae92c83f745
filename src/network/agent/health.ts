import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect } from 'node:net';

/** What the endpoints show. */
export interface HealthSource {
  /** Why pods cannot be served now; undefined when they can. */
  notReady(): string | undefined;
  /** The Prometheus text format. */
  metrics(): string;
  /** The attachments, for people and tools: any JSON. */
  pods(): unknown;
}

/**
 * `GET /healthz` (the process answers), `/readyz` (it can attach pods; 503 and the reason when not), `/metrics` and
 * `/pods` over HTTP. Nothing can be changed here.
 */
export class HealthServer {
  readonly #servers: Server[] = [];
  readonly #source: HealthSource;
  #path: string | undefined;

  constructor(source: HealthSource) {
    this.#source = source;
  }

  /**
   * Listens on a unix socket of mode 0600. One that nobody answers on is replaced.
   *
   * @throws Error when another process answers there
   */
  async listenUnix(path: string): Promise<void> {
    if (lstatSync(path, { throwIfNoEntry: false })) {
      if (await answers(path)) throw new Error(`another agent answers on ${path}; stop that one first`);
      unlinkSync(path);
    }
    const mask = process.umask(0o177);
    try {
      await this.#listen((server, done) => server.listen(path, done));
      chmodSync(path, 0o600);
    } finally {
      process.umask(mask);
    }
    this.#path = path;
  }

  /** Listens on TCP as well: Prometheus scrapes no unix sockets. Loopback only, for there is no authentication. */
  async listenTcp(address: string): Promise<void> {
    const { host, port } = parseLoopback(address);
    await this.#listen((server, done) => server.listen(port, host, done));
  }

  async close(): Promise<void> {
    for (const server of this.#servers) {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    }
    this.#servers.length = 0;
    if (this.#path && lstatSync(this.#path, { throwIfNoEntry: false })) unlinkSync(this.#path);
  }

  #listen(listen: (server: Server, done: () => void) => void): Promise<void> {
    const server = createServer({ requestTimeout: 10_000, maxHeaderSize: 8192 }, (request, response) => {
      this.#answer(request, response);
    });
    server.maxConnections = 64;
    this.#servers.push(server);
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      listen(server, () => {
        server.off('error', reject);
        resolve();
      });
    });
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const [status, body, type = 'text/plain; charset=utf-8'] = this.#page(request);
    response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
    response.end(request.method === 'HEAD' ? undefined : body);
  }

  #page({ method, url }: IncomingMessage): [status: number, body: string, type?: string] {
    if (method !== 'GET' && method !== 'HEAD') return [405, 'only GET\n'];
    switch (url?.split('?')[0]) {
      case '/healthz':
        return [200, 'ok\n'];
      case '/readyz': {
        const why = this.#source.notReady();
        return why === undefined ? [200, 'ok\n'] : [503, `not ready: ${why}\n`];
      }
      case '/metrics':
        return [200, this.#source.metrics(), 'text/plain; version=0.0.4; charset=utf-8'];
      case '/pods':
        return [200, `${JSON.stringify(this.#source.pods())}\n`, 'application/json'];
      default:
        return [404, 'there are /healthz, /readyz, /metrics and /pods\n'];
    }
  }
}

/** `127.0.0.1:9470` or `[::1]:9470`. @throws RangeError for anything that others could reach */
export function parseLoopback(text: string): { host: string; port: number } {
  const parts = /^(127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\]):(\d{1,5})$/.exec(text);
  const port = Number(parts?.[2]);
  if (!parts?.[1] || port > 65_535) {
    throw new RangeError(
      `--metrics '${text}' is not a loopback address and port, and these endpoints know no authentication; use 127.0.0.1:9470`,
    );
  }
  return { host: parts[1].replace(/[[\]]/g, ''), port };
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.on('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.on('error', () => resolve(false));
  });
}
