import { type DataTypeName, dataTypes, encodeFlags, encodeScalar, type Scalar } from './datatype.ts';
import type { Value } from './expression.ts';
import { NftInputError } from './input-error.ts';
import { CMP_EQ, CMP_NEQ, REGISTER, type ValueLowering } from './lower-value.ts';
import { bytesOf, parseRange, prefixLength } from './range.ts';
import type { Comparison, InlineSet, Statement } from './rule.ts';

const comparisons: Record<Comparison, number> = { '==': 0, '!=': 1, '<': 2, '<=': 3, '>': 4, '>=': 5 };
const RANGE_NEQ = 1;

/** Is the key in the set? */
export function lowerLookup(
  l: ValueLowering,
  of: readonly Value[],
  target: string | InlineSet,
  invert: boolean,
): void {
  l.depend(of);
  const inline = typeof target === 'string' ? target : { elements: target.elements.map((key) => ({ key })) };
  const { set, schema } = l.setFor(of, inline);
  if (schema?.data !== undefined)
    throw new NftInputError(`set ${set.name}`, 'a map', 'must be a set; use vmap, mapped or counterFrom');
  l.loadKey(of, schema, `set ${set.name}`);
  l.emit('lookup', { set: set.name, sreg: REGISTER, setId: set.id, flags: invert ? 1 : 0 });
}

/** A comparison of one value with a constant. */
export function lowerMatch(l: ValueLowering, { of, op, to }: Statement & { kind: 'match' }): void {
  const types = l.typesOf([of]);
  const type = types[0]!;
  if (types.length !== 1)
    throw new NftInputError('match', types.join(' . '), 'must be one value; use inSet for several');
  const { flags, size, order } = dataTypes[type];
  const field = fieldName(of);
  const equality = op === '==' || op === '!=';
  if (Array.isArray(to) && !flags) {
    if (!equality) throw new NftInputError(field, to, `cannot be compared by ${op}; give one value`);
    lowerLookup(l, [of], { elements: to as readonly Scalar[] }, op === '!=');
    return;
  }
  l.depend([of]);
  if (flags && equality && of.kind !== 'bitwise') {
    const mask = encodeFlags(type, (Array.isArray(to) ? to : [to]) as Scalar[], field);
    l.load(of, REGISTER);
    maskAndCompare(l, mask, Buffer.alloc(size), op === '==' ? CMP_NEQ : CMP_EQ);
    return;
  }
  if (Array.isArray(to)) {
    const bits = encodeFlags(type, to as Scalar[], field);
    l.load(of, REGISTER);
    l.emit('cmp', { sreg: REGISTER, op: comparisons[op], data: bits });
    return;
  }
  if (!equality) {
    l.load(of, REGISTER);
    if (order === 'host' && size > 1) l.swap(REGISTER, size);
    l.emit('cmp', { sreg: REGISTER, op: comparisons[op], data: bytesOf(type, to as Scalar, field) });
    return;
  }
  lowerEquality(l, of, type, op === '!=', to as Scalar, field);
}

function lowerEquality(
  l: ValueLowering,
  of: Value,
  type: DataTypeName,
  not: boolean,
  to: Scalar,
  field: string,
): void {
  if (to === '*') throw new NftInputError(field, to, 'matches everything; leave it out');
  const range = parseRange(type, to, field);
  const { size, order } = dataTypes[type];
  const op = not ? CMP_NEQ : CMP_EQ;
  l.load(of, REGISTER);
  if (range.exact) {
    const data = encodeScalar(type, typeof to === 'string' ? to.replace(/\/\d+$/, '') : to, field);
    l.emit('cmp', { sreg: REGISTER, op, data });
    if (!not) l.learn(of, data);
    return;
  }
  if (type === 'ifname') {
    // Comparing fewer bytes than the name has room for is how the kernel does wildcards.
    const length = Buffer.byteLength(String(to)) - 1;
    l.emit('cmp', { sreg: REGISTER, op, data: range.from.subarray(0, length) });
    return;
  }
  const length = prefixLength(range.from, range.to);
  if (length !== undefined && (type === 'ipv4_addr' || type === 'ipv6_addr')) {
    const mask = Buffer.alloc(size, 255).map((byte, i) => byte & ~(range.from[i]! ^ range.to[i]!));
    maskAndCompare(l, mask, range.from, op);
    return;
  }
  if (order === 'host' && size > 1) l.swap(REGISTER, size);
  if (not) {
    l.emit('range', { sreg: REGISTER, op: RANGE_NEQ, from: range.from, to: range.to });
    return;
  }
  l.emit('cmp', { sreg: REGISTER, op: comparisons['>='], data: range.from });
  l.emit('cmp', { sreg: REGISTER, op: comparisons['<='], data: range.to });
}

function maskAndCompare(l: ValueLowering, mask: Uint8Array, data: Uint8Array, op: number): void {
  const xor = new Uint8Array(mask.length);
  l.emit('bitwise', { sreg: REGISTER, dreg: REGISTER, op: 0, len: mask.length, mask, xor });
  l.emit('cmp', { sreg: REGISTER, op, data });
}

function fieldName(value: Value): string {
  switch (value.kind) {
    case 'meta':
    case 'ct':
      return `${value.kind} ${value.key}`;
    case 'payload':
      return `${value.protocol} ${value.field}`;
    default:
      return value.kind;
  }
}
