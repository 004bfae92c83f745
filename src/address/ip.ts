import { AddressError, shown } from './error.ts';

/** 4 or 6: the version number of the Internet Protocol. */
export type Family = 4 | 6;

/** One address. Plain data: compare with {@link sameAddress}, show with {@link formatAddress}. */
export interface IpAddress {
  readonly family: Family;
  /** The address as a number: 0 .. 2^32-1 for IPv4, 0 .. 2^128-1 for IPv6. */
  readonly value: bigint;
}

/** Bits in an address of this family: 32 or 128. */
export function addressBits(family: Family): 32 | 128 {
  return family === 4 ? 32 : 128;
}

/** The highest address of a family as a number. */
export function highest(family: Family): bigint {
  return family === 4 ? 0xffff_ffffn : (1n << 128n) - 1n;
}

/**
 * The address with this number.
 * @throws AddressError `malformed` when the number is outside the family's range.
 */
export function ipAddress(family: Family, value: bigint, field = 'address'): IpAddress {
  if (value < 0n || value > highest(family)) {
    throw new AddressError({
      code: 'malformed',
      field,
      value: shown(value),
      rule: `is not the number of an IPv${family} address`,
      fix: `use 0 to 2^${addressBits(family)}-1`,
    });
  }
  return { family, value };
}

/**
 * Reads an address. IPv4 is four decimal numbers without leading zeros (which some readers take for octal);
 * IPv6 is any form of RFC 4291, with an IPv4 tail too, but without a zone (`%eth0`).
 * @param field what the text is for, for the error message
 * @throws AddressError `malformed`
 */
export function parseAddress(text: string, field = 'address'): IpAddress {
  const value = typeof text !== 'string' ? undefined : text.includes(':') ? parseV6(text) : parseV4(text);
  if (value === undefined) {
    throw new AddressError({
      code: 'malformed',
      field,
      value: shown(text),
      rule: 'is not an IP address',
      fix: 'write it like 10.0.0.4 (no leading zeros) or fd12::4 (no zone)',
    });
  }
  return { family: text.includes(':') ? 6 : 4, value };
}

/** Whether {@link parseAddress} would accept the text. */
export function isAddress(text: string): boolean {
  return (text.includes(':') ? parseV6(text) : parseV4(text)) !== undefined;
}

const LONGEST_V4 = 15;
const LONGEST_V6 = 45;
const OCTET = /^(0|[1-9][0-9]{0,2})$/;
const GROUP = /^[0-9a-fA-F]{1,4}$/;

function parseV4(text: string): bigint | undefined {
  if (text.length > LONGEST_V4) return undefined;
  const octets = text.split('.');
  if (octets.length !== 4) return undefined;
  let value = 0;
  for (const octet of octets) {
    if (!OCTET.test(octet) || Number(octet) > 255) return undefined;
    value = value * 256 + Number(octet);
  }
  return BigInt(value);
}

function parseV6(text: string): bigint | undefined {
  if (text.length > LONGEST_V6) return undefined;
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = groupsOf(halves[0]!, halves.length === 1);
  const tail = halves.length === 2 ? groupsOf(halves[1]!, true) : [];
  if (!head || !tail) return undefined;
  const missing = 8 - head.length - tail.length;
  // `::` stands for at least one group; without it all eight must be there.
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...new Array<number>(missing).fill(0), ...tail];
  return groups.reduce((value, group) => (value << 16n) | BigInt(group), 0n);
}

/** The 16-bit groups of one side of `::`; an IPv4 tail counts as two. Undefined when malformed. */
function groupsOf(text: string, atEnd: boolean): number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [i, part] of parts.entries()) {
    if (GROUP.test(part)) groups.push(Number.parseInt(part, 16));
    else {
      const v4 = atEnd && i === parts.length - 1 ? parseV4(part) : undefined;
      if (v4 === undefined) return undefined;
      groups.push(Number(v4 >> 16n), Number(v4 & 0xffffn));
    }
  }
  return groups;
}

/** Writes an address: dotted decimal, or the canonical form of RFC 5952 (`::ffff:10.0.0.4` for mapped ones). */
export function formatAddress(address: IpAddress): string {
  return address.family === 4 ? formatV4(Number(address.value)) : formatV6(address.value);
}

function formatV4(value: number): string {
  return `${Math.floor(value / 0x100_0000)}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`;
}

function formatV6(value: bigint): string {
  if (value >> 32n === 0xffffn) return `::ffff:${formatV4(Number(value & 0xffff_ffffn))}`;
  const groups: number[] = [];
  for (let shift = 112n; shift >= 0n; shift -= 16n) groups.push(Number((value >> shift) & 0xffffn));
  const zeros = longestZeroRun(groups);
  const hex = groups.map((group) => group.toString(16));
  // RFC 5952 4.2.2: a single zero group is not shortened.
  if (zeros.length < 2) return hex.join(':');
  return `${hex.slice(0, zeros.start).join(':')}::${hex.slice(zeros.start + zeros.length).join(':')}`;
}

/** The first of the longest runs of zero groups (RFC 5952 4.2.3). */
function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let end = start;
    while (groups[end] === 0) end++;
    if (end - start > best.length) best = { start, length: end - start };
    start = Math.max(start, end);
  }
  return best;
}

export function sameAddress(a: IpAddress, b: IpAddress): boolean {
  return a.family === b.family && a.value === b.value;
}

/** Sorts IPv4 before IPv6, then by number: for `Array.prototype.sort`. */
export function compareAddresses(a: IpAddress, b: IpAddress): number {
  if (a.family !== b.family) return a.family - b.family;
  return a.value < b.value ? -1 : a.value > b.value ? 1 : 0;
}

/** The address `offset` further on. @throws AddressError `malformed` when that leaves the family's range. */
export function addOffset(address: IpAddress, offset: bigint | number): IpAddress {
  return ipAddress(address.family, address.value + BigInt(offset));
}

/** Network byte order: 4 or 16 bytes. */
export function addressToBytes(address: IpAddress): Uint8Array {
  const bytes = new Uint8Array(addressBits(address.family) / 8);
  let rest = address.value;
  for (let i = bytes.length - 1; i >= 0; i--, rest >>= 8n) bytes[i] = Number(rest & 255n);
  return bytes;
}

/** The address in 4 or 16 bytes of network byte order. @throws AddressError `malformed` on any other length. */
export function addressFromBytes(bytes: Uint8Array, field = 'address'): IpAddress {
  if (bytes.length !== 4 && bytes.length !== 16) {
    throw new AddressError({
      code: 'malformed',
      field,
      value: `${bytes.length} bytes`,
      rule: 'is not the length of an IP address',
      fix: 'give 4 or 16 bytes',
    });
  }
  const value = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  return { family: bytes.length === 4 ? 4 : 6, value };
}
