import { type DataTypeName, dataTypes } from './datatype.ts';
import { NftInputError } from './input-error.ts';
import type { KeyType, MapData, MapSpec, SetSpec } from './spec.ts';

/** What must be known about a set to encode its elements and to look things up in it. */
export interface SetSchema {
  readonly key: readonly DataTypeName[];
  /** Only for maps. */
  readonly data?: 'verdict' | 'counter' | readonly DataTypeName[];
  readonly interval: boolean;
  readonly timeout: boolean;
  readonly dynamic: boolean;
}

export function schemaOf(spec: SetSpec | MapSpec): SetSchema {
  const data = 'data' in spec ? mapData(spec.data) : undefined;
  return {
    key: typeList(spec.key),
    ...(data === undefined ? {} : { data }),
    interval: spec.interval ?? false,
    timeout: spec.timeout !== undefined,
    dynamic: spec.dynamic ?? false,
  };
}

export function typeList(type: KeyType): readonly DataTypeName[] {
  return typeof type === 'string' ? [type] : type;
}

function mapData(data: MapData): 'verdict' | 'counter' | readonly DataTypeName[] {
  return data === 'verdict' || data === 'counter' ? data : typeList(data);
}

/** Bytes in registers: each part fills whole words. */
export function paddedSize(type: DataTypeName): number {
  return (dataTypes[type].size + 3) & ~3;
}

/** Bytes of a key or a value: parts of a concatenation are padded to four bytes, a single one is not. */
export function sizeOf(types: readonly DataTypeName[]): number {
  return types.length === 1
    ? dataTypes[types[0]!].size
    : types.reduce((sum, type) => sum + paddedSize(type), 0);
}

/** nft's number for a type or a concatenation: six bits for each part. */
export function typeId(types: readonly DataTypeName[]): number {
  return types.reduce((id, type) => (id << 6) | dataTypes[type].id, 0) >>> 0;
}

/**
 * Whether numbers of this type are turned to network order inside this set: interval sets compare bytes from the
 * first to the last.
 */
export function isSwapped(type: DataTypeName, interval: boolean): boolean {
  return interval && dataTypes[type].order === 'host' && dataTypes[type].size > 1;
}

/** @throws NftInputError when values of these types cannot be keys of this set. */
export function checkKeyTypes(
  given: readonly DataTypeName[],
  wanted: readonly DataTypeName[],
  field: string,
): void {
  if (given.length === wanted.length && given.every((type, i) => isCompatible(type, wanted[i]!))) return;
  throw new NftInputError(field, given.join(' . '), `must be of type ${wanted.join(' . ')}`);
}

/** The same type, or a plain number of the same size and order. */
function isCompatible(given: DataTypeName, wanted: DataTypeName): boolean {
  if (given === wanted) return true;
  const [a, b] = [dataTypes[given], dataTypes[wanted]];
  const plain = a.id === dataTypes.integer.id || b.id === dataTypes.integer.id;
  return plain && a.size === b.size && (a.order === b.order || a.size === 1);
}
