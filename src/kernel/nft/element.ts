import { type DataTypeName, dataTypes, decodeScalar, putScalar, type Scalar } from './datatype.ts';
import { checkWhole, MOST_MILLISECONDS, NftInputError } from './input-error.ts';
import { type VerdictData, verdictText } from './instruction.ts';
import { formatRange, parseRange } from './range.ts';
import { paddedSize, type SetSchema, sizeOf } from './schema.ts';
import type { SetElement } from './spec.ts';
import { verdictData } from './verdict.ts';

/** An element as bytes: what the kernel stores. */
export interface EncodedElement {
  /** Absent for the catch-all element `*`. */
  readonly key: Buffer | undefined;
  /** The last key, in interval sets. */
  readonly end: Buffer | undefined;
  /** A value, a verdict, or the name of an object. */
  readonly data: Uint8Array | VerdictData | string | undefined;
}

/**
 * @param field names the set, for errors.
 * @param keyOnly for deletion: data may be missing.
 * @throws NftInputError when key or data do not fit the set.
 */
export function encodeElement(
  schema: SetSchema,
  element: SetElement,
  field: string,
  keyOnly = false,
): EncodedElement {
  const { data } = element;
  if (element.timeout !== undefined && !schema.timeout)
    throw new NftInputError(
      `${field} timeout`,
      element.timeout,
      'the set has no timeout; say so when it is made',
    );
  checkWhole(`${field} timeout`, element.timeout, 1, MOST_MILLISECONDS);
  if (schema.data === undefined ? data !== undefined : data === undefined && !keyOnly)
    throw new NftInputError(
      `${field} data`,
      data,
      schema.data === undefined ? 'a set has none; make it a map' : 'missing: elements of a map need it',
    );
  const value = data === undefined ? undefined : encodeData(schema, data, field);
  if (element.key === '*' && schema.key.length === 1) return { key: undefined, end: undefined, data: value };
  const parts = (Array.isArray(element.key) ? element.key : [element.key]) as readonly Scalar[];
  if (parts.length !== schema.key.length)
    throw new NftInputError(
      `${field} key`,
      element.key,
      `must have ${schema.key.length} parts: ${schema.key.join(' . ')}`,
    );
  if (!schema.interval)
    return { key: concat(schema.key, parts, `${field} key`), end: undefined, data: value };
  const size = sizeOf(schema.key);
  const key = Buffer.alloc(size);
  const end = Buffer.alloc(size);
  let at = 0;
  for (let i = 0; i < parts.length; i++) {
    const type = schema.key[i]!;
    const range = parseRange(type, parts[i]!, `${field} key`);
    key.set(range.from, at);
    end.set(range.to, at);
    at += paddedSize(type);
  }
  return { key, end, data: value };
}

function encodeData(
  schema: SetSchema,
  data: NonNullable<SetElement['data']>,
  field: string,
): Uint8Array | VerdictData | string {
  if (schema.data === 'verdict') return verdictData(data, `${field} data`);
  if (schema.data === 'counter') {
    if (typeof data !== 'string' || data === '')
      throw new NftInputError(`${field} data`, data, 'must be the name of a counter');
    return data;
  }
  const parts = (Array.isArray(data) ? data : [data]) as readonly Scalar[];
  const types = schema.data as readonly DataTypeName[];
  if (parts.length !== types.length || typeof parts[0] === 'object')
    throw new NftInputError(`${field} data`, data, `must have ${types.length} parts: ${types.join(' . ')}`);
  return concat(types, parts, `${field} data`);
}

function concat(types: readonly DataTypeName[], parts: readonly Scalar[], field: string): Buffer {
  const bytes = Buffer.alloc(sizeOf(types));
  let at = 0;
  for (let i = 0; i < types.length; i++) {
    putScalar(types[i]!, parts[i]!, bytes, at, field);
    at += paddedSize(types[i]!);
  }
  return bytes;
}

type Shown = string | number;

/** The key in natural form: one scalar, or a list for concatenations. */
export function decodeKey(
  schema: SetSchema,
  key: Buffer | undefined,
  end: Buffer | undefined,
): Shown | Shown[] {
  if (key === undefined) return '*';
  if (!schema.interval) return decodeParts(schema.key, key);
  let at = 0;
  const parts = schema.key.map((type) => {
    const { size } = dataTypes[type];
    const from = key.subarray(at, at + size);
    const to = (end ?? key).subarray(at, at + size);
    at += paddedSize(type);
    return formatRange(type, from, to);
  });
  return parts.length === 1 ? parts[0]! : parts;
}

/** The data in natural form: a scalar, a list, a verdict as text, or an object's name. */
export function decodeData(schema: SetSchema, data: Uint8Array | VerdictData | string): Shown | Shown[] {
  if (typeof data === 'string') return data;
  if (!(data instanceof Uint8Array)) return verdictText(data);
  return decodeParts(schema.data as readonly DataTypeName[], data);
}

function decodeParts(types: readonly DataTypeName[], bytes: Uint8Array): Shown | Shown[] {
  if (types.length === 1) return decodeScalar(types[0]!, bytes);
  let at = 0;
  return types.map((type) => {
    const part = bytes.subarray(at, at + dataTypes[type].size);
    at += paddedSize(type);
    return decodeScalar(type, part);
  });
}
