import { EventEmitter } from 'node:events';
import { Backoff } from './backoff.ts';
import type { KubeClient, Selection } from './client.ts';
import { errorOfStatus, isKubeError } from './error.ts';
import { keyOfObject, ObjectIndex } from './object-index.ts';
import type { ResourceType } from './resources.ts';
import type { KubeObject } from './types.ts';
import type { WatchEvent } from './watch.ts';

export interface InformerOptions<T> extends Selection {
  readonly indexers?: Readonly<Record<string, (object: T) => readonly string[]>>;
  /** What of an object is kept; `managedFields`, half of many objects, are gone before. May change its argument. */
  readonly transform?: (object: T) => T;
  /** Objects a page. Default 500, as upstream. */
  readonly pageSize?: number;
  /** Milliseconds to wait after a failure: the first time, and at most. Default 200 and 10,000. */
  readonly retry?: { readonly first: number; readonly longest: number };
}

export interface InformerEvents<T> {
  add: [object: T];
  update: [object: T, old: T];
  delete: [object: T];
  /** The API server could not be reached, or refused; it is tried again. Not emitted when nobody listens. */
  error: [error: Error];
  /** A list was answered: from now on the objects are those of the server. */
  listed: [];
}

const PAGE = 500;
const RETRY = { first: 200, longest: 10_000 };
/** A watch that ends sooner than this was no good one: the next waits. */
const SHORT_WATCH_MS = 1000;
/** So many refusals of a watch, and the list is taken anew. */
const MOST_REFUSALS = 3;

/**
 * The objects of one kind in memory, as the API server has them: a list, then a watch from there on; reconnected from
 * the last version seen, listed anew when the server has forgotten that version (410). Whatever happens in between,
 * handlers see every object's states in their order, none twice, and after a gap the difference to what they knew:
 * an object that was deleted and made again under its name is a `delete` and an `add`.
 *
 * Handlers run at once and one after another; the objects are everybody's: change a copy.
 */
export class Informer<T extends KubeObject> extends EventEmitter<InformerEvents<T>> {
  /** Resolves when the first list is in. Never when it is stopped before. */
  readonly synced: Promise<void>;
  readonly #client: KubeClient;
  readonly #type: ResourceType<T>;
  readonly #options: InformerOptions<T>;
  readonly #objects: ObjectIndex<T>;
  readonly #stopping = new AbortController();
  readonly #backoff: Backoff;
  #hasSynced = false;
  #setSynced: () => void = () => {};
  #version: string | undefined;
  #connected = false;
  /** Watches refused with 410, and for other reasons, one after another. */
  #expired = 0;
  #refused = 0;
  #running: Promise<void> | undefined;

  constructor(client: KubeClient, type: ResourceType<T>, options: InformerOptions<T> = {}) {
    super();
    this.#client = client;
    this.#type = type;
    this.#options = options;
    this.#objects = new ObjectIndex(options.indexers);
    this.#backoff = new Backoff(options.retry ?? RETRY);
    this.synced = new Promise((resolve) => {
      this.#setSynced = resolve;
    });
  }

  /** Whether the first list is in. */
  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  /** Whether the API server answered the last time. Without it the objects are those of some time ago. */
  get connected(): boolean {
    return this.#connected;
  }

  /** The version of the last state seen. */
  get resourceVersion(): string | undefined {
    return this.#version;
  }

  get size(): number {
    return this.#objects.size;
  }

  /** @param key `namespace/name`, or the name of what lives in no namespace */
  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  list(): T[] {
    return this.#objects.list();
  }

  /** @throws RangeError when there is no such indexer */
  byIndex(name: string, value: string): T[] {
    return this.#objects.byIndex(name, value);
  }

  start(): this {
    this.#running ??= this.#run();
    return this;
  }

