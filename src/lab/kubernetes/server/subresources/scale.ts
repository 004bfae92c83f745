import type { KindInfo, KubeObject } from '../../schema/types.ts';
import { jsonText, mediaType, parseJson } from '../body.ts';
import type { Runtime } from '../runtime.ts';
import { requirementsOf } from '../selectors.ts';
import { badRequest, invalid, notFound } from '../status.ts';
import type { RequestContext } from '../types.ts';
import { patchOf, writeOptions } from '../write-request.ts';

const BUILTIN = {
  specReplicasPath: '.spec.replicas',
  statusReplicasPath: '.status.replicas',
  labelSelectorPath: undefined,
};
const SCALE: Pick<KindInfo, 'group' | 'version' | 'kind'> = {
  group: 'autoscaling',
  version: 'v1',
  kind: 'Scale',
};

const partsOf = (path: string): string[] => path.replace(/^\./, '').split('.');

function at(object: unknown, path: string): unknown {
  let value = object;
  for (const part of partsOf(path)) value = (value as Record<string, unknown> | undefined)?.[part];
  return value;
}

function set(object: KubeObject, path: string, value: number): void {
  const parts = partsOf(path);
  let parent: Record<string, unknown> = object;
  for (const part of parts.slice(0, -1)) {
    parent[part] ??= {};
    parent = parent[part] as Record<string, unknown>;
  }
  parent[parts.at(-1)!] = value;
}

/** A LabelSelector in the form of a query, as the scale's status has it. */
function selectorText(object: KubeObject): string {
  const selector = (object.spec as { selector?: unknown } | undefined)?.selector;
  return (requirementsOf(selector) ?? [])
    .map(({ key, operator, values }) => {
      if (operator === 'exists') return key;
      if (operator === 'absent') return `!${key}`;
      if (operator === 'in' && values.length === 1) return `${key}=${values[0]}`;
      return `${key} ${operator} (${values.join(',')})`;
    })
    .join(',');
}

/** autoscaling/v1 Scale of an object. */
export function scaleOf(kind: KindInfo, object: KubeObject): KubeObject {
  const paths = kind.scale ?? BUILTIN;
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata ?? {};
  const selector = paths.labelSelectorPath ? at(object, paths.labelSelectorPath) : selectorText(object);
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp } as KubeObject['metadata'] & {},
    spec: { replicas: at(object, paths.specReplicasPath) ?? 0 },
    status: {
      replicas: at(object, paths.statusReplicasPath) ?? 0,
      ...(typeof selector === 'string' && selector !== '' && { selector }),
    },
  };
}

function replicasOf(scale: KubeObject, name: string): number {
  const replicas = (scale.spec as { replicas?: unknown } | undefined)?.replicas ?? 0;
  if (typeof replicas !== 'number' || !Number.isSafeInteger(replicas))
    throw badRequest(`Scale in version "v1" cannot be handled as a Scale: spec.replicas must be an integer`);
  if (replicas < 0)
    throw invalid(SCALE, name, [
      {
        field: 'spec.replicas',
        type: 'FieldValueInvalid',
        message: `Invalid value: ${replicas}: must be greater than or equal to 0`,
      },
    ]);
  return replicas;
}

/** GET, PUT and PATCH of `…/scale`. @throws StatusError */
export async function scale(runtime: Runtime, context: RequestContext): Promise<KubeObject> {
  const { kind, namespace, name = '', verb } = context;
  const { writer, plugins } = runtime;
  if (verb === 'get') {
    const object = writer.read(kind, namespace, name);
    if (!object) throw notFound(kind, name);
    return scaleOf(kind, object);
  }
  const options = writeOptions(context);
  let wanted: (current: KubeObject) => KubeObject;
  if (verb === 'update') {
    const body = parseJson(jsonText(await context.body(), mediaType(context.request))) as KubeObject;
    wanted = () => body;
  } else {
    const patch = await patchOf(context, options);
    wanted = (current) => plugins.applyPatch({ ...patch, kind: scaleKind(plugins, kind), live: current });
  }
  const updated = await writer.update(
    kind,
    namespace,
    name,
    (live) => {
      const scaled = wanted(scaleOf(kind, live));
      if (typeof scaled !== 'object' || scaled === null) throw badRequest('the body must be a Scale');
      const object = structuredClone(live);
      set(object, (kind.scale ?? BUILTIN).specReplicasPath, replicasOf(scaled, name));
      const asked = scaled.metadata?.resourceVersion;
      if (asked) object.metadata = { ...object.metadata, resourceVersion: asked };
      return object;
    },
    options,
  );
  return scaleOf(kind, updated);
}

function scaleKind(plugins: Runtime['plugins'], parent: KindInfo): KindInfo {
  const known = plugins.kinds.byKind?.(SCALE);
  if (known) return known;
  return {
    ...parent,
    ...SCALE,
    listKind: 'ScaleList',
    schema: {
      type: 'object',
      properties: {
        apiVersion: { type: 'string' },
        kind: { type: 'string' },
        metadata: { type: 'object', preserveUnknownFields: true },
        spec: { type: 'object', properties: { replicas: { type: 'integer' } } },
        status: { type: 'object', preserveUnknownFields: true },
      },
    },
    subresources: [],
  };
}
