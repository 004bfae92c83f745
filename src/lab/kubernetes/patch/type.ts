// How values of a schema are merged and owned: the few facts of a schema that patches need, found once per schema.

import type { Schema } from '../schema/types.ts';

/** Looks definitions up; `SchemaRegistry` does. */
export interface SchemaSource {
  resolve(schema: Schema): Schema;
}

/**
 * - `scalar`: a value without parts, or one that is always replaced whole (an atomic list or map);
 * - `map`: an object whose keys are owned one by one;
 * - `keyed`: a list of objects told apart by their keys; `set`: a list of unlike scalars;
 * - `unknown`: no schema: objects are maps, all else is a scalar.
 */
export type Shape = 'scalar' | 'map' | 'keyed' | 'set' | 'unknown';

export class Type {
  readonly schema: Schema;
  readonly shape: Shape;
  /** Of a `keyed` list: the properties that tell its items apart. */
  readonly keys: readonly string[];
  /** Strategic merge patches: the list is merged, not replaced; by this key when its items are objects. */
  readonly patchMerge: boolean;
  readonly patchMergeKey: string | undefined;
  /** Strategic merge patches: what the patch does not name goes. */
  readonly retainKeys: boolean;
  private readonly types: Types;
  private readonly known = new Map<string, Type | undefined>();
  private itemType: Type | undefined;
  private readonly defaults = new Map<string, unknown>();

  constructor(types: Types, schema: Schema, own: Schema) {
    this.types = types;
    this.schema = schema;
    this.shape = shapeOf(schema, own);
    this.keys = (own.listMapKeys ?? schema.listMapKeys ?? []).toSorted();
    const strategy = own.patchStrategy ?? schema.patchStrategy ?? '';
    this.patchMerge = strategy.split(',').includes('merge');
    this.retainKeys = strategy.split(',').includes('retainKeys');
    this.patchMergeKey = own.patchMergeKey ?? schema.patchMergeKey;
    if (this.shape === 'keyed')
      for (const key of this.keys) {
        const value = this.item().named(key)?.schema.default;
        if (value !== undefined) this.defaults.set(key, value);
      }
  }

  /** The type of a property that the schema names; undefined for the keys of a map and for what it does not know. */
  named(key: string): Type | undefined {
    if (this.known.has(key)) return this.known.get(key);
    const properties = this.schema.properties;
    const schema = properties && Object.hasOwn(properties, key) ? properties[key] : undefined;
    const type = schema ? this.types.of(schema) : undefined;
    // Keys of a map come from outside: only the schema's own names are kept, so that this cannot grow.
    if (type) this.known.set(key, type);
    return type;
  }

  /** The type of any property. */
  property(key: string): Type {
    return this.named(key) ?? this.additional() ?? this.types.unknown;
  }

  /** Whether the schema says anything of the property. */
  declares(key: string): boolean {
    return (
      this.shape === 'unknown' ||
      this.named(key) !== undefined ||
      this.schema.preserveUnknownFields === true ||
      this.additional() !== undefined ||
      (this.schema.properties === undefined && this.schema.additionalProperties !== false)
    );
  }

  /** The type of a list's items. */
  item(): Type {
    this.itemType ??= this.schema.items ? this.types.of(this.schema.items) : this.types.unknown;
    return this.itemType;
  }

  /** What a missing key of an item of this `keyed` list stands for; undefined when nothing. */
  keyDefault(key: string): unknown {
    return this.defaults.get(key);
  }

  private additional(): Type | undefined {
    const more = this.schema.additionalProperties;
    if (typeof more === 'object') {
      this.itemType ??= this.types.of(more);
      return this.itemType;
    }
    return more === true ? this.types.unknown : undefined;
  }
}

function shapeOf(schema: Schema, own: Schema): Shape {
  if (schema.intOrString) return 'scalar';
  const listType = own.listType ?? schema.listType;
  const mapType = own.mapType ?? schema.mapType;
  if (schema.type === 'array') {
    if (listType === 'set') return 'set';
    return listType === 'map' ? 'keyed' : 'scalar';
  }
  if (mapType === 'atomic') return 'scalar';
  if (schema.properties || schema.additionalProperties) return 'map';
  if (schema.type === 'object' || schema.type === undefined || schema.preserveUnknownFields) return 'unknown';
  return 'scalar';
}

/** The types of one source's schemas, each made once. */
export class Types {
  readonly unknown: Type;
  private readonly source: SchemaSource;
  private readonly made = new WeakMap<Schema, Type>();

  constructor(source: SchemaSource) {
    this.source = source;
    this.unknown = new Type(this, {}, {});
  }

  of(schema: Schema): Type {
    let type = this.made.get(schema);
    if (!type) {
      type = new Type(this, this.source.resolve(schema), schema);
      this.made.set(schema, type);
    }
    return type;
  }
}

const bySource = new WeakMap<SchemaSource, Types>();

/** The types of a registry; kept as long as the registry is. */
export function typesOf(source: SchemaSource): Types {
  let types = bySource.get(source);
  if (!types) {
    types = new Types(source);
    bySource.set(source, types);
  }
  return types;
}
