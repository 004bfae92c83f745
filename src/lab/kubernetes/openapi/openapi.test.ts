import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SchemaRegistry } from '../schema/registry.ts';
import type { KindInfo } from '../schema/types.ts';
import { compareVersions } from './groups.ts';
import { documentAnswer } from './serve.ts';

const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

const widget: KindInfo = {
  group: 'example.com',
  version: 'v1',
  kind: 'Widget',
  listKind: 'WidgetList',
  plural: 'widgets',
  singular: 'widget',
  shortNames: ['wd'],
  categories: [],
  namespaced: true,
  verbs: ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
  builtin: false,
  subresources: [{ name: 'status', verbs: ['get', 'patch', 'update'] }],
  schema: {
    type: 'object',
    properties: {
      spec: { type: 'object', properties: { size: { type: 'integer', description: 'How big.' } } },
    },
  },
};

function ask(registry: SchemaRegistry, address: string, accept = 'application/json', ifNoneMatch?: string) {
  const { pathname, searchParams } = new URL(address, 'http://x');
  return documentAnswer(registry, {
    path: pathname,
    query: searchParams,
    accept,
    ifNoneMatch,
    serverAddress: '198.19.0.2:443',
  });
}

/** biome-ignore lint/suspicious/noExplicitAny: documents of any shape */
const body = (registry: SchemaRegistry, address: string, accept?: string): any =>
  JSON.parse(String(ask(registry, address, accept)?.body));

describe('discovery', () => {
  const registry = SchemaRegistry.load();
  registry.add(widget);
  registry.add({ ...widget, version: 'v1beta1' });
  registry.add({ ...widget, version: 'v2alpha1' });

  test('the old way', () => {
    expect(body(registry, '/api')).toMatchObject({ kind: 'APIVersions', versions: ['v1'] });
    const groups = body(registry, '/apis').groups;
    expect(groups[0]).toMatchObject({
      name: 'apps',
      preferredVersion: { groupVersion: 'apps/v1', version: 'v1' },
    });
    expect(
      body(registry, '/apis/example.com').versions.map(({ version }: { version: string }) => version),
    ).toEqual(['v1', 'v1beta1', 'v2alpha1']);
    const resources = body(registry, '/api/v1').resources;
    expect(resources).toContainEqual({
      name: 'pods/eviction',
      singularName: '',
      namespaced: true,
      group: 'policy',
      version: 'v1',
      kind: 'Eviction',
      verbs: ['create'],
    });
    expect(ask(registry, '/apis/nowhere.io')?.status).toBe(404);
    expect(ask(registry, '/apis/apps/v7')?.status).toBe(404);
  });

  test('paths of objects are not for it', () => {
    for (const path of ['/api/v1/pods', '/apis/apps/v1/deployments', '/healthz', '/'])
      expect(ask(registry, path)).toBeUndefined();
  });

  test('aggregated when asked for first', () => {
    const answer = ask(registry, '/apis', `${AGGREGATED},application/json`);
    expect(answer?.headers['Content-Type']).toBe(AGGREGATED);
    const { items } = JSON.parse(String(answer?.body));
    const apps = items.find((item: { metadata: { name: string } }) => item.metadata.name === 'apps');
    expect(apps.versions[0].resources).toContainEqual({
      resource: 'daemonsets',
      responseKind: { group: 'apps', version: 'v1', kind: 'DaemonSet' },
      scope: 'Namespaced',
      singularResource: 'daemonset',
      verbs: ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
      shortNames: ['ds'],
      categories: ['all'],
      subresources: [
        {
          subresource: 'status',
          responseKind: { group: 'apps', version: 'v1', kind: 'DaemonSet' },
          verbs: ['get', 'patch', 'update'],
        },
      ],
    });
    expect(body(registry, '/api', AGGREGATED).items).toHaveLength(1);
    expect(body(registry, '/api', `application/json,${AGGREGATED}`).kind).toBe('APIVersions');
  });

  test('an ETag, and 304 with it', () => {
    const first = ask(registry, '/apis');
    expect(ask(registry, '/apis', undefined, first?.headers.ETag)).toMatchObject({ status: 304 });
    expect(ask(registry, '/apis', undefined, '"other"')?.status).toBe(200);
  });
});

