import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { KubeClient } from './client.ts';
import type { KubeConfig } from './kube-config.ts';
import type { KubeObject } from './types.ts';

interface Change {
  readonly version: number;
  readonly collection: string;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: KubeObject;
}

interface Path {
  readonly collection: string;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
}

type Stored = KubeObject & { metadata: NonNullable<KubeObject['metadata']> };

/** What a test wants instead of the ordinary answer. */
export interface Interception {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

/**
 * An API server's bare bones in this process, on plain HTTP: objects of any kind, pages, watches, merge patches,
 * optimistic locking. It can be told to misbehave, which a real one does too rarely for a test.
 */
export class FakeApi {
  readonly requests: string[] = [];
  /** Called first for every request; what it returns is the answer. */
  intercept: ((method: string, url: URL) => Interception | 'hang' | 'reset' | undefined) | undefined;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #objects = new Map<string, Map<string, Stored>>();
  readonly #watches = new Set<{ path: Path; query: URLSearchParams; response: ServerResponse }>();
  #changes: Change[] = [];
  #version = 1000;
  #compacted = 0;
  #uids = 0;
  readonly #pages = new Map<string, Stored[]>();

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch((error: unknown) => {
        refuse(response, 500, 'InternalError', String(error));
      });
    });
    this.#server.keepAliveTimeout = 60_000;
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  static async start(port = 0): Promise<FakeApi> {
    const api = new FakeApi();
    await new Promise<void>((resolve) => api.#server.listen(port, '127.0.0.1', resolve));
    return api;
  }

  get config(): KubeConfig {
    const { port } = this.#server.address() as AddressInfo;
    return { server: `http://127.0.0.1:${port}`, namespace: 'default', source: 'test' };
  }

  client(): KubeClient {
    return new KubeClient(this.config, { timeoutMs: 5000 });
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.dropConnections();
    await closed;
  }

  dropConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Ends all watches in order, as a server that is asked to stop. */
  endWatches(): void {
    for (const { response } of this.#watches) response.end();
    this.#watches.clear();
  }

  get watchers(): number {
    return this.#watches.size;
  }

  /** Forgets all changes so far: versions before now are 410 Gone. */
  compact(): void {
    this.#compacted = this.#version;
    this.#changes = [];
  }

  /** Tells the watches what version it is. */
  bookmark(): void {
    const object = {
      kind: 'Bookmark',
      apiVersion: 'v1',
      metadata: { resourceVersion: String(this.#version) },
    };
    for (const { response } of this.#watches)
      response.write(`${JSON.stringify({ type: 'BOOKMARK', object })}\n`);
  }

  /** Sends every watch one line as it is. */
  sendRaw(line: string): void {
    for (const { response } of this.#watches) response.write(line);
  }

  /** Writes without a request; silently when watches are not to hear of it. @param collection `/api/v1/pods` */
  put<T extends KubeObject>(collection: string, object: T): T {
    const key = keyOf(object);
    const before = this.#of(collection).get(key);
    const stored: Stored = {
      ...structuredClone(object),
      metadata: {
        ...object.metadata,
        uid: before?.metadata.uid ?? object.metadata?.uid ?? `uid-${++this.#uids}`,
        resourceVersion: String(++this.#version),
      },
    };
    this.#of(collection).set(key, stored);
    this.#changed(collection, before ? 'MODIFIED' : 'ADDED', stored);
    return stored as unknown as T;
  }

  remove(collection: string, key: string): void {
    const object = this.#of(collection).get(key);
    if (!object) return;
    this.#of(collection).delete(key);
    const metadata = { ...object.metadata, resourceVersion: String(++this.#version) };
    this.#changed(collection, 'DELETED', { ...object, metadata });
  }

  all<T extends KubeObject>(collection: string): T[] {
    return [...this.#of(collection).values()] as unknown as T[];
  }

  get<T extends KubeObject>(collection: string, key: string): T | undefined {
    return this.#of(collection).get(key) as unknown as T | undefined;
  }

  #of(collection: string): Map<string, Stored> {
    const found = this.#objects.get(collection) ?? new Map<string, Stored>();
    this.#objects.set(collection, found);
    return found;
  }

  #changed(collection: string, type: Change['type'], object: Stored): void {
    const change = { version: this.#version, collection, type, object };
    this.#changes.push(change);
    for (const { path, query, response } of this.#watches)
      if (path.collection === collection && selected(object, path, query)) response.write(lineOf(change));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '' } = request;
    const url = new URL(request.url ?? '', 'http://x');
    this.requests.push(`${method} ${url.pathname}${url.search}`);
    const body = await bodyOf(request);
    const other = this.intercept?.(method, url);
    if (other === 'hang') return;
    if (other === 'reset') {
      request.socket.destroy();
      return;
    }
    if (other) {
      response.writeHead(other.status, { 'content-type': 'application/json', ...other.headers });
      response.end(typeof other.body === 'string' ? other.body : JSON.stringify(other.body ?? {}));
      return;
    }
    const path = pathIn(url.pathname);
    if (!path) return refuse(response, 404, 'NotFound', 'the server could not find the requested resource');
    if (method === 'GET' && path.name === undefined) {
      return url.searchParams.get('watch') === 'true'
        ? this.#watch(path, url.searchParams, response)
        : this.#list(path, url.searchParams, response);
    }
    if (method === 'POST' && path.name === undefined) return this.#create(path, body, response);
    const key = path.namespace ? `${path.namespace}/${path.name}` : path.name!;
    const live = this.#of(path.collection).get(key);
    if (!live) return refuse(response, 404, 'NotFound', `"${path.name}" not found`);
    if (method === 'GET') return answer(response, live);
    if (method === 'DELETE') {
      this.remove(path.collection, key);
      return answer(response, { kind: 'Status', status: 'Success' });
    }
    const wanted = JSON.parse(body) as Stored;
    for (const field of ['resourceVersion', 'uid'] as const) {
      const given = wanted.metadata?.[field];
      if (given !== undefined && given !== live.metadata[field])
        return refuse(response, 409, 'Conflict', `the object has been modified: ${field}`);
    }
    const next = method === 'PATCH' ? (merged(live, wanted) as Stored) : wanted;
    return answer(response, this.put(path.collection, next));
  }

  #create(path: Path, body: string, response: ServerResponse): void {
    const object = JSON.parse(body) as Stored;
    if (this.#of(path.collection).has(keyOf(object)))
      refuse(response, 409, 'AlreadyExists', `"${object.metadata.name}" already exists`);
    else answer(response, this.put(path.collection, object), 201);
  }

  #list(path: Path, query: URLSearchParams, response: ServerResponse): void {
    const limit = Number(query.get('limit') ?? 0);
    const token = query.get('continue');
    const [version, at] = token ? (JSON.parse(token) as [number, number]) : [this.#version, 0];
    if (token && version < this.#compacted) {
      refuse(response, 410, 'Expired', 'The provided continue parameter is too old');
      return;
    }
    const snapshot = `${path.collection} ${version}`;
    const all = token ? this.#pages.get(snapshot)! : this.all<Stored>(path.collection);
    this.#pages.set(snapshot, all);
    const matching = all.filter((object) => selected(object, path, query));
    const items = limit > 0 ? matching.slice(at, at + limit) : matching.slice(at);
    const more = at + items.length < matching.length;
    answer(response, {
      kind: 'List',
      metadata: {
        resourceVersion: String(version),
        ...(more ? { continue: JSON.stringify([version, at + items.length]) } : {}),
      },
      items: items.map(({ kind, apiVersion, ...rest }) => rest),
    });
  }

  #watch(path: Path, query: URLSearchParams, response: ServerResponse): void {
    const from = Number(query.get('resourceVersion') ?? 0);
    if (from < this.#compacted) {
      refuse(response, 410, 'Expired', `too old resource version: ${from} (${this.#compacted})`);
      return;
    }
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    for (const change of this.#changes)
      if (
        change.version > from &&
        change.collection === path.collection &&
        selected(change.object, path, query)
      )
        response.write(lineOf(change));
    const watch = { path, query, response };
    this.#watches.add(watch);
    response.on('close', () => this.#watches.delete(watch));
  }
}

function keyOf(object: KubeObject): string {
  const { namespace, name } = object.metadata ?? {};
  return namespace ? `${namespace}/${name}` : `${name}`;
}

function pathIn(pathname: string): Path | undefined {
  const parts = pathname.split('/').slice(1).map(decodeURIComponent);
  const root = parts[0] === 'api' ? parts.splice(0, 2) : parts.splice(0, 3);
  let namespace: string | undefined;
  if (parts[0] === 'namespaces' && parts.length > 2) [, namespace] = parts.splice(0, 2);
  const [plural, name, subresource] = parts;
  if (!plural) return undefined;
  return { collection: `/${root.join('/')}/${plural}`, namespace, name, subresource };
}

function selected(object: KubeObject, path: Path, query: URLSearchParams): boolean {
  if (path.namespace && object.metadata?.namespace !== path.namespace) return false;
  for (const one of (query.get('fieldSelector') ?? '').split(',').filter((text) => text !== '')) {
    const [field = '', wanted = ''] = one.split(/!?=/);
    let value: unknown = object;
    for (const part of field.split('.')) value = (value as Record<string, unknown> | undefined)?.[part];
    if (((value ?? '') === wanted) === one.includes('!=')) return false;
  }
  return true;
}

function merged(live: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const result: Record<string, unknown> = { ...(live as Record<string, unknown>) };
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name];
    else result[name] = merged(result[name], value);
  }
  return result;
}

function lineOf({ type, object }: Change): string {
  return `${JSON.stringify({ type, object })}\n`;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

function answer(response: ServerResponse, body: unknown, code = 200): void {
  response.writeHead(code, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

function refuse(response: ServerResponse, code: number, reason: string, message: string): void {
  answer(response, { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message }, code);
}
