import { type DataTypeName, dataTypes, decodeScalar, encodeScalar, type Scalar } from './datatype.ts';
import { NftInputError } from './input-error.ts';

/** An inclusive interval of values, as bytes that compare from the first to the last. */
export interface Range {
  readonly from: Buffer;
  readonly to: Buffer;
  /** Whether it was written as one value. */
  readonly exact: boolean;
}

/**
 * One value, or what intervals may be written as: `10.0.0.0/24`, `10.0.0.1-10.0.0.9`, `80-90`, `azv*`, `*`.
 *
 * @throws NftInputError for anything else; host bits in a prefix and reversed ranges included.
 */
export function parseRange(type: DataTypeName, value: Scalar, field: string): Range {
  if (typeof value === 'string') {
    if (value === '*') return whole(type);
    if (type === 'ifname') {
      if (value.endsWith('*')) return wildcard(value, field);
    } else {
      const slash = value.indexOf('/');
      if (slash >= 0) return prefix(type, value, slash, field);
      const dash = value.indexOf('-');
      if (dash > 0 && (dataTypes[type].symbols === undefined || /^[0-9]/.test(value))) {
        const from = bytesOf(type, value.slice(0, dash), field);
        const to = bytesOf(type, value.slice(dash + 1), field);
        if (from.compare(to) > 0) throw new NftInputError(field, value, 'must begin with the lower end');
        return { from, to, exact: from.equals(to) };
      }
    }
  }
  const bytes = bytesOf(type, value, field);
  return { from: bytes, to: bytes, exact: true };
}

/** Bytes in an order that compares: numbers in network order. */
export function bytesOf(type: DataTypeName, value: Scalar, field: string): Buffer {
  const bytes = encodeScalar(type, value, field);
  return dataTypes[type].order === 'host' ? bytes.reverse() : bytes;
}

/** The notation of a range, as short as it gets. */
export function formatRange(type: DataTypeName, from: Uint8Array, to: Uint8Array): string | number {
  const a = Buffer.from(from);
  const b = Buffer.from(to);
  if (a.equals(b)) return decodeOrdered(type, a);
  if (type === 'ifname') {
    const end = a.indexOf(0);
    const length = end < 0 ? 16 : end;
    if (a.subarray(length).every((byte) => byte === 0) && b.subarray(length).every((byte) => byte === 255))
      return `${a.subarray(0, length).toString()}*`;
  }
  if (type === 'ipv4_addr' || type === 'ipv6_addr') {
    const length = prefixLength(a, b);
    if (length !== undefined) return `${decodeOrdered(type, a)}/${length}`;
  }
  return `${decodeOrdered(type, a)}-${decodeOrdered(type, b)}`;
}

function decodeOrdered(type: DataTypeName, bytes: Buffer): string | number {
  return decodeScalar(type, dataTypes[type].order === 'host' ? Buffer.from(bytes).reverse() : bytes);
}

/** The next value, or undefined after the last one. */
export function successor(bytes: Buffer): Buffer | undefined {
  const next = Buffer.from(bytes);
  for (let i = next.length - 1; i >= 0; i--) {
    if (next[i] !== 255) {
      next[i]!++;
      return next;
    }
    next[i] = 0;
  }
  return undefined;
}

/** The value before, or undefined before the first one. */
export function predecessor(bytes: Buffer): Buffer | undefined {
  const before = Buffer.from(bytes);
  for (let i = before.length - 1; i >= 0; i--) {
    if (before[i] !== 0) {
      before[i]!--;
      return before;
    }
    before[i] = 255;
  }
  return undefined;
}

function whole(type: DataTypeName): Range {
  const { size } = dataTypes[type];
  return { from: Buffer.alloc(size), to: Buffer.alloc(size, 255), exact: false };
}

function wildcard(value: string, field: string): Range {
  const from = encodeScalar('ifname', value.slice(0, -1), field);
  const to = Buffer.from(from).fill(255, Buffer.byteLength(value) - 1);
  return { from, to, exact: false };
}

function prefix(type: DataTypeName, value: string, slash: number, field: string): Range {
  const from = bytesOf(type, value.slice(0, slash), field);
  const bits = from.length * 8;
  const text = value.slice(slash + 1);
  const length = Number(text);
  if ((type !== 'ipv4_addr' && type !== 'ipv6_addr') || !/^[0-9]+$/.test(text) || length > bits)
    throw new NftInputError(field, value, `must be ADDRESS/0..${bits} (only IP addresses have prefixes)`);
  const base = masked(from, length, 0);
  if (!base.equals(from)) {
    const meant = `${decodeScalar(type, base)}/${length}`;
    throw new NftInputError(field, value, `has bits set behind its prefix length; did you mean ${meant}?`);
  }
  return { from, to: masked(from, length, 255), exact: length === bits };
}

/** `bytes` with all bits behind the first `length` set to those of `fill` (0 or 255). */
export function masked(bytes: Buffer, length: number, fill: 0 | 255): Buffer {
  const result = Buffer.from(bytes);
  for (let i = 0; i < result.length; i++) {
    const keep = Math.min(Math.max(length - i * 8, 0), 8);
    const mask = (0xff00 >> keep) & 0xff;
    result[i] = (result[i]! & mask) | (fill & ~mask & 0xff);
  }
  return result;
}

/** How many leading bits `from` and `to` share if they are exactly one prefix. */
export function prefixLength(from: Buffer, to: Buffer): number | undefined {
  let length = 0;
  while (length < from.length * 8 && bit(from, length) === bit(to, length)) length++;
  for (let i = length; i < from.length * 8; i++) if (bit(from, i) !== 0 || bit(to, i) !== 1) return undefined;
  return length;
}

function bit(bytes: Buffer, index: number): number {
  return (bytes[index >> 3]! >> (7 - (index & 7))) & 1;
}