describe('OpenAPI', () => {
  const registry = SchemaRegistry.load();
  const urlOf = (root: string): string => body(registry, '/openapi/v3').paths[root].serverRelativeURL;

  test('the address changes with a CRD and only with it', () => {
    const core = urlOf('api/v1');
    registry.add(widget);
    const one = urlOf('apis/example.com/v1');
    registry.add({ ...widget, schema: { type: 'object' } });
    expect(urlOf('apis/example.com/v1')).not.toBe(one);
    expect(urlOf('api/v1')).toBe(core);
    registry.add(widget);
    expect(urlOf('apis/example.com/v1')).toBe(one);
  });

  test('a document may be kept when its hash was named, and every reference in it leads somewhere', () => {
    const answer = ask(registry, urlOf('api/v1'));
    expect(answer?.headers['Cache-Control']).toBe('public, immutable');
    expect(ask(registry, '/openapi/v3/api/v1')?.headers).not.toHaveProperty('Cache-Control');
    expect(ask(registry, urlOf('api/v1'), undefined, answer?.headers.ETag)?.status).toBe(304);
    for (const root of Object.keys(body(registry, '/openapi/v3').paths)) {
      const text = String(ask(registry, `/openapi/v3/${root}`)?.body);
      const { components } = JSON.parse(text);
      for (const [, name] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g))
        if (!components.schemas[name as string]) expect.fail(`${root}: ${name} is missing`);
    }
  });

  test('what kubectl looks for: kinds, parameters and patches of PATCH, patch strategies', () => {
    const { paths, components } = body(registry, '/openapi/v3/apis/apps/v1');
    const { patch } = paths['/apis/apps/v1/namespaces/{namespace}/deployments/{name}'];
    expect(patch['x-kubernetes-group-version-kind']).toEqual({
      group: 'apps',
      version: 'v1',
      kind: 'Deployment',
    });
    expect(patch['x-kubernetes-action']).toBe('patch');
    expect(patch.parameters.map(({ name }: { name: string }) => name)).toEqual([
      'dryRun',
      'fieldManager',
      'fieldValidation',
      'force',
    ]);
    expect(Object.keys(patch.requestBody.content)).toContain('application/strategic-merge-patch+json');
    expect(components.schemas['io.k8s.api.apps.v1.Deployment']['x-kubernetes-group-version-kind']).toEqual([
      { group: 'apps', version: 'v1', kind: 'Deployment' },
    ]);
    expect(components.schemas['io.k8s.api.core.v1.PodSpec'].properties.containers).toMatchObject({
      'x-kubernetes-patch-strategy': 'merge',
      'x-kubernetes-patch-merge-key': 'name',
      items: { $ref: '#/components/schemas/io.k8s.api.core.v1.Container' },
    });
  });

  test('custom kinds: fields of all objects, no strategic patches', () => {
    registry.add(widget);
    const { paths, components } = body(registry, '/openapi/v3/apis/example.com/v1');
    expect(components.schemas['com.example.v1.Widget'].properties).toMatchObject({
      apiVersion: { type: 'string' },
      metadata: {
        description: expect.stringMatching(/^Standard object's metadata\./),
        allOf: [{ $ref: '#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta' }],
      },
      spec: { properties: { size: { type: 'integer', description: 'How big.' } } },
    });
    const { patch } = paths['/apis/example.com/v1/namespaces/{namespace}/widgets/{name}'];
    expect(Object.keys(patch.requestBody.content)).not.toContain('application/strategic-merge-patch+json');
    expect(components.schemas['com.example.v1.WidgetList']).toBeDefined();
  });

  test('the second version, as JSON and as the least of protobuf', () => {
    expect(body(registry, '/openapi/v2').definitions['io.k8s.api.core.v1.Pod'].type).toBe('object');
    const proto = ask(registry, '/openapi/v2', 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf');
    expect(String(proto?.body)).toContain('v1.33.0');
    expect(ask(registry, '/openapi/v2', 'text/html')?.status).toBe(406);
    expect(ask(registry, '/openapi/v4')?.status).toBe(404);
  });
});

test('versions are ordered as upstream', () => {
  const ordered = [
    'v10',
    'v2',
    'v1',
    'v11beta2',
    'v10beta3',
    'v3beta1',
    'v12alpha1',
    'v11alpha2',
    'foo1',
    'foo10',
  ];
  fc.assert(
    fc.property(fc.shuffledSubarray(ordered, { minLength: ordered.length }), (shuffled) => {
      expect(shuffled.sort(compareVersions)).toEqual(ordered);
    }),
  );
});
