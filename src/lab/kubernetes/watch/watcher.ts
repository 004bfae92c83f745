import type { Position, Store } from '../store/store.ts';
import { eventLine, type Represents, type Selects, WatchEvent } from './event.ts';

/** Where a watcher's lines go: an HTTP answer. */
export interface Sink {
  /** @returns false when it should not be given more before it has drained */
  write(data: Buffer): boolean;
  /** Bytes not yet taken. */
  readonly writableLength: number;
  once(event: 'drain' | 'close', listener: () => void): unknown;
  off(event: 'drain' | 'close', listener: () => void): unknown;
  end(): void;
}

export interface WatchOptions {
  /** What the keys begin with, ending in a slash. */
  prefix: string;
  selection: Selects;
  representation: Represents;
  /** Changes after this revision are told. */
  after: number;
  /** What exists at `after`, told first as ADDED. */
  initial?: Position[];
  /** A bookmark with the annotation `k8s.io/initial-events-end` follows the initial events. */
  endOfInitialEvents?: boolean;
  /** The JSON of a bookmark's object. */
  bookmark: (revision: number, initialEventsEnd: boolean) => string;
  sink: Sink;
}

/** A sink that has more than this to send is no longer written to; what it missed is read from the store when it has drained. Bytes. */
export const SLOW = 1024 * 1024;
const CHUNK = 256;

/**
 * One watch: first what exists, then history from the store, then live from the hub. Whoever cannot keep up falls back to history, so
 * that a slow watcher costs no memory and loses nothing, until compaction overtakes it (410).
 */
export class Watcher {
  readonly options: WatchOptions;
  readonly #store: Store;
  #position: number;
  #live = false;
  #closed = false;
  #onClose: (() => void) | undefined;

  constructor(store: Store, options: WatchOptions) {
    this.#store = store;
    this.options = options;
    this.#position = options.after;
    options.sink.once('close', () => this.close());
  }

  /** The last revision told, or passed over because it is not of the selection. */
  get position(): number {
    return this.#position;
  }

  get live(): boolean {
    return this.#live;
  }

  get closed(): boolean {
    return this.#closed;
  }

  onClose(listener: () => void): void {
    this.#onClose = listener;
  }

  /** Runs until it is live; the hub tells it of changes from its construction on. */
  async run(): Promise<void> {
    const { initial, sink, representation, selection } = this.options;
    for (const [index, { id }] of (initial ?? []).entries()) {
      if (this.#closed) return;
      const value = this.#store.value(id);
      if (value === undefined) return this.#gone();
      const parsed = () => JSON.parse(value);
      if (selection.all || selection.matches(parsed()))
        if (!sink.write(eventLine('ADDED', representation.single(value, parsed)))) await this.#drained();
      if (index % CHUNK === CHUNK - 1) await new Promise((resolve) => setImmediate(resolve));
    }
    if (this.#closed) return;
    if (this.options.endOfInitialEvents)
      sink.write(eventLine('BOOKMARK', this.options.bookmark(this.#position, true)));
    // Positions are only needed once.
    delete this.options.initial;
    await this.#catchUp();
  }

  async #catchUp(): Promise<void> {
    while (!this.#closed) {
      if (this.#position < this.#store.compacted) return this.#gone();
      const changes = this.#store.history(this.#position, this.options.prefix, CHUNK);
      if (changes.length === 0) {
        this.#position = Math.max(this.#position, this.#store.revision);
        this.#live = true;
        return;
      }
      for (const change of changes) {
        if (!this.#tell(new WatchEvent(change))) await this.#drained();
        if (this.#closed) return;
      }
      if (changes.length === CHUNK) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #tell(event: WatchEvent): boolean {
    this.#position = event.change.revision;
    const type = event.typeFor(this.options.selection);
    return type === undefined || this.options.sink.write(event.encode(type, this.options.representation));
  }

  /** A change that has just been committed. */
  offer(event: WatchEvent): void {
    if (!this.#live || this.#closed || event.change.revision <= this.#position) return;
    this.#tell(event);
    if (this.options.sink.writableLength <= SLOW) return;
    this.#live = false;
    this.#drained()
      .then(() => this.#catchUp())
      .catch(() => this.close());
  }

  /** Tells how far the watch has come. Only when nothing is in between. */
  bookmark(): void {
    if (!this.#live || this.#closed) return;
    this.#position = Math.max(this.#position, this.#store.revision);
    this.options.sink.write(eventLine('BOOKMARK', this.options.bookmark(this.#position, false)));
  }

  #gone(): void {
    const message = `too old resource version: ${this.#position} (${this.#store.compacted})`;
    this.fail({
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message,
      reason: 'Expired',
      code: 410,
    });
  }

  /** Ends with an ERROR event. */
  fail(status: unknown): void {
    if (this.#closed) return;
    this.options.sink.write(eventLine('ERROR', JSON.stringify(status)));
    this.close();
  }

  #drained(): Promise<void> {
    const { sink } = this.options;
    return new Promise((resolve) => {
      const done = () => {
        sink.off('drain', done);
        sink.off('close', done);
        resolve();
      };
      sink.once('drain', done);
      sink.once('close', done);
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#live = false;
    this.options.sink.end();
    this.#onClose?.();
  }
}
