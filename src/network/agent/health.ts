import { lstatSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** What the endpoints show. */
export interface HealthSource {
  /** Why pods cannot be served now; undefined when they can. */
  notReady(): string | undefined;
  /** The Prometheus text format. */
  metrics(): string;
  /** The attachments, for people and tools: any JSON. */
  pods(): unknown;
}

const MAX_HEAD = 8192;
const TIMEOUT_MS = 10_000;
const TEXT = 'text/plain; charset=utf-8';

/**
 * `GET /healthz` (the process answers), `/readyz` (it can attach pods; 503 and the reason when not), `/metrics` and
 * `/pods` over HTTP/1.1, one request a connection. Nothing can be changed here.
 *
 * Written on plain sockets: `node:http` costs a resident 7 MB on every node, for four pages without parameters.
 */
export class HealthServer {
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #source: HealthSource;

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
    await this.#listen((server, done) => {
      // The socket is bound inside of listen(), so nobody can connect before the mode is right.
      const mask = process.umask(0o177);
      try {
        server.listen(path, done);
      } finally {
        process.umask(mask);
      }
    });
  }

  /** Listens on TCP as well: Prometheus scrapes no unix sockets. Loopback only, for there is no authentication. */
  async listenTcp(address: string): Promise<void> {
    const { host, port } = parseLoopback(address);
    await this.#listen((server, done) => server.listen(port, host, done));
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    for (const server of this.#servers) await new Promise<void>((resolve) => server.close(() => resolve()));
    this.#servers.length = 0;
  }

  #listen(listen: (server: Server, done: () => void) => void): Promise<void> {
    const server = createServer((socket) => this.#serve(socket));
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

  #serve(socket: Socket): void {
    let head = '';
    this.#sockets.add(socket);
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      head += chunk;
      if (head.length > MAX_HEAD) socket.end(answer(431, 'at most 8 KiB\n', TEXT, false));
      else if (/\r?\n\r?\n/.test(head)) {
        const [method = '', target = ''] = head.split(/[ \r\n]/, 2);
        const [status, body, type = TEXT] = this.#page(method, target);
        socket.end(answer(status, body, type, method === 'HEAD'));
      } else return;
      // What else may come on this connection is not read.
      socket.removeAllListeners('data');
      socket.resume();
    });
  }

  #page(method: string, target: string): [status: number, body: string, type?: string] {
    if (method !== 'GET' && method !== 'HEAD') return [405, 'only GET\n'];
    switch (target.split('?', 1)[0]) {
      case '/healthz':
        return [200, 'ok\n'];
      case '/readyz': {
        const why = this.#source.notReady();
        return why === undefined ? [200, 'ok\n'] : [503, `not ready: ${why}\n`];
      }
      case '/metrics':
        return [200, this.#source.metrics(), `${TEXT}; version=0.0.4`];
      case '/pods':
        return [200, `${JSON.stringify(this.#source.pods())}\n`, 'application/json'];
      default:
        return [404, 'there are /healthz, /readyz, /metrics and /pods\n'];
    }
  }
}

const REASONS: Record<number, string> = {
  200: 'OK',
  404: 'Not Found',
  405: 'Method Not Allowed',
  431: 'Request Header Fields Too Large',
  503: 'Service Unavailable',
};

function answer(status: number, body: string, type: string, headOnly: boolean): string {
  const head = [
    `HTTP/1.1 ${status} ${REASONS[status] ?? ''}`,
    `content-type: ${type}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  return `${head.join('\r\n')}\r\n\r\n${headOnly ? '' : body}`;
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
