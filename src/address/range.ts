import {
  type Cidr,
  cidrContains,
  cidrSize,
  compareCidrs,
  formatCidr,
  nthSubnet,
  subnetCount,
} from './cidr.ts';
import { AddressError } from './error.ts';
import { addressBits, type Family, formatAddress, type IpAddress, parseAddress } from './ip.ts';

/** Neighbouring addresses, first and last included; unlike a CIDR of any length. */
export interface AddressRange {
  readonly family: Family;
  readonly first: bigint;
  readonly last: bigint;
}

/** The addresses of a block, or one address, as a range. */
export function rangeOf(what: Cidr | IpAddress): AddressRange {
  if (!('prefixLength' in what)) return { family: what.family, first: what.value, last: what.value };
  return { family: what.family, first: what.base, last: what.base + cidrSize(what) - 1n };
}

/**
 * The range from one address to another, both included.
 * @throws AddressError `wrong-family`, `malformed` when they are in the wrong order
 */
export function rangeBetween(first: IpAddress, last: IpAddress, field = 'range'): AddressRange {
  const value = `${formatAddress(first)}-${formatAddress(last)}`;
  if (first.family !== last.family) {
    throw new AddressError({
      code: 'wrong-family',
      field,
      value,
      rule: 'mixes IPv4 and IPv6',
      fix: 'give two addresses of one family',
    });
  }
  if (first.value > last.value) {
    throw new AddressError({
      code: 'malformed',
      field,
      value,
      rule: 'ends before it starts',
      fix: `write ${formatAddress(last)}-${formatAddress(first)}`,
    });
  }
  return { family: first.family, first: first.value, last: last.value };
}

/** Reads `10.0.0.4-10.0.0.9`. @throws AddressError `malformed`, `wrong-family` */
export function parseRange(text: string, field = 'range'): AddressRange {
  const [first = '', last, more] = text.split('-', 3);
  if (last === undefined || more !== undefined) {
    throw new AddressError({
      code: 'malformed',
      field,
      value: text.slice(0, 80),
      rule: 'is not two addresses with a dash between them',
      fix: 'write it like 10.0.0.4-10.0.0.9',
    });
  }
  return rangeBetween(parseAddress(first, field), parseAddress(last, field), field);
}

/** `10.0.0.4-10.0.0.9`, or the address alone when there is but one. */
export function formatRange(range: AddressRange): string {
  const first = formatAddress({ family: range.family, value: range.first });
  if (range.first === range.last) return first;
  return `${first}-${formatAddress({ family: range.family, value: range.last })}`;
}

/** How many addresses are in it, at least 1. */
export function rangeSize(range: AddressRange): bigint {
  return range.last - range.first + 1n;
}

export function rangeContains(range: AddressRange, address: IpAddress): boolean {
  return range.family === address.family && range.first <= address.value && address.value <= range.last;
}

export function rangesOverlap(a: AddressRange, b: AddressRange): boolean {
  return a.family === b.family && a.first <= b.last && b.first <= a.last;
}

/** The same addresses in the fewest ranges: sorted, disjoint, and no two of them neighbours. */
export function mergeRanges(ranges: Iterable<AddressRange>): AddressRange[] {
  const sorted = [...ranges].sort(
    (a, b) => a.family - b.family || (a.first < b.first ? -1 : a.first > b.first ? 1 : 0),
  );
  const merged: AddressRange[] = [];
  for (const range of sorted) {
    const before = merged.at(-1);
    if (before && before.family === range.family && range.first <= before.last + 1n) {
      if (range.last > before.last) merged[merged.length - 1] = { ...before, last: range.last };
    } else merged.push(range);
  }
  return merged;
}

/** The addresses of `from` that are not in `what`, as merged ranges. */
export function subtractRanges(from: Iterable<AddressRange>, what: Iterable<AddressRange>): AddressRange[] {
  const holes = mergeRanges(what);
  const left: AddressRange[] = [];
  for (const { family, first, last } of mergeRanges(from)) {
    let next = first;
    for (const hole of holes) {
      if (hole.family !== family || hole.last < next) continue;
      if (hole.first > last) break;
      if (hole.first > next) left.push({ family, first: next, last: hole.first - 1n });
      next = hole.last + 1n;
    }
    if (next <= last) left.push({ family, first: next, last });
  }
  return left;
}

/** The addresses of a range as the fewest blocks, lowest first. */
export function rangeToCidrs(range: AddressRange): Cidr[] {
  const bits = addressBits(range.family);
  const cidrs: Cidr[] = [];
  let next = range.first;
  while (next <= range.last) {
    // The widest block that starts here: as far as `next` is aligned, and no further than the end.
    let hostBits = 0;
    while (hostBits < bits) {
      const wider = 1n << BigInt(hostBits + 1);
      if (next % wider !== 0n || next + wider - 1n > range.last) break;
      hostBits++;
    }
    cidrs.push({ family: range.family, base: next, prefixLength: bits - hostBits });
    next += 1n << BigInt(hostBits);
  }
  return cidrs;
}

/** The same addresses in the fewest blocks, IPv4 first, then lowest first. */
export function summarise(cidrs: Iterable<Cidr>): Cidr[] {
  return mergeRanges([...cidrs].map(rangeOf)).flatMap(rangeToCidrs);
}

/** The addresses of `from` that are not in `what`, in the fewest blocks. */
export function subtractCidrs(from: Iterable<Cidr>, what: Iterable<Cidr>): Cidr[] {
  return subtractRanges([...from].map(rangeOf), [...what].map(rangeOf)).flatMap(rangeToCidrs);
}

/**
 * The lowest block of a prefix length inside `within` that touches none of `taken`; undefined when there is none.
 * Jumps over what is taken, so its cost grows with the taken ranges and not with the size of `within`.
 * @throws AddressError `malformed`, `too-small` when `within` is narrower than the prefix
 */
export function firstFreeBlock(within: Cidr, taken: Iterable<Cidr>, prefixLength: number): Cidr | undefined {
  const count = subnetCount(within, prefixLength);
  const step = BigInt(addressBits(within.family) - prefixLength);
  let index = 0n;
  const others = [...taken].filter((cidr) => cidr.family === within.family).sort(compareCidrs);
  for (const other of others) {
    if (index >= count) return undefined;
    const candidate = nthSubnet(within, prefixLength, index);
    const end = other.base + cidrSize(other) - 1n;
    if (end < candidate.base) continue;
    if (other.base > candidate.base + cidrSize(candidate) - 1n) break;
    index = ((end - within.base) >> step) + 1n;
  }
  return index < count ? nthSubnet(within, prefixLength, index) : undefined;
}

/** The first two of these blocks that have an address in common, as a pair; undefined when all are apart. */
export function firstOverlap(cidrs: Iterable<Cidr>): readonly [Cidr, Cidr] | undefined {
  // Blocks nest or are apart: once sorted, one that overlaps an earlier one lies in the last wide one before it.
  let outer: Cidr | undefined;
  for (const cidr of [...cidrs].sort(compareCidrs)) {
    if (outer && cidrContains(outer, cidr)) return [outer, cidr];
    outer = cidr;
  }
  return undefined;
}

/**
 * Refuses blocks that overlap one another.
 * @throws AddressError `in-use` that names both
 */
export function refuseOverlap(cidrs: Iterable<Cidr>, field: string): void {
  const pair = firstOverlap(cidrs);
  if (!pair) return;
  throw new AddressError({
    code: 'in-use',
    field,
    value: formatCidr(pair[1]),
    rule: `overlaps ${formatCidr(pair[0])}`,
    fix: 'give ranges that have no address in common',
  });
}
