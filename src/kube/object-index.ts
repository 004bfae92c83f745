import type { KubeObject } from './types.ts';

/** `namespace/name`, or the name alone for what lives in no namespace. */
export function keyOfObject(object: KubeObject): string {
  const { namespace, name = '' } = object.metadata ?? {};
  return namespace ? `${namespace}/${name}` : name;
}

/** Objects by their key, and by whatever keys the indexers say. An object must not be changed once it is in. */
export class ObjectIndex<T extends KubeObject> {
  readonly #objects = new Map<string, T>();
  readonly #indexers: Readonly<Record<string, (object: T) => readonly string[]>>;
  readonly #indices = new Map<string, Map<string, Set<string>>>();

  constructor(indexers: Readonly<Record<string, (object: T) => readonly string[]>> = {}) {
    this.#indexers = indexers;
    for (const name of Object.keys(indexers)) this.#indices.set(name, new Map());
  }

  get size(): number {
    return this.#objects.size;
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  keys(): IterableIterator<string> {
    return this.#objects.keys();
  }

  list(): T[] {
    return [...this.#objects.values()];
  }

  /** @throws RangeError when there is no such indexer */
  byIndex(name: string, value: string): T[] {
    const index = this.#indices.get(name);
    if (!index)
      throw new RangeError(
        `no indexer is called '${name}'; there are ${[...this.#indices.keys()].join(', ') || 'none'}`,
      );
    return [...(index.get(value) ?? [])].map((key) => this.#objects.get(key)!);
  }

  set(key: string, object: T): void {
    const before = this.#objects.get(key);
    if (before) this.#unindex(key, before);
    this.#objects.set(key, object);
    for (const [name, index] of this.#indices) {
      for (const value of this.#indexers[name]!(object)) {
        const keys = index.get(value);
        if (keys) keys.add(key);
        else index.set(value, new Set([key]));
      }
    }
  }

  delete(key: string): void {
    const before = this.#objects.get(key);
    if (!before) return;
    this.#unindex(key, before);
    this.#objects.delete(key);
  }

  #unindex(key: string, object: T): void {
    for (const [name, index] of this.#indices) {
      for (const value of this.#indexers[name]!(object)) {
        const keys = index.get(value);
        keys?.delete(key);
        if (keys?.size === 0) index.delete(value);
      }
    }
  }
}
