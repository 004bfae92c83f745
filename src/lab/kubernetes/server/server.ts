import type { IncomingMessage, ServerResponse } from 'node:http';
import { ServerResponse as DetachedResponse } from 'node:http';
import { createServer, type Server, type ServerOptions } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { forbiddenText } from '../auth/rbac.ts';
import type { KindInfo } from '../schema/types.ts';
import { jsonText, mediaType, parseJson, readBody } from './body.ts';
import { Connections } from './connections.ts';
import { dispatch } from './dispatch.ts';
import { type Check, nonResource } from './nonresource.ts';
import { requestInfo, selectedName } from './request-info.ts';
import { sendError, setWarnings } from './respond.ts';
import type { Runtime } from './runtime.ts';
import { asStatusError, forbidden, noSuchPath, StatusError, unauthorized } from './status.ts';
import type { Attributes, Identity, RequestContext, RequestInfo, Verb } from './types.ts';

/** How long a connection may be without a request. Longer than clients' own limit, so that it is they who close. Milliseconds. */
const KEEP_ALIVE = 120_000;
const HEADERS_TIMEOUT = 30_000;
/** How long a request may take to arrive, body and all. Milliseconds. */
const REQUEST_TIMEOUT = 60_000;
/** How long requests may go on once the server ends. Milliseconds. */
const DRAIN = 5_000;

export interface ServerSettings {
  runtime: Runtime;
  /** Certificate, key and client CA. */
  tls: Pick<ServerOptions, 'cert' | 'key' | 'ca'>;
  /** Told of failures that are the server's own. */
  onError?: (error: unknown, path: string) => void;
}

/** The HTTPS front: reads requests, finds out who asks for what, lets authorization decide, and answers. */
export class HttpServer {
  readonly #settings: ServerSettings;
  readonly #servers: Server[] = [];
  readonly #upgraded = new Set<Duplex>();
  readonly #ending = new AbortController();
  /** Parts of /readyz. */
  readonly #connections = new Connections();
  readonly checks = new Map<string, Check>();

