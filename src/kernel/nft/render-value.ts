import {
  type DataTypeName,
  dataTypes,
  decodeScalar,
  encodeFlags,
  encodeScalar,
  type Scalar,
} from './datatype.ts';
import type { InlineMap, Value } from './expression.ts';
import { ctKeys, metaKeys, protocolFields } from './fields.ts';
import { formatRange, parseRange } from './range.ts';
import { typeList } from './schema.ts';

/** Values and constants in nft's notation. */

const unqualified = new Set(['iif', 'oif', 'iifname', 'oifname', 'iifgroup', 'oifgroup']);

export function valuesText(values: readonly Value[]): string {
  return values.map(valueText).join(' . ');
}

export function valueText(value: Value): string {
  switch (value.kind) {
    case 'meta':
      return unqualified.has(value.key) ? value.key : `meta ${value.key}`;
    case 'payload':
      return `${value.protocol} ${value.field}`;
    case 'ct':
      return `ct ${value.direction !== undefined ? `${value.direction} ` : ''}${value.key}`;
    case 'fib': {
      const select = value.select.join(' . ');
      return `fib ${select} ${value.result === 'check' ? 'oif' : value.result}`;
    }
    case 'numgen':
      return `numgen ${value.mode} mod ${value.modulus}${offsetText(value.offset)}`;
    case 'jhash': {
      const seed = value.seed === undefined ? '' : ` seed 0x${value.seed.toString(16)}`;
      return `jhash ${valuesText(value.of)} mod ${value.modulus}${seed}${offsetText(value.offset)}`;
    }
    case 'bitwise':
      return bitwiseText(value);
    case 'mapped': {
      const map = typeof value.map === 'string' ? `@${value.map}` : inlineMapText(value.of, value.map, value);
      return `${valuesText(value.of)} map ${map}`;
    }
    case 'constant':
      return scalarText(value.type, value.value);
  }
}

function offsetText(offset: number): string {
  return offset === 0 ? '' : ` offset ${offset}`;
}

function bitwiseText(value: Value & { kind: 'bitwise' }): string {
  const [type] = typesOf(value.of);
  const of = valueText(value.of);
  const size = dataTypes[type!].size;
  const all = 2 ** (size * 8) - 1;
  const { and, xor } = value;
  const number = (bits: number): string => scalarText(type!, (bits & all) >>> 0);
  if (xor === 0) return `${of} & ${number(and)}`;
  if (((and ^ ~xor) & all) === 0) return `${of} | ${number(xor)}`;
  if ((and & all) >>> 0 === all) return `${of} ^ ${number(xor)}`;
  return `${of} & ${number(and)} ^ ${number(xor)}`;
}

function inlineMapText(of: readonly Value[], map: InlineMap, value: Value & { kind: 'mapped' }): string {
  const keys = of.flatMap(typesOf);
  const data = typeList(value.data);
  return `{ ${map.entries.map(([k, v]) => `${keyText(keys, k)} : ${keyText(data, v)}`).join(', ')} }`;
}

export function typesOf(value: Value): readonly DataTypeName[] {
  switch (value.kind) {
    case 'meta':
      return [metaKeys[value.key][1]];
    case 'ct':
      return [ctKeys[value.key][1]];
    case 'payload':
      return [protocolFields[value.protocol].fields[value.field]!.type];
    case 'fib':
      return [fibTypes[value.result]];
    case 'numgen':
    case 'jhash':
      return ['integer'];
    case 'bitwise':
      return typesOf(value.of);
    case 'mapped':
      return typeList(value.data);
    case 'constant':
      return [value.type];
  }
}

const fibTypes = { type: 'fib_addrtype', oif: 'iface_index', oifname: 'ifname', check: 'fib_check' } as const;

/** A concatenated constant. */
export function keyText(types: readonly DataTypeName[], key: Scalar | readonly Scalar[]): string {
  if (key === '*' && types.length === 1) return '*';
  const parts = (Array.isArray(key) ? key : [key]) as readonly Scalar[];
  return parts.map((part, i) => rangeText(types[i]!, part)).join(' . ');
}

/** A constant or an interval of them. */
export function rangeText(type: DataTypeName, value: Scalar): string {
  const range = parseRange(type, value, type);
  const text = formatRange(type, range.from, range.to);
  if (range.exact) return scalarText(type, text);
  if (type === 'ifname') return `"${text}"`;
  if (typeof text === 'string' && text.includes('/')) return text;
  const [from, to] = [formatRange(type, range.from, range.from), formatRange(type, range.to, range.to)];
  return `${scalarText(type, from)}-${scalarText(type, to)}`;
}

/** One constant, as nft prints its type. */
export function scalarText(type: DataTypeName, value: Scalar): string {
  const shown = decodeScalar(type, encodeScalar(type, value, type));
  switch (type) {
    case 'ifname':
      return `"${shown}"`;
    case 'mark':
      return `0x${Number(shown).toString(16).padStart(8, '0')}`;
    case 'iface_index':
      // The loopback device is the first one of every namespace; others have no name here.
      return shown === 1 ? '"lo"' : String(shown);
    case 'fib_check':
      return shown === 0 ? 'missing' : 'exists';
    case 'classid':
      return classText(Number(shown));
    default:
      return String(shown);
  }
}

/** Flags as nft lists them: in the order of their bits. */
export function flagsText(type: DataTypeName, values: readonly Scalar[]): string {
  return String(decodeScalar(type, encodeFlags(type, values, type)));
}

function classText(id: number): string {
  if (id === 0) return 'none';
  if (id === 0xffffffff) return 'root';
  return `${(id >>> 16).toString(16)}:${(id & 0xffff).toString(16)}`;
}
