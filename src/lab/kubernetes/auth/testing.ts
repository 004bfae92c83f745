import { randomUUID } from 'node:crypto';
import type { KubeObject } from '../schema/types.ts';
import { type GroupResource, notFound } from '../server/status.ts';
import type { Access, Change } from '../server/types.ts';

/** A store in memory for the tests of this room and of its neighbours; keys are `group/plural/namespace/name`. */
export class TestAccess implements Access {
  readonly objects = new Map<string, KubeObject>();
  readonly #listeners = new Set<{ of: string; listener: (change: Change) => void }>();
  #revision = 0;

  #key({ group, plural }: GroupResource, namespace?: string, name?: string): string {
    return `${group}/${plural}/${name === undefined ? '' : `${namespace ?? ''}/${name}`}`;
  }

  #tell(resource: GroupResource, type: Change['type'], object: KubeObject): void {
    const { namespace, name = '' } = object.metadata ?? {};
    const change = { type, revision: ++this.#revision, namespace, name, object: () => object };
    for (const { of, listener } of this.#listeners) if (of === this.#key(resource)) listener(change);
  }

  get(resource: GroupResource, namespace: string | undefined, name: string): KubeObject | undefined {
    const found = this.objects.get(this.#key(resource, namespace, name));
    return found && structuredClone(found);
  }

  list(resource: GroupResource, namespace?: string): KubeObject[] {
    const prefix = namespace === undefined ? this.#key(resource) : `${this.#key(resource)}${namespace}/`;
    return [...this.objects].flatMap(([key, object]) =>
      key.startsWith(prefix) ? [structuredClone(object)] : [],
    );
  }

  async create(resource: GroupResource, object: KubeObject): Promise<KubeObject> {
    const stored = { ...object, metadata: { uid: randomUUID(), ...object.metadata } };
    this.objects.set(this.#key(resource, stored.metadata.namespace, stored.metadata.name ?? ''), stored);
    this.#tell(resource, 'ADDED', stored);
    return stored;
  }

  async update(resource: GroupResource, object: KubeObject): Promise<KubeObject> {
    this.objects.set(this.#key(resource, object.metadata?.namespace, object.metadata?.name ?? ''), object);
    this.#tell(resource, 'MODIFIED', object);
    return object;
  }

  async delete(resource: GroupResource, namespace: string | undefined, name: string): Promise<void> {
    const key = this.#key(resource, namespace, name);
    const object = this.objects.get(key);
    if (!object) throw notFound(resource, name);
    this.objects.delete(key);
    this.#tell(resource, 'DELETED', object);
  }

  onChange(resource: GroupResource, listener: (change: Change) => void): () => void {
    const entry = { of: this.#key(resource), listener };
    this.#listeners.add(entry);
    return () => this.#listeners.delete(entry);
  }
}
