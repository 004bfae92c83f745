// Our schemas as OpenAPI writes them.
import type { Descriptions } from '../schema/files.ts';
import type { SchemaRegistry } from '../schema/registry.ts';
import type { GroupVersionKind, KindInfo, Schema } from '../schema/types.ts';

export type OpenApi = Record<string, unknown>;

export const QUANTITY = 'io.k8s.apimachinery.pkg.api.resource.Quantity';
export const INT_OR_STRING = 'io.k8s.apimachinery.pkg.util.intstr.IntOrString';
const OBJECT_META = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';
const LIST_META = 'io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta';

const ONE_OF_TEXT_AND_NUMBER = {
  [QUANTITY]: {
    description:
      'Quantity is a fixed-point representation of a number. It provides convenient marshaling/unmarshaling in JSON and YAML, in addition to String() and AsInt64() accessors. The suffixes are n u m (thousandths and less), k M G T P E (powers of 1000) and Ki Mi Gi Ti Pi Ei (powers of 1024).',
    oneOf: [{ type: 'string' }, { type: 'number' }],
  },
  [INT_OR_STRING]: {
    description: 'IntOrString is a type that can hold an int32 or a string.',
    format: 'int-or-string',
    oneOf: [{ type: 'integer' }, { type: 'string' }],
  },
} satisfies Record<string, OpenApi>;

/** Extensions by our property's name. */
const EXTENSIONS = [
  ['intOrString', 'x-kubernetes-int-or-string'],
  ['preserveUnknownFields', 'x-kubernetes-preserve-unknown-fields'],
  ['embeddedResource', 'x-kubernetes-embedded-resource'],
  ['listType', 'x-kubernetes-list-type'],
  ['listMapKeys', 'x-kubernetes-list-map-keys'],
  ['mapType', 'x-kubernetes-map-type'],
  ['patchStrategy', 'x-kubernetes-patch-strategy'],
  ['patchMergeKey', 'x-kubernetes-patch-merge-key'],
  ['validations', 'x-kubernetes-validations'],
] as const;

/** Properties that OpenAPI has under the same name. */
const SAME =
  'type description enum required nullable default minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength pattern minItems maxItems uniqueItems minProperties maxProperties title example externalDocs'.split(
    ' ',
  ) as (keyof Schema)[];

const CONVENTIONS =
  'More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md';
/** What fields of these names are for, in every kind. */
const FIELDS: Record<string, string> = {
  metadata: `Standard object's metadata. ${CONVENTIONS}#metadata`,
  spec: `Specification of the desired behavior. ${CONVENTIONS}#spec-and-status`,
  status: `Most recently observed status. Populated by the system. Read-only. ${CONVENTIONS}#spec-and-status`,
  template: 'Template describes the objects that will be created.',
};

/** Writes definitions, and gathers the names of others that they refer to. */
export class SchemaWriter {
  /** All names referred to so far. */
  readonly referred = new Set<string>();
  private readonly base: string;
  private readonly descriptions: Descriptions;

  /** `base` is what references begin with: `#/components/schemas/`. */
  constructor(base: string, descriptions: Descriptions) {
    this.base = base;
    this.descriptions = descriptions;
  }

  definition(name: string, schema: Schema, kinds: readonly GroupVersionKind[] | undefined): OpenApi {
    const special = ONE_OF_TEXT_AND_NUMBER[name as typeof QUANTITY];
    if (special) return special;
    const texts = this.descriptions[name] ?? {};
    return {
      ...(texts[''] && { description: texts[''] }),
      ...this.write(schema, texts),
      ...(kinds && { 'x-kubernetes-group-version-kind': kinds }),
    };
  }

  write(schema: Schema, texts: Record<string, string> = {}, description?: string, field?: string): OpenApi {
    const name = schema.ref ?? nameOfScalar(schema);
    const text =
      description ?? schema.description ?? (schema.ref && field ? this.textOf(field, schema.ref) : '');
    const result: OpenApi = text ? { description: text } : {};
    if (name) {
      this.referred.add(name);
      const reference = { $ref: this.base + name };
      this.extend(result, schema);
      if (schema.default !== undefined) result.default = schema.default;
      return Object.keys(result).length === 0 ? reference : { ...result, allOf: [reference] };
    }
    for (const key of SAME) if (schema[key] !== undefined) result[key] = schema[key];
    if (schema.format) result.format = schema.format === 'micro-time' ? 'date-time' : schema.format;
    if (schema.properties)
      result.properties = Object.fromEntries(
        Object.entries(schema.properties).map(([key, inner]) => [
          key,
          this.write(inner, {}, texts[key], key),
        ]),
      );
    if (schema.items) result.items = this.write(schema.items);
    if (schema.additionalProperties !== undefined)
      result.additionalProperties =
        typeof schema.additionalProperties === 'object'
          ? this.write(schema.additionalProperties)
          : schema.additionalProperties;
    for (const key of ['allOf', 'anyOf', 'oneOf'] as const)
      if (schema[key]) result[key] = schema[key].map((one) => this.write(one));
    if (schema.not) result.not = this.write(schema.not);
    this.extend(result, schema);
    return result;
  }