  constructor(settings: ServerSettings) {
    this.#settings = settings;
    this.checks.set('ping', () => {});
    this.checks.set('shutdown', () => this.#ending.signal.throwIfAborted());
  }

  /** Serves on one more address. Rejects when it cannot. */
  async listen(port: number, address: string): Promise<AddressInfo> {
    const server = createServer({
      ...this.#settings.tls,
      // Everybody may connect; who has no certificate of ours must say otherwise who they are.
      requestCert: true,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2',
      // HTTP/1.1 only: with HTTP/2 clients put watches and calls on one connection, and upgrades are not possible.
      ALPNProtocols: ['http/1.1'],
      keepAliveTimeout: KEEP_ALIVE,
      headersTimeout: HEADERS_TIMEOUT,
      requestTimeout: REQUEST_TIMEOUT,
      maxHeaderSize: 32 * 1024,
      noDelay: true,
    });
    this.#connections.watch(server);
    server.on('request', (request, response) => this.#answer(request, response));
    server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    // A handshake that fails is the client's affair.
    server.on('tlsClientError', () => {});
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, address, () => {
        server.off('error', reject);
        resolve();
      });
    });
    this.#servers.push(server);
    return server.address() as AddressInfo;
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    this.#upgraded.add(socket);
    socket.once('close', () => this.#upgraded.delete(socket));
    // For refusals only: a handler that accepts writes to the socket itself.
    const response = new DetachedResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket as Socket);
    response.once('finish', () => socket.end());
    this.#answer(request, response, { socket, head });
  }

  #answer(
    request: IncomingMessage,
    response: ServerResponse,
    upgrade?: { socket: Duplex; head: Buffer },
  ): void {
    const started = performance.now();
    // A client that went away; whoever writes hears of it by `close`.
    response.on('error', () => {});
    if (this.#ending.signal.aborted) response.setHeader('Connection', 'close');
    const { metrics } = this.#settings.runtime;
    const observed = { verb: (request.method ?? '').toLowerCase(), resource: '' };
    response.once('close', () => {
      metrics.observe(
        observed.verb,
        observed.resource,
        response.statusCode,
        (performance.now() - started) / 1000,
      );
    });
    this.#handle(request, response, observed, upgrade).catch((error: unknown) => {
      if (!(error instanceof StatusError)) this.#settings.onError?.(error, request.url ?? '');
      // After an upgrade was answered the socket is no longer HTTP's.
      if (upgrade && response.socket === null) upgrade.socket.destroy();
      else sendError(request, response, asStatusError(error));
    });
  }

  async #handle(
    request: IncomingMessage,
    response: ServerResponse,
    observed: { verb: string; resource: string },
    upgrade?: { socket: Duplex; head: Buffer },
  ): Promise<void> {
    const { runtime } = this.#settings;
    const { plugins, access } = runtime;
    const url = request.url ?? '/';
    const mark = url.indexOf('?');
    const path = mark === -1 ? url : url.slice(0, mark);
    const query = new URLSearchParams(mark === -1 ? '' : url.slice(mark + 1));
    const info = requestInfo(request.method ?? '', path, query);
    observed.verb = info.verb;
    const identity = await plugins.authenticate(request, access);
    if (!identity) throw unauthorized();
    await this.#authorize(identity, info, selectedName(info.verb, query));
    if (!info.isResource) {
      if (await nonResource(runtime, request, response, path, query, this.checks)) return;
      throw noSuchPath();
    }
    const kind = plugins.kinds.find({ group: info.group, version: info.version, plural: info.resource });
    if (!kind) throw noSuchPath();
    // Only names that are known: what clients make up must not become figures.
    const known = kind.subresources.some((one) => one.name === info.subresource);
    observed.resource = known ? `${kind.plural}/${info.subresource}` : kind.plural;
    const context = this.#context(request, response, info, kind, identity, query, upgrade);
    try {
      await dispatch(runtime, context);
    } catch (error) {
      // What made us refuse must be on disk before anyone hears of it.
      await runtime.store.durable()?.catch(() => {});
      if (!response.headersSent) setWarnings(response, context.warnings);
      throw error;
    }
  }

  async #authorize(identity: Identity, info: RequestInfo, selected?: string): Promise<void> {
    const { plugins, access } = this.#settings.runtime;
    const { verb, isResource, path, namespace, subresource, name = selected } = info;
    const attributes: Attributes = isResource
      ? {
          verb,
          isResource,
          path,
          group: info.group,
          version: info.version,
          resource: info.resource,
          ...(namespace !== undefined && { namespace }),
          ...(subresource !== undefined && { subresource }),
          ...(name !== undefined && { name }),
        }
      : { verb, isResource, path };
    const { allowed, reason } = await plugins.authorize(identity, attributes, access);
    if (allowed) return;
    const text = `${forbiddenText(identity, attributes)}${reason ? `: ${reason}` : ''}`;
    if (!isResource) throw new StatusError(403, 'Forbidden', `forbidden: ${text}`, {});
    throw forbidden({ group: info.group, plural: info.resource }, name ?? '', text);
  }

  #context(
    request: IncomingMessage,
    response: ServerResponse,
    info: RequestInfo,
    kind: KindInfo,
    identity: Identity,
    query: URLSearchParams,
    upgrade?: { socket: Duplex; head: Buffer },
  ): RequestContext {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    upgrade?.socket.once('close', () => gone.abort());
    let body: Promise<Buffer> | undefined;
    const warnings: string[] = [];
    if (kind.deprecationWarning) warnings.push(kind.deprecationWarning);
    // Warnings are known only when the answer is about to be sent.
    const { writeHead } = response;
    response.writeHead = ((...args: Parameters<typeof writeHead>) => {
      setWarnings(response, warnings);
      return writeHead.apply(response, args);
    }) as typeof writeHead;
    const context: RequestContext = {
      request,
      response,
      ...(upgrade && { upgrade }),
      info,
      verb: info.verb as Verb,
      identity,
      kind,
      namespace: kind.namespaced ? info.namespace : undefined,
      name: info.name,
      subresource: info.subresource,
      query,
      signal: AbortSignal.any([gone.signal, this.#ending.signal]),
      now: new Date(),
      warnings,
      body() {
        body ??= readBody(request);
        return body;
      },
      async json() {
        const bytes = await context.body();
        if (bytes.length === 0) return undefined;
        return parseJson(jsonText(bytes, mediaType(request))) as ReturnType<RequestContext['json']>;
      },
    };
    return context;
  }

  /** Takes no more connections, ends watches and streams, gives the other requests time, and resolves when all have gone. */
  async close(): Promise<void> {
    this.#ending.abort(new Error('the server is shutting down'));
    const closed = this.#servers.map(
      (server) => new Promise<void>((resolve) => server.close(() => resolve())),
    );
    for (const socket of this.#upgraded) socket.destroy();
    this.#settings.runtime.hub.close();
    const idle = setInterval(() => this.#connections.endIdle(), 20);
    const late = setTimeout(() => this.#connections.endAll(), DRAIN);
    await Promise.all(closed);
    clearTimeout(late);
    clearInterval(idle);
  }
}
