import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, BoundSocket } from 'node:net';
import { inNamespace } from '../../kernel/netns.ts';
import { READY_MADE } from '../images/ready-made.ts';
import { parseReference, repositoryOf } from '../images/reference.ts';
import { mayPush, type PushAccess, requirePush } from './access.ts';
import { beginUpload, continueUpload, sendBlob } from './blobs.ts';
import { collectGarbage } from './collect.ts';
import { RegistryError } from './error.ts';
import { type Exchange, page, send, sendJson } from './http.ts';
import { removeManifest, sendManifest, sendReferrers, takeManifest } from './manifests.ts';
import { type StandInOptions, StandIns } from './stand-ins.ts';
import type { ImageStore } from './store.ts';
import { Uploads } from './uploads.ts';

export interface RegistryOptions {
  readonly store: ImageStore;
  /** Default: a read-only registry. */
  readonly push?: PushAccess;
  /** Ready-made images; without them only what is in the store is served. */
  readonly standIns?: Omit<StandInOptions, 'store' | 'log'>;
  /** Told what is worth knowing later. */
  readonly log?: (text: string) => void;
  /** How often blobs are removed that no image uses any more, in milliseconds. Default: an hour. */
  readonly collectEveryMs?: number;
}

export interface ListenOptions {
  /** An IP address. */
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
  /** The network namespace to listen in; the process itself stays where it is, and so do the builders it starts. */
  readonly netns?: string;
}

