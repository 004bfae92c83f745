import { setTimeout as sleep } from 'node:timers/promises';
import { isKubeError, KubeConnectionError } from './error.ts';
import type { KubeConfig } from './kube-config.ts';
import { apiVersionOf, pathOf, type ResourceType } from './resources.ts';
import { type Call, Transport, wasStale } from './transport.ts';
import type { KubeObject, ListMeta, Status } from './types.ts';
import { readWatch, type WatchEvent } from './watch.ts';

export interface KubeClientOptions {
  /** Default `flyover`. */
  readonly userAgent?: string;
  /** The most calls a second, with bursts of twice that; watches do not count. Default: no limit. */
  readonly qps?: number;
  /** Milliseconds that an answer may take. Default 30 s. */
  readonly timeoutMs?: number;
  /** The largest answer that is read, bytes. Default 256 MiB. */
  readonly largestAnswer?: number;
}

export interface Selection {
  /** Without it: of all namespaces. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
}

export interface ListOptions extends Selection {
  readonly limit?: number | undefined;
  readonly continue?: string | undefined;
  readonly resourceVersion?: string | undefined;
  readonly resourceVersionMatch?: 'Exact' | 'NotOlderThan' | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface WatchOptions extends Selection {
  readonly resourceVersion?: string | undefined;
  readonly allowWatchBookmarks?: boolean | undefined;
  /** When the server is to end the stream. Default 300. */
  readonly timeoutSeconds?: number | undefined;
  /** Called when the server has accepted the watch; the first event may take its time. */
  readonly opened?: (() => void) | undefined;
  readonly signal: AbortSignal;
}

export interface ObjectKey {
  readonly namespace?: string | undefined;
  readonly name: string;
}

export interface WriteOptions {
  readonly fieldManager?: string;
  readonly dryRun?: boolean;
  readonly fieldValidation?: 'Strict' | 'Warn' | 'Ignore';
  readonly signal?: AbortSignal;
}

export interface PatchOptions extends WriteOptions {
  readonly type: keyof typeof PATCHES;
  /** Server-side apply: take fields from others. */
  readonly force?: boolean;
  readonly subresource?: string;
}

export interface DeleteOptions {
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: 'Orphan' | 'Background' | 'Foreground';
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
  readonly dryRun?: boolean;
}

export interface List<T> {
  readonly metadata: ListMeta;
  readonly items: T[];
}

const PATCHES = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
} as const;

const TIMEOUT_MS = 30_000;
const LARGEST_ANSWER = 256 << 20;
const WATCH_SECONDS = 300;
/** How often a call is made again that the server is too busy for, and how long one waits at most. */
const MOST_TRIES = 6;
const LONGEST_WAIT_S = 30;
/** What may be done twice. A PATCH that was refused with 429 or 503 was not done. */
const AGAIN = new Set(['GET', 'HEAD', 'PUT', 'DELETE', 'PATCH']);

/** Objects in a list have no type of their own; here they get it, as they have it everywhere else. */
function typed<T>(type: ResourceType<T>, item: T): T {
  const object = item as KubeObject;
  if (object.kind === undefined) object.kind = type.kind;
  if (object.apiVersion === undefined) object.apiVersion = apiVersionOf(type);
  return item;
}

/**
 * A client of an API server, 1.30 to 1.36: the calls and nothing in between. Connections stay open; calls that are
 * refused for being too many (429, 503 with Retry-After) are made again, where that is safe.
 */
export class KubeClient {
  readonly config: KubeConfig;
  readonly #transport: Transport;
  readonly #timeoutMs: number;
  readonly #largest: number;
  readonly #qps: number;
  #tokens: number;
  #filled = performance.now();

  constructor(config: KubeConfig, options: KubeClientOptions = {}) {
    this.config = config;
    this.#transport = new Transport(config, options.userAgent ?? 'flyover');
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
    this.#largest = options.largestAnswer ?? LARGEST_ANSWER;
    this.#qps = options.qps ?? Number.POSITIVE_INFINITY;
    this.#tokens = this.#qps * 2;
  }

