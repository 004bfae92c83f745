import type { KubeObject } from '../schema/types.ts';
import type { WatchEvent } from './event.ts';
import type { Watcher } from './watcher.ts';

interface Narrow {
  fieldOf(object: KubeObject): string;
  readonly byValue: Map<string, Set<Watcher>>;
}

/**
 * The watchers of one prefix. Those that want one value of a field only are found by that value: of a thousand kubelets
 * that each watch their own node's pods one or two hear of a pod, and nobody asks the others.
 */
export class WatcherIndex {
  readonly #wide = new Set<Watcher>();
  readonly #narrow = new Map<string, Narrow>();
  size = 0;

  add(watcher: Watcher): void {
    this.size++;
    const { only } = watcher.options.selection;
    if (!only) {
      this.#wide.add(watcher);
      return;
    }
    let narrow = this.#narrow.get(only.field);
    if (!narrow) {
      narrow = { fieldOf: only.fieldOf, byValue: new Map() };
      this.#narrow.set(only.field, narrow);
    }
    const same = narrow.byValue.get(only.value);
    if (same) same.add(watcher);
    else narrow.byValue.set(only.value, new Set([watcher]));
  }

  delete(watcher: Watcher): void {
    const { only } = watcher.options.selection;
    const narrow = only && this.#narrow.get(only.field);
    const among = only ? narrow?.byValue.get(only.value) : this.#wide;
    if (!among?.delete(watcher)) return;
    this.size--;
    if (!only || !narrow || among.size > 0) return;
    narrow.byValue.delete(only.value);
    if (narrow.byValue.size === 0) this.#narrow.delete(only.field);
  }

  all(): Watcher[] {
    const narrow = [...this.#narrow.values()].flatMap(({ byValue }) => [...byValue.values()]);
    return [this.#wide, ...narrow].flatMap((watchers) => [...watchers]);
  }

  /** Offers a change to those whom it may concern: by what the object is now, and by what it was. */
  offer(event: WatchEvent): void {
    for (const watcher of this.#wide) watcher.offer(event);
    for (const { fieldOf, byValue } of this.#narrow.values()) {
      const now = fieldOf(event.object);
      const before = event.previous && fieldOf(event.previous);
      for (const value of before === undefined || before === now ? [now] : [now, before])
        for (const watcher of byValue.get(value) ?? []) watcher.offer(event);
    }
  }
}
