// From parsed JSON to an object as upstream would have decoded and encoded it: unknown fields gone, nulls gone, quantities canonical,
// each value of its type. What is wrong is told in the words of Go's decoder, since that is what people search for.
import { parseQuantity } from '../../../kube/quantity.ts';
import type { SchemaRegistry } from '../schema/registry.ts';
import type { Schema } from '../schema/types.ts';
import { goType, jsonKind } from './go-types.ts';

/** A value that no decoder takes; ends decoding. */
export class DecodeError extends Error {
  override name = 'DecodeError';
}

type Values = Record<string, unknown>;

const INT32 = 2 ** 31;
const DATE = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const META = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';
/** Nobody writes deeper; protects the stack. */
const MAX_DEPTH = 200;

export class Normalizer {
  /** Paths of fields that the schema does not know, in order. */
  readonly unknown: string[] = [];
  private readonly registry: SchemaRegistry;
  /** Of the field being read: Go's struct, its path without indices, and its path with them. */
  private struct = '';
  private depth = 0;
  private readonly names: string[] = [];

  constructor(registry: SchemaRegistry) {
    this.registry = registry;
  }

  /** A whole object of a built-in kind. @throws DecodeError */
  builtin(value: unknown, schema: Schema): unknown {
    return this.value(value, schema, '');
  }

  /** A whole object of a custom kind: types are validation's business there, only metadata is decoded strictly. @throws DecodeError */
  custom(value: Values, schema: Schema): Values {
    const { metadata, ...rest } = value;
    const root = this.registry.resolve(schema);
    const known = { ...root, properties: { ...root.properties, apiVersion: {}, kind: {} } };
    const pruned = this.loose(rest, known, '') as Values;
    if (metadata !== undefined && metadata !== null) {
      this.struct = '';
      pruned.metadata = this.field('metadata', metadata, { ref: META }, 'metadata');
    }
    const { apiVersion, kind, metadata: meta, ...others } = pruned;
    return { apiVersion, kind, ...(meta !== undefined && { metadata: meta }), ...others };
  }

  private loose(value: unknown, schema: Schema, path: string): unknown {
    if (++this.depth > MAX_DEPTH) throw new DecodeError('exceeded max depth');
    const result = this.looseInner(value, this.registry.resolve(schema), path);
    this.depth--;
    return result;
  }

  private looseInner(value: unknown, schema: Schema, path: string): unknown {
    if (Array.isArray(value)) {
      const { items } = schema;
      return items ? value.map((item, index) => this.loose(item, items, `${path}[${index}]`)) : value;
    }
    if (typeof value !== 'object' || value === null) return value;
    const { properties = {}, additionalProperties } = schema;
    const result: Values = {};
    for (const [key, inner] of Object.entries(value)) {
      const place = path ? `${path}.${key}` : key;
      // As a property it would be the result's prototype
      if (key === '__proto__') {
        this.unknown.push(place);
        continue;
      }
      const embedded = schema.embeddedResource && /^(apiVersion|kind|metadata)$/.test(key);
      if (Object.hasOwn(properties, key)) result[key] = this.loose(inner, properties[key] as Schema, place);
      else if (typeof additionalProperties === 'object')
        result[key] = this.loose(inner, additionalProperties, place);
      else if (embedded || additionalProperties === true || schema.preserveUnknownFields) result[key] = inner;
      else this.unknown.push(place);
    }
    return result;
  }

  private value(value: unknown, schema: Schema, path: string): unknown {
    const resolved = this.registry.resolve(schema);
    if (resolved.intOrString) return this.intOrString(value);
    switch (resolved.type) {
      case 'object':
        return this.object(value, schema, resolved, path);
      case 'array': {
        if (!Array.isArray(value)) throw this.mismatch(value, schema);
        const items = resolved.items ?? {};
        return value.map((item, index) =>
          item === null ? zero(this.registry.resolve(items)) : this.value(item, items, `${path}[${index}]`),
        );
      }
      case 'string':
        return this.text(value, resolved);
      case 'integer':
        if (typeof value !== 'number') throw this.mismatch(value, schema);
        if (!Number.isInteger(value) || (resolved.format === 'int32' && (value >= INT32 || value < -INT32)))
          throw this.mismatch(value, schema, `number ${value}`);
        return value;
      case 'number':
        if (typeof value !== 'number') throw this.mismatch(value, schema);
        return value;
      case 'boolean':
        if (typeof value !== 'boolean') throw this.mismatch(value, schema);
        return value;
      default:
        return value;
    }
  }