  /** After it has resolved no handler is called any more. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        if (this.#version === undefined) await this.#relist(signal);
        const started = performance.now();
        await this.#follow(signal);
        // A server that restarts ends all its watches in one moment.
        if (performance.now() - started < SHORT_WATCH_MS) await this.#backoff.wait(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#connected = false;
        if (isKubeError(error, 410)) {
          this.#version = undefined;
          // At once the first time: nothing is wrong but our age.
          if (this.#expired++ === 0) continue;
        } else if (isKubeError(error) && ++this.#refused >= MOST_REFUSALS) {
          // It may know nothing of our version: a server that was set back to a backup says "too large".
          this.#version = undefined;
        }
        this.#failed(error);
        await this.#backoff.wait(signal);
      }
    }
  }

  /** Follows the watch to its end. @throws KubeError 410 when the version is forgotten */
  async #follow(signal: AbortSignal): Promise<void> {
    const { namespace, labelSelector, fieldSelector } = this.#options;
    const events = this.#client.watch<T>(this.#type, {
      namespace,
      labelSelector,
      fieldSelector,
      resourceVersion: this.#version,
      allowWatchBookmarks: true,
      // Not all at the same moment.
      timeoutSeconds: Math.round(300 + Math.random() * 300),
      signal,
      opened: () => {
        this.#connected = true;
        this.#refused = 0;
      },
    });
    for await (const event of events) {
      if (signal.aborted) return;
      this.#backoff.reset();
      this.#expired = 0;
      this.#take(event);
    }
  }

  #take(event: WatchEvent<T>): void {
    if (event.type === 'ERROR') throw errorOfStatus(event.object);
    const version = event.object.metadata?.resourceVersion;
    if (event.type !== 'BOOKMARK') {
      const object = this.#kept(event.object);
      if (event.type === 'DELETED') this.#gone(keyOfObject(object), object);
      else this.#seen(object);
    }
    if (version) this.#version = version;
  }

  /** All pages of one version, then the difference to what was there. */
  async #relist(signal: AbortSignal): Promise<void> {
    const { namespace, labelSelector, fieldSelector, pageSize = PAGE } = this.#options;
    const selection = { namespace, labelSelector, fieldSelector, signal };
    const found = new Map<string, T>();
    let version: string | undefined;
    let next: string | undefined;
    let limit: number | undefined = pageSize;
    for (;;) {
      try {
        const page = await this.#client.list(this.#type, { ...selection, limit, continue: next });
        for (const item of page.items) {
          const object = this.#kept(item);
          found.set(keyOfObject(object), object);
        }
        version = page.metadata.resourceVersion;
        next = page.metadata.continue || undefined;
        if (next === undefined) break;
      } catch (error) {
        // The pages took longer than the server remembers: once more, in one piece.
        if (!isKubeError(error, 410) || next === undefined) throw error;
        found.clear();
        next = undefined;
        limit = undefined;
      }
    }
    if (signal.aborted) return;
    for (const key of [...this.#objects.keys()]) {
      if (!found.has(key)) this.#gone(key, this.#objects.get(key)!);
    }
    for (const object of found.values()) this.#seen(object);
    this.#version = version;
    this.#connected = true;
    this.#hasSynced = true;
    this.#setSynced();
    this.#tell('listed');
  }

  #seen(object: T): void {
    const key = keyOfObject(object);
    const old = this.#objects.get(key);
    if (!old) {
      this.#objects.set(key, object);
      this.#tell('add', object);
      return;
    }
    const was = old.metadata;
    const is = object.metadata;
    if (was?.uid !== is?.uid) {
      this.#gone(key, old);
      this.#objects.set(key, object);
      this.#tell('add', object);
    } else if (was?.resourceVersion !== is?.resourceVersion) {
      this.#objects.set(key, object);
      this.#tell('update', object, old);
    }
  }

  #gone(key: string, last: T): void {
    if (!this.#objects.get(key)) return;
    this.#objects.delete(key);
    this.#tell('delete', last);
  }

  #kept(object: T): T {
    if (object.metadata?.managedFields) delete object.metadata.managedFields;
    return this.#options.transform?.(object) ?? object;
  }

  /** A handler that throws must not cost the others their event, nor the informer its watch. */
  #tell<K extends keyof InformerEvents<T>>(name: K, ...values: InformerEvents<T>[K]): void {
    for (const handler of this.rawListeners(name)) {
      try {
        (handler as (...of: unknown[]) => void).apply(this, values);
      } catch (error) {
        this.#failed(error);
      }
    }
  }

  #failed(error: unknown): void {
    if (this.listenerCount('error') === 0) return;
    this.emit('error', error instanceof Error ? error : new Error(String(error)));
  }
}
