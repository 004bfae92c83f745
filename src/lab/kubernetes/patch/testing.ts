// A small schema with every way of merging, and helpers to apply to it. For tests.

import type { KindInfo, KubeObject, Schema } from '../schema/types.ts';
import { applyPatch, trackManagedFields } from './index.ts';
import type { SchemaSource } from './type.ts';

const string: Schema = { type: 'string' };
const integer: Schema = { type: 'integer' };
const strings: Schema = { type: 'object', additionalProperties: string };

const definitions: Record<string, Schema> = {
  ObjectMeta: {
    type: 'object',
    properties: {
      name: string,
      namespace: string,
      generateName: string,
      uid: string,
      resourceVersion: string,
      creationTimestamp: { type: 'string', format: 'date-time' },
      generation: integer,
      labels: strings,
      annotations: strings,
      finalizers: { type: 'array', items: string, listType: 'set', patchStrategy: 'merge' },
      managedFields: { type: 'array', items: { type: 'object' } },
    },
  },
  Container: {
    type: 'object',
    required: ['name'],
    properties: {
      name: string,
      image: string,
      command: { type: 'array', items: string, listType: 'atomic' },
      env: {
        type: 'array',
        items: { type: 'object', properties: { name: string, value: string } },
        listType: 'map',
        listMapKeys: ['name'],
        patchStrategy: 'merge',
        patchMergeKey: 'name',
      },
      ports: {
        type: 'array',
        items: {
          type: 'object',
          properties: { containerPort: integer, protocol: { type: 'string', default: 'TCP' }, name: string },
        },
        listType: 'map',
        listMapKeys: ['containerPort', 'protocol'],
        patchStrategy: 'merge',
        patchMergeKey: 'containerPort',
      },
      resources: { type: 'object', properties: { limits: strings, requests: strings } },
    },
  },
  PodSpec: {
    type: 'object',
    properties: {
      containers: {
        type: 'array',
        items: { ref: 'Container' },
        listType: 'map',
        listMapKeys: ['name'],
        patchStrategy: 'merge',
        patchMergeKey: 'name',
      },
      nodeName: string,
      nodeSelector: { ...strings, mapType: 'atomic' },
      tolerations: {
        type: 'array',
        items: { type: 'object', properties: { key: string } },
        listType: 'atomic',
      },
    },
  },
};

/** Looks into the definitions of this file. */
export const registry: SchemaSource = {
  resolve: (schema) => (schema.ref ? { ...definitions[schema.ref], ...schema } : schema),
};

export const kind: KindInfo = {
  group: 'apps',
  version: 'v1',
  kind: 'Deployment',
  listKind: 'DeploymentList',
  plural: 'deployments',
  singular: 'deployment',
  shortNames: ['deploy'],
  categories: ['all'],
  namespaced: true,
  verbs: [],
  builtin: true,
  subresources: [{ name: 'status', verbs: ['get', 'update', 'patch'] }],
  schema: {
    type: 'object',
    properties: {
      apiVersion: string,
      kind: string,
      metadata: { ref: 'ObjectMeta' },
      spec: {
        type: 'object',
        properties: {
          replicas: integer,
          paused: { type: 'boolean' },
          strategy: {
            type: 'object',
            patchStrategy: 'retainKeys',
            properties: {
              type: string,
              rollingUpdate: {
                type: 'object',
                properties: { maxSurge: { type: 'string', intOrString: true } },
              },
            },
          },
          template: {
            type: 'object',
            properties: { metadata: { ref: 'ObjectMeta' }, spec: { ref: 'PodSpec' } },
          },
        },
      },
      status: { type: 'object', properties: { replicas: integer } },
    },
  },
};

/** A Deployment as a configuration. */
export function deployment(
  spec: Record<string, unknown>,
  metadata: Record<string, unknown> = {},
): KubeObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace: 'default', ...metadata },
    spec,
  };
}

export const NOW = new Date('2026-01-02T03:04:05.678Z');

export interface As {
  force?: boolean;
  now?: Date;
  subresource?: string;
}

/** Server-side apply. */
export function apply(
  live: KubeObject | undefined,
  config: KubeObject,
  manager: string,
  as: As = {},
): KubeObject {
  return applyPatch({ type: 'apply', kind, registry, live, body: config, manager, now: NOW, ...as });
}

/** A create or an update, with its managedFields. */
export function update(
  before: KubeObject | undefined,
  after: KubeObject,
  manager: string,
  as: Omit<As, 'force'> = {},
): KubeObject {
  const managedFields = trackManagedFields({
    registry,
    kind,
    before,
    after,
    manager,
    operation: 'Update',
    now: NOW,
    ...as,
  });
  const { managedFields: _, ...metadata } = after.metadata ?? {};
  return { ...after, metadata: managedFields ? { ...metadata, managedFields } : metadata };
}

export function strategic(live: KubeObject, body: unknown): KubeObject {
  return applyPatch({ type: 'strategic', kind, registry, live, body, manager: 'test' });
}
