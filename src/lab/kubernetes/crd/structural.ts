// A CRD's openAPIV3Schema as the server's own Schema.

import type { Schema } from '../schema/types.ts';
import type { RawSchema } from './types.ts';

const SAME = [
  'type',
  'format',
  'description',
  'title',
  'enum',
  'required',
  'nullable',
  'default',
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'multipleOf',
  'minLength',
  'maxLength',
  'pattern',
  'minItems',
  'maxItems',
  'uniqueItems',
  'minProperties',
  'maxProperties',
  'example',
  'externalDocs',
] as const;

const RENAMED = {
  'x-kubernetes-int-or-string': 'intOrString',
  'x-kubernetes-preserve-unknown-fields': 'preserveUnknownFields',
  'x-kubernetes-embedded-resource': 'embeddedResource',
  'x-kubernetes-list-type': 'listType',
  'x-kubernetes-list-map-keys': 'listMapKeys',
  'x-kubernetes-map-type': 'mapType',
  'x-kubernetes-validations': 'validations',
} as const;

/** The schema of a whole object: what the CRD says, and the properties that every object has. */
export function objectSchema(raw: RawSchema): Schema {
  const schema = structuralSchema(raw);
  const { apiVersion, kind, metadata } = schema.properties ?? {};
  schema.properties = {
    ...schema.properties,
    apiVersion: { ...apiVersion, type: 'string' },
    kind: { ...kind, type: 'string' },
    // What the CRD asks of names is checked beside the object; the shape is the one of all metadata.
    metadata: {
      ...(metadata?.description !== undefined && { description: metadata.description }),
      ref: 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta',
    },
  };
  return schema;
}

export function structuralSchema(raw: RawSchema): Schema {
  const out: Record<string, unknown> = {};
  for (const name of SAME) if (raw[name] !== undefined) out[name] = raw[name];
  for (const [from, to] of Object.entries(RENAMED))
    if (raw[from] !== undefined && raw[from] !== false) out[to] = raw[from];
  if (isRaw(raw.properties)) out.properties = mapped(raw.properties as Record<string, RawSchema>);
  if (isRaw(raw.items)) out.items = structuralSchema(raw.items);
  const more = raw.additionalProperties;
  if (typeof more === 'boolean') out.additionalProperties = more;
  else if (isRaw(more)) out.additionalProperties = structuralSchema(more);
  for (const name of ['allOf', 'anyOf', 'oneOf'])
    if (Array.isArray(raw[name])) out[name] = (raw[name] as RawSchema[]).map(structuralSchema);
  if (isRaw(raw.not)) out.not = structuralSchema(raw.not);
  return out as Schema;
}

export function isRaw(value: unknown): value is RawSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function mapped(properties: Record<string, RawSchema>): Record<string, Schema> {
  const out: Record<string, Schema> = {};
  for (const [name, schema] of Object.entries(properties))
    if (name !== '__proto__') out[name] = structuralSchema(schema);
  return out;
}