  /** Closes every connection; running calls fail. */
  close(): void {
    this.#transport.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** One page, or all when no limit is given. */
  async list<T>(type: ResourceType<T>, options: ListOptions = {}): Promise<List<T>> {
    const path = pathOf(type, { ...(options.namespace ? { namespace: options.namespace } : {}) });
    const { limit, resourceVersion, resourceVersionMatch, labelSelector, fieldSelector } = options;
    const query = queryOf({
      labelSelector,
      fieldSelector,
      limit: limit === undefined ? undefined : String(limit),
      continue: options.continue,
      resourceVersion,
      resourceVersionMatch,
    });
    const list = await this.#json<{ metadata?: ListMeta; items?: T[] | null }>('GET', `${path}${query}`, {
      signal: options.signal,
    });
    return { metadata: list.metadata ?? {}, items: (list.items ?? []).map((item) => typed(type, item)) };
  }

  /** @throws KubeError 404 */
  get<T>(type: ResourceType<T>, key: ObjectKey): Promise<T> {
    return this.#json('GET', pathOf(type, keyOf(key)), {});
  }

  /** Undefined when there is none. */
  async find<T>(type: ResourceType<T>, key: ObjectKey): Promise<T | undefined> {
    try {
      return await this.get(type, key);
    } catch (error) {
      if (isKubeError(error, 404)) return undefined;
      throw error;
    }
  }

  /** Into the namespace that the object's metadata names. */
  create<T>(type: ResourceType<T>, object: T, options: WriteOptions = {}): Promise<T> {
    const { metadata } = object as KubeObject;
    if (type.namespaced && !metadata?.namespace)
      throw new TypeError(`${type.kind} ${metadata?.name ?? ''}: metadata.namespace is missing; add it`);
    const path = pathOf(type, metadata?.namespace ? { namespace: metadata.namespace } : {});
    return this.#write('POST', path, this.#whole(type, object), 'application/json', options);
  }

  /** The whole object, or its status. With a resourceVersion in it only if nobody has changed it since (else 409). */
  replace<T>(
    type: ResourceType<T>,
    object: T,
    options: WriteOptions & { subresource?: string } = {},
  ): Promise<T> {
    const { name, namespace } = (object as KubeObject).metadata ?? {};
    if (!name) throw new TypeError(`${type.kind}: metadata.name is missing; add it`);
    const path = pathOf(type, {
      name,
      ...(namespace ? { namespace } : {}),
      ...(options.subresource ? { subresource: options.subresource } : {}),
    });
    return this.#write('PUT', path, this.#whole(type, object), 'application/json', options);
  }

  patch<T>(type: ResourceType<T>, key: ObjectKey, body: unknown, options: PatchOptions): Promise<T> {
    const { subresource, force } = options;
    const path = pathOf(type, { ...keyOf(key), ...(subresource ? { subresource } : {}) });
    const whole = options.type === 'apply' ? this.#whole(type, body) : body;
    return this.#write('PATCH', path, whole, PATCHES[options.type], options, force ? { force: 'true' } : {});
  }

  /** What the server answered: a Status, or the object while it is still there (finalizers, grace). */
  delete<T>(type: ResourceType<T>, key: ObjectKey, options: DeleteOptions = {}): Promise<T | Status> {
    const { dryRun, ...rest } = options;
    const body = {
      kind: 'DeleteOptions',
      apiVersion: 'v1',
      ...rest,
      ...(dryRun ? { dryRun: ['All'] } : {}),
    };
    return this.#write('DELETE', pathOf(type, keyOf(key)), body, 'application/json', {});
  }

  /** To a subresource that is an action: binding, eviction, token. Never made again by itself. */
  post(type: ResourceType<unknown>, key: ObjectKey, subresource: string, body: unknown): Promise<unknown> {
    return this.#write('POST', pathOf(type, { ...keyOf(key), subresource }), body, 'application/json', {});
  }

  /**
   * What changes from a resourceVersion on, until the signal, the server or the connection ends it. Every event is
   * delivered as it came, BOOKMARK and ERROR too; {@link Informer} knows what to make of them.
   * @throws KubeError when the watch is refused (410: that version is forgotten), KubeConnectionError when it breaks off
   */
  async *watch<T>(
    type: ResourceType<T>,
    options: WatchOptions,
  ): AsyncGenerator<WatchEvent<T>, void, undefined> {
    const { namespace, labelSelector, fieldSelector, resourceVersion, signal } = options;
    const seconds = options.timeoutSeconds ?? WATCH_SECONDS;
    const query = queryOf({
      watch: 'true',
      labelSelector,
      fieldSelector,
      resourceVersion,
      allowWatchBookmarks: options.allowWatchBookmarks ? 'true' : undefined,
      timeoutSeconds: String(seconds),
    });
    const path = `${pathOf(type, namespace ? { namespace } : {})}${query}`;
    // The timeout is of silence: bookmarks come every minute, and the server ends the stream at its time.
    const timeoutMs = (seconds + 30) * 1000;
    const response = await this.#transport.open({ method: 'GET', path, signal, timeoutMs }, 'watches');
    // A server that vanished without a word is noticed by the kernel, in about 40 s.
    response.socket.setKeepAlive(true, 30_000);
    options.opened?.();
    yield* readWatch<T>(response, signal);
  }

  /** Any path, JSON or not; the body as text. */
  raw(
    method: string,
    path: string,
    body?: string | Buffer,
    headers?: Record<string, string>,
  ): Promise<string> {
    return this.#call({ method, path, body, headers, timeoutMs: this.#timeoutMs });
  }

  /** With its type, which servers ask for. */
  #whole<T>(type: ResourceType<T>, object: unknown): object {
    return { apiVersion: apiVersionOf(type), kind: type.kind, ...(object as object) };
  }

  #write<T>(
    method: string,
    path: string,
    body: unknown,
    contentType: string,
    options: WriteOptions,
    more: Record<string, string> = {},
  ): Promise<T> {
    const query = queryOf({
      fieldManager: options.fieldManager,
      dryRun: options.dryRun ? 'All' : undefined,
      fieldValidation: options.fieldValidation,
      ...more,
    });
    return this.#json(method, `${path}${query}`, {
      body: JSON.stringify(body),
      headers: { 'content-type': contentType },
      signal: options.signal,
    });
  }

  async #json<T>(method: string, path: string, rest: Pick<Call, 'body' | 'headers' | 'signal'>): Promise<T> {
    const text = await this.#call({ method, path, timeoutMs: this.#timeoutMs, ...rest });
    try {
      return JSON.parse(text) as T;
    } catch (error) {
      throw new KubeConnectionError(`${method} ${path}: the answer is not JSON`, error);
    }
  }

  async #call(call: Call): Promise<string> {
    for (let tries = 1; ; tries++) {
      await this.#turn(call.signal);
      try {
        return await this.#transport.text(call, this.#largest);
      } catch (error) {
        const wait =
          AGAIN.has(call.method) && tries < MOST_TRIES ? waitBefore(error, call.method) : undefined;
        if (wait === undefined) throw error;
        // Not all at the same moment: what was refused together would come together again.
        if (wait > 0) await sleep(wait * (1 + Math.random() / 4), undefined, { ...signalOf(call) });
      }
    }
  }

  /** Waits until `qps` allows one more. */
  async #turn(signal: AbortSignal | undefined): Promise<void> {
    if (this.#qps === Number.POSITIVE_INFINITY) return;
    const now = performance.now();
    this.#tokens = Math.min(this.#qps * 2, this.#tokens + ((now - this.#filled) / 1000) * this.#qps) - 1;
    this.#filled = now;
    if (this.#tokens < 0)
      await sleep((-this.#tokens / this.#qps) * 1000, undefined, { ...(signal ? { signal } : {}) });
  }
}

/** Milliseconds until the same call makes sense; undefined when it does not. */
function waitBefore(error: unknown, method: string): number | undefined {
  if (isKubeError(error, 429, 503)) {
    return error.retryAfterSeconds === undefined
      ? undefined
      : Math.min(error.retryAfterSeconds, LONGEST_WAIT_S) * 1000;
  }
  return wasStale(error) && (method === 'GET' || method === 'HEAD') ? 0 : undefined;
}

function signalOf(call: Call): { signal?: AbortSignal } {
  return call.signal ? { signal: call.signal } : {};
}

function keyOf({ namespace, name }: ObjectKey): { namespace?: string; name: string } {
  return namespace ? { namespace, name } : { name };
}

function queryOf(parameters: Record<string, string | undefined>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters))
    if (value !== undefined && value !== '') query.set(name, value);
  const text = query.toString();
  return text === '' ? '' : `?${text}`;
}