  /** The models have no text for a field that is an object: what such an object is stands in for what the field is for. */
  private textOf(field: string, name: string): string {
    const text = this.descriptions[name]?.[''] ?? '';
    return FIELDS[field] ?? /^.*?\.(?=\s|$)/.exec(text)?.[0] ?? text;
  }

  private extend(result: OpenApi, schema: Schema): void {
    for (const [key, extension] of EXTENSIONS) {
      if (key === 'intOrString' && schema.format === 'int-or-string') continue;
      if (schema[key] !== undefined) result[extension] = schema[key];
    }
  }
}

/** Types of ours that upstream has a definition for. */
function nameOfScalar(schema: Schema): string | undefined {
  if (schema.format === 'quantity') return QUANTITY;
  return schema.intOrString && schema.format === 'int-or-string' ? INT_OR_STRING : undefined;
}

/** `com.example.v1.Widget`, as upstream names the schemas of CRDs. */
export function customName({ group, version, kind }: GroupVersionKind): string {
  return `${group.split('.').reverse().join('.')}.${version}.${kind}`;
}

/** The definition's name of a kind. */
export function nameOf(kind: KindInfo): string {
  return kind.schema.ref ?? customName(kind);
}

/** The schema of a custom kind with the fields that every object has. */
export function customSchema(kind: KindInfo): Schema {
  return {
    type: 'object',
    ...kind.schema,
    ...(kind.preserveUnknownFields && { preserveUnknownFields: true }),
    properties: {
      apiVersion: { type: 'string', description: API_VERSION },
      kind: { type: 'string', description: KIND },
      metadata: { ref: OBJECT_META },
      ...Object.fromEntries(
        Object.entries(kind.schema.properties ?? {}).filter(
          ([name]) => !/^(apiVersion|kind|metadata)$/.test(name),
        ),
      ),
    },
  };
}

export function customList(kind: KindInfo): Schema {
  return {
    type: 'object',
    description: `${kind.listKind} is a list of ${kind.kind}`,
    required: ['items'],
    properties: {
      apiVersion: { type: 'string', description: API_VERSION },
      items: { type: 'array', items: { ref: customName(kind) }, description: `List of ${kind.plural}.` },
      kind: { type: 'string', description: KIND },
      metadata: { ref: LIST_META },
    },
  };
}

const API_VERSION =
  'APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources';
const KIND =
  'Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds';

/** Definitions by name: those of kinds, and all that they lead to. */
export function definitionsOf(
  registry: SchemaRegistry,
  kinds: readonly KindInfo[],
  extra: readonly string[],
  writer: SchemaWriter,
): Record<string, OpenApi> {
  const written: Record<string, OpenApi> = {};
  for (const name of extra) writer.referred.add(name);
  for (const kind of kinds) {
    const gvk = { group: kind.group, version: kind.version, kind: kind.kind };
    const listKind = { ...gvk, kind: kind.listKind };
    if (kind.builtin) {
      writer.referred.add(nameOf(kind));
      const list = registry.schemaOf(listKind)?.ref;
      if (list) writer.referred.add(list);
    } else {
      written[nameOf(kind)] = writer.definition(nameOf(kind), customSchema(kind), [gvk]);
      const list = customName(listKind);
      written[list] = writer.definition(list, customList(kind), [listKind]);
    }
  }
  // Writing a definition refers to more: a Set's iteration sees them
  for (const name of writer.referred)
    written[name] ??= writer.definition(
      name,
      registry.definitions[name] ?? {},
      registry.definitionKinds[name],
    );
  return Object.fromEntries(Object.entries(written).sort(([a], [b]) => (a < b ? -1 : 1)));
}