  private object(value: unknown, schema: Schema, resolved: Schema, path: string): unknown {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw this.mismatch(value, schema);
    if (resolved.preserveUnknownFields) return value;
    if (++this.depth > MAX_DEPTH) throw new DecodeError('exceeded max depth');
    const result: Values = {};
    const outer = this.struct;
    if (schema.ref) this.struct = schema.ref.slice(schema.ref.lastIndexOf('.') + 1);
    const { properties = {}, additionalProperties, required } = resolved;
    for (const [key, inner] of Object.entries(value)) {
      const place = path ? `${path}.${key}` : key;
      if (key === '__proto__') this.unknown.push(place);
      else if (Object.hasOwn(properties, key)) {
        if (inner === null) continue;
        const decoded = this.field(key, inner, properties[key] as Schema, place);
        // Upstream leaves out what is empty, so a client never gets back `labels: {}`
        if (
          !isEmptyCollection(decoded, this.registry.resolve(properties[key] as Schema)) ||
          required?.includes(key)
        )
          result[key] = decoded;
      } else if (typeof additionalProperties === 'object')
        result[key] =
          inner === null
            ? zero(this.registry.resolve(additionalProperties))
            : this.value(inner, additionalProperties, place); // Go's messages name the map, not its key
      else this.unknown.push(place);
    }
    this.struct = outer;
    this.depth--;
    return result;
  }

  private field(key: string, value: unknown, schema: Schema, path: string): unknown {
    this.names.push(key);
    const result = this.value(value, schema, path);
    this.names.pop();
    return result;
  }

  private text(value: unknown, schema: Schema): string {
    if (schema.format === 'quantity') {
      if (typeof value !== 'string' && typeof value !== 'number') throw new DecodeError(QUANTITY_FORM);
      try {
        return parseQuantity(value).toString();
      } catch (error) {
        throw new DecodeError((error as Error).message);
      }
    }
    if (typeof value !== 'string') throw this.mismatch(value, schema);
    if (schema.format === 'byte' && !BASE64.test(value.replace(/[\r\n]/g, '')))
      throw new DecodeError(`illegal base64 data at input byte ${badByte(value)}`);
    if (schema.format === 'date-time' || schema.format === 'micro-time') return instant(value, schema.format);
    return value;
  }

  private intOrString(value: unknown): unknown {
    if (typeof value === 'string') return value;
    if (typeof value !== 'number' || !Number.isInteger(value) || Math.abs(value) >= INT32)
      throw new DecodeError(
        `json: cannot unmarshal ${typeof value === 'number' ? `number ${value}` : jsonKind(value)} into Go value of type int32`,
      );
    return value;
  }

  private mismatch(value: unknown, schema: Schema, what = jsonKind(value)): DecodeError {
    const place = this.names.length ? `Go struct field ${this.struct}.${this.names.join('.')}` : 'Go value';
    return new DecodeError(`json: cannot unmarshal ${what} into ${place} of type ${goType(schema)}`);
  }
}

const QUANTITY_FORM =
  "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

/** What Go has where JSON has null. */
function zero(schema: Schema): unknown {
  switch (schema.type) {
    case 'string':
      return schema.format === 'quantity' ? '0' : '';
    case 'array':
      return [];
    case 'object':
      return {};
    case 'boolean':
      return false;
    default:
      return schema.type ? 0 : null;
  }
}

function isEmptyCollection(value: unknown, schema: Schema): boolean {
  if (Array.isArray(value)) return value.length === 0;
  return (
    schema.additionalProperties !== undefined &&
    typeof value === 'object' &&
    value !== null &&
    Object.keys(value).length === 0
  );
}

function badByte(text: string): number {
  const at = text.search(/[^A-Za-z0-9+/=\r\n]/);
  return at >= 0 ? at : text.length - (text.length % 4);
}

/** Times come back in UTC: whole seconds for Time, six digits for MicroTime. */
function instant(value: string, format: string): string {
  const milliseconds = DATE.test(value) ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(milliseconds)) {
    const layout = format === 'date-time' ? '2006-01-02T15:04:05Z07:00' : '2006-01-02T15:04:05.000000Z07:00';
    throw new DecodeError(
      `parsing time ${JSON.stringify(value)} as "${layout}": cannot parse ${JSON.stringify(value)} as "2006"`,
    );
  }
  const seconds = new Date(Math.floor(milliseconds / 1000) * 1000).toISOString().slice(0, 19);
  if (format === 'date-time') return `${seconds}Z`;
  const fraction = /\.(\d+)/.exec(value)?.[1] ?? '';
  return `${seconds}.${fraction.slice(0, 6).padEnd(6, '0')}Z`;
}
