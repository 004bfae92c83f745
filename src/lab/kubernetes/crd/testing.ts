// A CRD, and a store in memory for the controller. For tests.

import type { KindInfo, KubeObject } from '../schema/types.ts';
import { type GroupResource, notFound } from '../server/status.ts';
import type { Access, Change } from '../server/types.ts';
import type { KindRegistry } from './controller.ts';
import type { Crd, CrdVersion, RawSchema } from './types.ts';

export const SCHEMA: RawSchema = {
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      required: ['size'],
      properties: {
        size: { type: 'integer', minimum: 1, maximum: 10 },
        color: { type: 'string', enum: ['red', 'blue'], default: 'red' },
        port: { 'x-kubernetes-int-or-string': true },
      },
    },
  },
};

export function crd(
  schema: RawSchema = SCHEMA,
  version: Partial<CrdVersion> = {},
  spec: Partial<Crd['spec']> = {},
): Crd {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'widgets.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'widgets', kind: 'Widget', shortNames: ['wg'] },
      versions: [
        { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema }, ...version },
      ],
      ...spec,
    },
  };
}

export class Kinds implements KindRegistry {
  readonly list: KindInfo[] = [];
  kinds(): KindInfo[] {
    return this.list;
  }
  add(kind: KindInfo): void {
    this.remove(kind);
    this.list.push(kind);
  }
  remove(kind: { group: string; version: string; plural: string }): void {
    const at = this.list.findIndex(
      (one) => one.group === kind.group && one.version === kind.version && one.plural === kind.plural,
    );
    if (at >= 0) this.list.splice(at, 1);
  }
}

/** Objects by group, plural, namespace and name; finalizers hold what is deleted. */
export class MemoryAccess implements Access {
  readonly objects = new Map<string, KubeObject>();
  private readonly listeners = new Set<{ prefix: string; listener: (change: Change) => void }>();

  private key({ group, plural }: GroupResource, namespace?: string, name?: string): string {
    return `${group}/${plural}/${namespace ?? ''}/${name ?? ''}`;
  }
  get(resource: GroupResource, namespace: string | undefined, name: string): KubeObject | undefined {
    return structuredClone(this.objects.get(this.key(resource, namespace, name)));
  }
  list({ group, plural }: GroupResource): KubeObject[] {
    return [...this.objects]
      .filter(([key]) => key.startsWith(`${group}/${plural}/`))
      .map(([, object]) => structuredClone(object));
  }
  async create(resource: GroupResource, object: KubeObject): Promise<KubeObject> {
    this.put('ADDED', resource, object);
    return object;
  }
  async update(resource: GroupResource, object: KubeObject): Promise<KubeObject> {
    const { namespace, name = '', deletionTimestamp, finalizers } = object.metadata ?? {};
    if (!this.get(resource, namespace, name)) throw notFound(resource, name);
    if (deletionTimestamp && !finalizers?.length) this.drop(resource, object);
    else this.put('MODIFIED', resource, object);
    return object;
  }
  async delete(resource: GroupResource, namespace: string | undefined, name: string): Promise<void> {
    const object = this.get(resource, namespace, name);
    if (!object) throw notFound(resource, name);
    if (object.metadata?.finalizers?.length)
      this.put('MODIFIED', resource, {
        ...object,
        metadata: { ...object.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' },
      });
    else this.drop(resource, object);
  }
  onChange({ group, plural }: GroupResource, listener: (change: Change) => void): () => void {
    const entry = { prefix: `${group}/${plural}/`, listener };
    this.listeners.add(entry);
    return () => this.listeners.delete(entry);
  }
  private drop(resource: GroupResource, object: KubeObject): void {
    this.objects.delete(this.key(resource, object.metadata?.namespace, object.metadata?.name));
    this.tell('DELETED', resource, object);
  }
  private put(type: Change['type'], resource: GroupResource, object: KubeObject): void {
    this.objects.set(
      this.key(resource, object.metadata?.namespace, object.metadata?.name),
      structuredClone(object),
    );
    this.tell(type, resource, object);
  }
  private tell(type: Change['type'], resource: GroupResource, object: KubeObject): void {
    const { namespace, name = '' } = object.metadata ?? {};
    const change: Change = { type, revision: 1, namespace, name, object: () => structuredClone(object) };
    for (const { prefix, listener } of [...this.listeners])
      if (this.key(resource).startsWith(prefix)) listener(change);
  }
}
