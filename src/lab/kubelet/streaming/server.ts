import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { CriClient } from '../cri.ts';
import { authorize } from './authorize.ts';
import { asStreamingError, StreamingError } from './error.ts';
import { readLog } from './logs/reader.ts';
import type { PodLookup } from './lookup.ts';
import { flag, logOptions } from './parameters.ts';
import { serveUpgrade, UPGRADED } from './upgrades.ts';

/** Where kubelets are. */
export const KUBELET_PORT = 10_250;

export interface KubeletServerOptions {
  /** The node's address. */
  readonly address: string;
  /** 0 for any; kubelets have {@link KUBELET_PORT}. */
  readonly port: number;
  /** PEM: certificate and key for the address, and the authority of those who may ask. */
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
  readonly cri: CriClient;
  readonly lookup: PodLookup;
  /** The kubelet's metrics in Prometheus' text format. */
  readonly metrics?: () => string | Promise<string>;
  /** `/stats/summary`; the node's name and what it wants to say of itself and its pods. */
  readonly summary?: () => object | Promise<object>;
  /** Why the kubelet is not well, undefined when it is. */
  readonly health?: () => string | undefined;
  /** Told of failures that are not the client's. */
  readonly onError?: (error: unknown, path: string) => void;
}

/** The path's parts, decoded. @throws StreamingError 400 */
function partsOf(path: string): string[] {
  try {
    return path.split('/').slice(1).map(decodeURIComponent);
  } catch {
    throw new StreamingError(400, `path '${path}' is not properly encoded`);
  }
}

/** Sends what a generator gives, as fast as the client takes it. */
async function stream(response: ServerResponse, chunks: AsyncIterable<Buffer>): Promise<void> {
  for await (const chunk of chunks) {
    if (response.destroyed) return;
    if (!response.write(chunk))
      await new Promise<void>((resolve) => {
        const go = (): void => {
          response.off('drain', go).off('close', go);
          resolve();
        };
        response.once('drain', go).once('close', go);
      });
  }
}

/**
 * The kubelet's own HTTPS server, which the API server asks for logs, exec, attach and port-forward; also `/pods`, `/healthz`,
 * `/metrics`, `/stats/summary`. Everything needs a client certificate.
 */
export class KubeletServer {
  readonly #options: KubeletServerOptions;
  readonly #server: Server;
  readonly #upgraded = new Set<Duplex>();

  constructor(options: KubeletServerOptions) {
    this.#options = options;
    const { cert, key, ca } = options;
    this.#server = createServer({
      cert,
      key,
      ca,
      requestCert: true,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2',
      ALPNProtocols: ['http/1.1'],
      requestTimeout: 0,
      noDelay: true,
    });
    this.#server.on('request', (request, response) => this.#request(request, response));
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    this.#server.on('tlsClientError', () => {});
  }

  /** Serves; rejects when the address cannot be had. */
  async listen(): Promise<AddressInfo> {
    const { port, address } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, address, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    return this.#server.address() as AddressInfo;
  }

  /** Uses another certificate for connections from now on. */
  renew(cert: string, key: string): void {
    this.#server.setSecureContext({ cert, key, ca: this.#options.ca });
  }

  /** Ends all streams and stops serving. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#upgraded) socket.destroy();
    this.#server.closeAllConnections();
    await closed;
  }

  #failed(error: unknown, path: string): StreamingError {
    const refusal = asStreamingError(error);
    if (refusal.status >= 500) this.#options.onError?.(error, path);
    return refusal;
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#upgraded.add(socket);
    // Each layer of a stream listens for the end.
    socket.setMaxListeners(0);
    socket.once('close', () => this.#upgraded.delete(socket));
    socket.on('error', () => socket.destroy());
    const url = new URL(request.url ?? '/', 'https://kubelet');
    const serve = async (): Promise<void> => {
      authorize(request);
      const { cri, lookup } = this.#options;
      const path = partsOf(url.pathname);
      await serveUpgrade({ request, socket, head, path, query: url.searchParams }, { cri, lookup });
    };
    serve().catch((error: unknown) => {
      const { status, message } = this.#failed(error, url.pathname);
      const body = `${message}\n`;
      const length = Buffer.byteLength(body);
      socket.end(
        `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ${length}\r\n\r\n${body}`,
      );
    });
  }

  #request(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', 'https://kubelet');
    this.#serve(request, response, url).catch((error: unknown) => {
      const { status, message } = this.#failed(error, url.pathname);
      if (response.headersSent) {
        response.destroy();
        return;
      }
      response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${message}\n`);
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    authorize(request);
    const [verb = '', ...path] = partsOf(url.pathname);
    if (UPGRADED.has(verb)) throw new StreamingError(400, 'Upgrade request required');
    if (request.method !== 'GET' && request.method !== 'HEAD')
      throw new StreamingError(405, `${request.method} is not served here`);
    const { lookup, metrics, summary, health } = this.#options;
    const send = (type: string, text: string): void => {
      response.writeHead(200, { 'content-type': type }).end(text);
    };
    switch (`/${[verb, ...path.slice(0, verb === 'containerLogs' ? 0 : undefined)].join('/')}`) {
      case '/containerLogs':
        return this.#logs(path, url.searchParams, response);
      case '/pods': {
        const list = { kind: 'PodList', apiVersion: 'v1', metadata: {}, items: lookup.pods() };
        return send('application/json', JSON.stringify(list));
      }
      case '/healthz':
      case '/healthz/ping':
      case '/healthz/syncloop': {
        const ill = health?.();
        if (ill !== undefined) throw new StreamingError(500, ill);
        return send('text/plain; charset=utf-8', 'ok');
      }
      case '/metrics':
        return send('text/plain; version=0.0.4; charset=utf-8', (await metrics?.()) ?? '');
      case '/stats/summary':
        return send('application/json', JSON.stringify((await summary?.()) ?? { node: {}, pods: [] }));
      default:
        throw new StreamingError(404, '404 page not found');
    }
  }

  async #logs(path: string[], query: URLSearchParams, response: ServerResponse): Promise<void> {
    const [namespace, pod, container, ...rest] = path;
    if (!namespace || !pod || !container || rest.length > 0)
      throw new StreamingError(400, 'the path is /containerLogs/NAMESPACE/POD/CONTAINER');
    const options = logOptions(query, Date.now());
    const log = await this.#options.lookup.log(namespace, pod, container, flag(query, 'previous'));
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const chunks = readLog(log, options, gone.signal)[Symbol.asyncIterator]();
    let first: IteratorResult<Buffer>;
    response.setHeader('content-type', 'text/plain');
    if (options.follow) {
      // The client is to know that it is connected, although there may be nothing to say for long.
      response.flushHeaders();
      first = await chunks.next();
    } else {
      first = await chunks.next().catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
        throw new StreamingError(400, `unable to retrieve container logs: ${error.message}`, error);
      });
    }
    if (!first.done) {
      response.write(first.value);
      await stream(response, { [Symbol.asyncIterator]: () => chunks });
    }
    response.end();
  }
}
