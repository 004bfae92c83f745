import { describe, expect, test } from 'vitest';
import { readDescriptions } from './files.ts';
import { SchemaRegistry } from './registry.ts';
import type { KindInfo, Schema } from './types.ts';

const registry = SchemaRegistry.load();
const PODS = { group: '', version: 'v1', plural: 'pods' };

function at(schema: Schema, ...path: string[]): Schema {
  let found = registry.resolve(schema);
  for (const name of path) {
    const next = name === '[]' ? found.items : found.properties?.[name];
    if (!next) throw new Error(`no ${name} in ${Object.keys(found.properties ?? {})}`);
    found = registry.resolve(next);
  }
  return found;
}

describe('registry', () => {
  test('pods: names, subresources, schema', () => {
    const pods = registry.find(PODS) as KindInfo;
    expect(pods).toMatchObject({
      kind: 'Pod',
      listKind: 'PodList',
      singular: 'pod',
      shortNames: ['po'],
      categories: ['all'],
      namespaced: true,
      builtin: true,
    });
    expect(pods.subresources.map(({ name }) => name)).toContain('portforward');
    expect(registry.byKind({ group: '', version: 'v1', kind: 'Pod' })).toBe(pods);
    expect(at(pods.schema, 'spec', 'containers')).toMatchObject({
      type: 'array',
      listType: 'map',
      listMapKeys: ['name'],
      patchStrategy: 'merge',
      patchMergeKey: 'name',
    });
    expect(at(pods.schema, 'spec', 'containers', '[]').required).toEqual(['name']);
    expect(at(pods.schema, 'spec', 'containers', '[]', 'ports', '[]', 'protocol')).toEqual({
      type: 'string',
      enum: ['SCTP', 'TCP', 'UDP'],
      default: 'TCP',
    });
    expect(at(pods.schema, 'spec', 'containers', '[]', 'resources', 'limits').additionalProperties).toEqual({
      type: 'string',
      format: 'quantity',
    });
  });

  test('what stands beside a reference wins over the definition', () => {
    const deployments = registry.find({ group: 'apps', version: 'v1', plural: 'deployments' }) as KindInfo;
    expect(at(deployments.schema, 'spec', 'strategy')).toMatchObject({
      type: 'object',
      patchStrategy: 'retainKeys',
    });
    expect(at(deployments.schema, 'spec', 'selector').mapType).toBe('atomic');
  });

  test('every reference leads somewhere', () => {
    const missing = new Set<string>();
    const visit = (schema: Schema): void => {
      if (schema.ref && !registry.definitions[schema.ref]) missing.add(schema.ref);
      for (const inner of Object.values(schema.properties ?? {})) visit(inner);
      if (schema.items) visit(schema.items);
      if (typeof schema.additionalProperties === 'object') visit(schema.additionalProperties);
    };
    for (const schema of Object.values(registry.definitions)) visit(schema);
    expect([...missing]).toEqual([]);
  });

  test('list kinds and kinds without a resource have schemas', () => {
    expect(at(registry.schemaOf({ group: '', version: 'v1', kind: 'PodList' }) as Schema, 'items').type).toBe(
      'array',
    );
    const scale = registry.schemaOf({ group: 'autoscaling', version: 'v1', kind: 'Scale' }) as Schema;
    expect(at(scale, 'spec', 'replicas').type).toBe('integer');
    expect(registry.schemaOf({ group: '', version: 'v1', kind: 'Toaster' })).toBeUndefined();
  });

  test('kinds come and go, built-in ones stay', () => {
    const own = SchemaRegistry.load();
    const widgets: KindInfo = {
      ...(own.find(PODS) as KindInfo),
      group: 'example.com',
      kind: 'Widget',
      plural: 'widgets',
      builtin: false,
    };
    const before = own.version;
    own.add(widgets);
    expect(own.find(widgets)).toBe(widgets);
    own.add({ ...widgets, kind: 'Gadget' });
    expect(own.byKind(widgets)).toBeUndefined();
    own.remove(widgets);
    expect(own.find(widgets)).toBeUndefined();
    expect(own.version).toBe(before + 3);
    own.remove(PODS);
    expect(own.find(PODS)).toBeDefined();
    expect(() => own.add(own.find(PODS) as KindInfo)).toThrow(/built in/);
  });

  test('descriptions', () => {
    const descriptions = readDescriptions();
    expect(descriptions['io.k8s.api.core.v1.Container']?.image).toMatch(/^Container image name\./);
    expect(descriptions['io.k8s.api.core.v1.Pod']?.['']).toMatch(/^Pod is a collection/);
  });
});
