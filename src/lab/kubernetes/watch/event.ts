import type { KubeObject } from '../schema/types.ts';
import type { Change } from '../store/store.ts';

export type EventType = 'ADDED' | 'MODIFIED' | 'DELETED';

/** Which objects a watcher wants; see server/selectors.ts. */
export interface Selects {
  readonly all: boolean;
  matches(object: KubeObject): boolean;
  /** A field that has one value in all objects that match. */
  readonly only?: { field: string; value: string; fieldOf(object: KubeObject): string } | undefined;
}

/** How a watcher wants them; see server/representation.ts. */
export interface Represents {
  readonly id: string;
  single(text: string, parsed: () => KubeObject): string;
}

/** A change while it is told to watchers: parsed at most once, encoded once for each representation and type, for any number of them. */
export class WatchEvent {
  readonly change: Change;
  #object: KubeObject | undefined;
  #previous: KubeObject | undefined;
  readonly #encoded = new Map<string, Buffer>();

  constructor(change: Change) {
    this.change = change;
  }

  get object(): KubeObject {
    this.#object ??= JSON.parse(this.change.value) as KubeObject;
    return this.#object;
  }

  get previous(): KubeObject | undefined {
    if (this.change.previous === undefined) return undefined;
    this.#previous ??= JSON.parse(this.change.previous) as KubeObject;
    return this.#previous;
  }

  /** What the change is to someone with a selection; an object that leaves it is deleted, one that enters it is added. */
  typeFor(selection: Selects): EventType | undefined {
    const { created, deleted } = this.change;
    if (selection.all) return deleted ? 'DELETED' : created ? 'ADDED' : 'MODIFIED';
    const now = !deleted && selection.matches(this.object);
    const before = this.previous !== undefined && selection.matches(this.previous);
    if (now) return before ? 'MODIFIED' : 'ADDED';
    return before ? 'DELETED' : undefined;
  }

  /** The event's line. */
  encode(type: EventType, representation: Represents): Buffer {
    // An object that left a selection is shown as it was in it, at the revision at which it left.
    const left = type === 'DELETED' && !this.change.deleted;
    const id = `${left ? 'LEFT' : type} ${representation.id}`;
    const cached = this.#encoded.get(id);
    if (cached) return cached;
    const text = left ? this.#lastState() : this.change.value;
    const parsed = left ? () => JSON.parse(text) as KubeObject : () => this.object;
    const line = eventLine(type, representation.single(text, parsed));
    this.#encoded.set(id, line);
    return line;
  }

  #lastState(): string {
    const previous = this.previous ?? {};
    return JSON.stringify({
      ...previous,
      metadata: { ...previous.metadata, resourceVersion: String(this.change.revision) },
    });
  }
}

export function eventLine(type: string, text: string): Buffer {
  return Buffer.from(`{"type":"${type}","object":${text}}\n`);
}
