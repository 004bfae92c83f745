import type { Change, Store } from '../store/store.ts';
import { WatchEvent } from './event.ts';
import { Watcher, type WatchOptions } from './watcher.ts';
import { WatcherIndex } from './watcher-index.ts';

/** How often idle watchers that want bookmarks get one. Milliseconds; upstream's is about a minute. */
const BOOKMARK_INTERVAL = 60_000;

/** Hears each commit once and tells the watchers whose prefix it is under. */
export class WatchHub {
  readonly #store: Store;
  readonly #watchers = new Map<string, WatcherIndex>();
  readonly #unsubscribe: () => void;
  readonly #bookmarks: NodeJS.Timeout;
  readonly #wantBookmarks = new Set<Watcher>();
  #closed = false;

  constructor(store: Store, { bookmarkInterval = BOOKMARK_INTERVAL } = {}) {
    this.#store = store;
    this.#unsubscribe = store.onCommit((changes) => this.#tell(changes));
    this.#bookmarks = setInterval(() => {
      for (const watcher of this.#wantBookmarks) watcher.bookmark();
    }, bookmarkInterval).unref();
  }

  /** How many are watching. */
  get size(): number {
    let size = 0;
    for (const watchers of this.#watchers.values()) size += watchers.size;
    return size;
  }

  /** Starts a watch; it ends when its sink closes, or by `close`, and after that at once. */
  watch(options: WatchOptions, { bookmarks }: { bookmarks: boolean }): Watcher {
    const watcher = new Watcher(this.#store, options);
    const { prefix } = options;
    let watchers = this.#watchers.get(prefix);
    if (!watchers) {
      watchers = new WatcherIndex();
      this.#watchers.set(prefix, watchers);
    }
    watchers.add(watcher);
    if (bookmarks) this.#wantBookmarks.add(watcher);
    watcher.onClose(() => {
      this.#wantBookmarks.delete(watcher);
      watchers.delete(watcher);
      if (watchers.size === 0 && this.#watchers.get(prefix) === watchers) this.#watchers.delete(prefix);
    });
    // Who comes back while the server ends would otherwise hold it up until it is cut off.
    if (this.#closed) watcher.close();
    else watcher.run().catch(() => watcher.close());
    return watcher;
  }

  #tell(changes: readonly Change[]): void {
    for (const change of changes) {
      const { key } = change;
      const event = new WatchEvent(change);
      // All prefixes that end in a slash: the resource's, and its namespace's.
      for (let at = key.indexOf('/'); at !== -1; at = key.indexOf('/', at + 1)) {
        this.#watchers.get(key.slice(0, at + 1))?.offer(event);
      }
    }
  }

  /** Ends all watches cleanly, so that clients start new ones. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#bookmarks);
    this.#unsubscribe();
    for (const watchers of [...this.#watchers.values()])
      for (const watcher of watchers.all()) watcher.close();
  }
}