export interface RunningRegistry {
  /** Such as `http://198.19.0.254:5000`. */
  readonly url: string;
  /**
   * Builds the ready-made images that are missing now, one after another, instead of at their first pull. Never rejects:
   * without a network this is not the moment to complain, and who pulls one is told.
   *
   * @param images - `repository:tag`; default: all that there are
   */
  prepare(images?: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

const ROUTE =
  /^\/v2\/(?:(?<catalog>_catalog)|(?<name>.+?)\/(?:manifests\/(?<manifest>[^/]+)|blobs\/uploads\/(?<upload>[^/]*)|blobs\/(?<blob>[^/]+)|(?<tags>tags\/list)|referrers\/(?<referrers>[^/]+)))$/;

const READS = ['GET', 'HEAD'];

/**
 * The lab's registry: OCI distribution 1.1 on plain HTTP, for containerd as a mirror of every registry (`?ns=` says of
 * which) and for clients that push. A name without a registry is one of docker.io, as everywhere.
 */
class Registry {
  readonly #store: ImageStore;
  readonly #push: PushAccess;
  readonly #uploads: Uploads;
  readonly #log: (text: string) => void;
  readonly standIns: StandIns | undefined;

  constructor({ store, push = 'nobody', standIns, log = () => undefined }: RegistryOptions) {
    this.#store = store;
    this.#push = push;
    this.#uploads = new Uploads(store);
    this.#log = log;
    this.standIns = standIns && new StandIns({ ...standIns, store, log });
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('docker-distribution-api-version', 'registry/2.0');
    const method = request.method ?? 'GET';
    let exchange: Exchange = {
      request,
      response,
      method,
      repository: '',
      name: '',
      query: new URLSearchParams(),
    };
    try {
      const url = new URL(request.url ?? '/', 'http://registry');
      const path = decodeURIComponent(url.pathname);
      exchange = { ...exchange, query: url.searchParams };
      if (path === '/v2/' || path === '/v2') return this.#base(exchange);
      if (path === '/healthz') return send(exchange, 200, {}, 'ok');
      const groups = ROUTE.exec(path)?.groups;
      if (!groups) throw new RegistryError('UNSUPPORTED', `there is no ${path.slice(0, 200)}`);
      if (!READS.includes(method)) requirePush(this.#push, request.headers.authorization);
      if (groups.catalog) {
        const { part, headers } = page(exchange, path, await this.#store.repositories());
        return sendJson(exchange, { repositories: part }, headers);
      }
      const name = groups.name!;
      await this.#route({ ...exchange, name, repository: this.#repository(exchange, name) }, groups);
    } catch (error) {
      this.#refuse(exchange, error);
    }
  }

  /** Clients that push ask here how to authenticate. */
  #base(exchange: Exchange): void {
    const authorization = exchange.request.headers.authorization;
    if (typeof this.#push === 'object' && !mayPush(this.#push, authorization)) {
      throw new RegistryError('UNAUTHORIZED', 'pushing needs the user and password of this registry');
    }
    sendJson(exchange, {});
  }

  #repository({ query, request }: Exchange, name: string): string {
    const ns = query.get('ns');
    // Who names this registry itself means the same image as who does not.
    const full = ns === null || ns === request.headers.host ? name : `${ns}/${name}`;
    const repository = ns === null || ns === request.headers.host ? repositoryOf(full) : mirrored(ns, full);
    if (repository) return repository;
    throw new RegistryError('NAME_INVALID', `'${full.slice(0, 300)}' is not a name of a repository`);
  }

  async #route(exchange: Exchange, groups: Record<string, string | undefined>): Promise<void> {
    const { method, repository } = exchange;
    const isRead = READS.includes(method);
    if (groups.upload !== undefined) {
      if (groups.upload !== '') return await continueUpload(exchange, this.#uploads, groups.upload);
      if (method === 'POST') return await beginUpload(exchange, this.#store, this.#uploads);
    } else if (groups.manifest !== undefined) {
      if (isRead) return await sendManifest(exchange, this.#store, this.standIns, groups.manifest);
      if (method === 'PUT') {
        await takeManifest(exchange, this.#store, groups.manifest);
        return this.#log(`${repository} ${groups.manifest} pushed`);
      }
      if (method === 'DELETE') return await removeManifest(exchange, this.#store, groups.manifest);
    } else if (groups.blob !== undefined && isRead) {
      return await sendBlob(exchange, this.#store, groups.blob);
    } else if (groups.tags !== undefined && isRead) {
      const tags = await this.#store.tags(repository);
      if (tags.length === 0) throw new RegistryError('NAME_UNKNOWN', `${repository} has no image here`);
      const { part, headers } = page(exchange, `/v2/${exchange.name}/tags/list`, tags);
      return sendJson(exchange, { name: exchange.name, tags: part }, headers);
    } else if (groups.referrers !== undefined && isRead) {
      return await sendReferrers(exchange, this.#store, groups.referrers);
    }
    throw new RegistryError('UNSUPPORTED', `${method} is not for this`);
  }

  #refuse(exchange: Exchange, error: unknown): void {
    const { request, response } = exchange;
    // A client that went away is told nothing.
    if (response.headersSent || response.destroyed) {
      response.destroy();
      return;
    }
    const refusal =
      error instanceof RegistryError
        ? error
        : error instanceof URIError || (error as NodeJS.ErrnoException).code === 'ERR_INVALID_URL'
          ? new RegistryError('NAME_INVALID', 'the address cannot be read')
          : undefined;
    if (!refusal || refusal.status >= 500) {
      this.#log(`${request.method} ${request.url?.slice(0, 300)} failed: ${(error as Error)?.message}`);
    }
    // What is left of a body need not be read.
    if (!request.complete) response.setHeader('connection', 'close');
    const headers = {
      'content-type': 'application/json',
      ...(refusal?.code === 'UNAUTHORIZED' ? { 'www-authenticate': 'Basic realm="flyover"' } : {}),
    };
    const { code = 'UNKNOWN', message = 'something went wrong; the registry has logged it' } = refusal ?? {};
    send(exchange, refusal?.status ?? 500, headers, JSON.stringify({ errors: [{ code, message }] }));
  }
}

/** The repository that a mirror's client asks for; containerd writes docker.io's own with their folder. */
function mirrored(ns: string, full: string): string | undefined {
  const host = ns.toLowerCase();
  if (host.includes('/')) return undefined;
  const hosted = host.includes('.') || host.includes(':') || host === 'localhost';
  return hosted ? repositoryOf(full) : undefined;
}

async function collect({ store, log = () => undefined }: RegistryOptions): Promise<void> {
  try {
    const bytes = await collectGarbage(store);
    if (bytes > 0) log(`${bytes} bytes of unused images removed`);
  } catch (error) {
    log(`unused images cannot be removed: ${(error as Error).message}`);
  }
}

/** @throws Error when the address cannot be taken */
export async function serveRegistry(
  options: RegistryOptions & { listen: ListenOptions },
): Promise<RunningRegistry> {
  const { host, port, netns } = options.listen;
  const registry = new Registry(options);
  const server: Server = createServer(
    { keepAliveTimeout: 30_000, maxHeaderSize: 16 * 1024 },
    (request, response) => {
      void registry.answer(request, response);
    },
  );
  server.maxConnections = 512;
  // A layer may take longer than Node's five minutes to arrive; headers may not.
  server.requestTimeout = 0;
  const bind = (): BoundSocket => new BoundSocket({ host, port });
  const bound = netns === undefined ? bind() : inNamespace(netns, bind);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(bound, () => resolve());
  });
  server.on('error', (error) => options.log?.(`the registry's socket failed: ${error.message}`));
  const address = server.address() as AddressInfo;
  const collector = setInterval(() => void collect(options), options.collectEveryMs ?? 3_600_000).unref();
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`,
    prepare: async (images = [...READY_MADE.keys()]) => {
      for (const image of images) {
        if (!server.listening) return;
        const log = (error: Error): void => options.log?.(error.message);
        const { repository, tag = 'latest' } = parseReference(image);
        await registry.standIns?.resolve(repository, tag).catch(log);
      }
    },
    close: async () => {
      clearInterval(collector);
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}
