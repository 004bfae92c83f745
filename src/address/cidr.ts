import { AddressError, shown } from './error.ts';
import { addressBits, type Family, formatAddress, highest, type IpAddress, parseAddress } from './ip.ts';

/** A block of addresses, `10.244.0.0/16`. Plain data; its base never has bits set beyond the prefix. */
export interface Cidr {
  readonly family: Family;
  /** The number of its first address. */
  readonly base: bigint;
  /** 0 .. 32 for IPv4, 0 .. 128 for IPv6. */
  readonly prefixLength: number;
}

const LONGEST = 49;
const PREFIX = /^(0|[1-9][0-9]{0,2})$/;

/**
 * Reads `address/prefix`. Strict: bits beyond the prefix are refused, and the error names the range that was
 * probably meant.
 * @param field what the text is for, for the error message
 * @throws AddressError `malformed`, `host-bits-set`
 */
export function parseCidr(text: string, field = 'cidr'): Cidr {
  const { address, prefixLength } = parseInterfaceAddress(text, field);
  const base = networkBase(address, prefixLength);
  if (base !== address.value) {
    const meant = formatCidr({ family: address.family, base, prefixLength });
    throw new AddressError({
      code: 'host-bits-set',
      field,
      value: shown(text),
      rule: `has bits set beyond its /${prefixLength} prefix`,
      fix: `write ${meant}`,
    });
  }
  return { family: address.family, base, prefixLength };
}

/**
 * Reads `address/prefix` of an interface, as in `10.0.1.4/24`: host bits are kept in the address.
 * @throws AddressError `malformed`
 */
export function parseInterfaceAddress(
  text: string,
  field = 'cidr',
): { readonly address: IpAddress; readonly prefixLength: number } {
  const malformed = (rule: string, fix: string) =>
    new AddressError({ code: 'malformed', field, value: shown(text), rule, fix });
  const parts = typeof text === 'string' && text.length <= LONGEST ? text.split('/') : [];
  if (parts.length !== 2) {
    throw malformed('is not an address, a slash and a prefix length', 'write it like 10.244.0.0/16');
  }
  const address = parseAddress(parts[0]!, field);
  const bits = addressBits(address.family);
  if (!PREFIX.test(parts[1]!) || Number(parts[1]) > bits) {
    throw malformed(
      `has a prefix length that IPv${address.family} does not have`,
      `use /0 to /${bits}, without leading zeros`,
    );
  }
  return { address, prefixLength: Number(parts[1]) };
}

function networkBase(address: IpAddress, prefixLength: number): bigint {
  const hostBits = BigInt(addressBits(address.family) - prefixLength);
  return (address.value >> hostBits) << hostBits;
}

/** The block of this prefix length that holds the address. */
export function cidrOf(address: IpAddress, prefixLength: number): Cidr {
  checkPrefix(address.family, prefixLength, 0);
  return { family: address.family, base: networkBase(address, prefixLength), prefixLength };
}

/** The block of exactly one address: a /32 or /128. */
export function hostCidr(address: IpAddress): Cidr {
  return { family: address.family, base: address.value, prefixLength: addressBits(address.family) };
}

export function formatCidr(cidr: Cidr): string {
  return `${formatAddress({ family: cidr.family, value: cidr.base })}/${cidr.prefixLength}`;
}

/** How many addresses are in it, 1 .. 2^128. */
export function cidrSize(cidr: Cidr): bigint {
  return 1n << BigInt(addressBits(cidr.family) - cidr.prefixLength);
}

/** The first address: IPv4's network address. */
export function firstAddress(cidr: Cidr): IpAddress {
  return { family: cidr.family, value: cidr.base };
}

/** The last address: IPv4's broadcast address. */
export function lastAddress(cidr: Cidr): IpAddress {
  return { family: cidr.family, value: cidr.base + cidrSize(cidr) - 1n };
}

/**
 * The address at an offset; negative offsets count from the end (-1 is the last address).
 * @throws AddressError `out-of-range`
 */
export function nthAddress(cidr: Cidr, index: bigint | number): IpAddress {
  const size = cidrSize(cidr);
  const offset = BigInt(index) < 0n ? size + BigInt(index) : BigInt(index);
  if (offset < 0n || offset >= size) {
    throw new AddressError({
      code: 'out-of-range',
      field: 'index',
      value: shown(index),
      rule: `is not in ${formatCidr(cidr)}`,
      fix: `use 0 to ${size - 1n}, or -1 to -${size} from the end`,
    });
  }
  return { family: cidr.family, value: cidr.base + offset };
}

/** Whether the address, or every address of the other block, is in it. Families never contain each other. */
export function cidrContains(cidr: Cidr, other: IpAddress | Cidr): boolean {
  if (cidr.family !== other.family) return false;
  const [value, prefixLength] =
    'prefixLength' in other ? [other.base, other.prefixLength] : [other.value, addressBits(other.family)];
  if (prefixLength < cidr.prefixLength) return false;
  const hostBits = BigInt(addressBits(cidr.family) - cidr.prefixLength);
  return value >> hostBits === cidr.base >> hostBits;
}

/** Whether they have an address in common: of two blocks, one then contains the other. */
export function cidrsOverlap(a: Cidr, b: Cidr): boolean {
  return cidrContains(a, b) || cidrContains(b, a);
}

export function sameCidr(a: Cidr, b: Cidr): boolean {
  return a.family === b.family && a.base === b.base && a.prefixLength === b.prefixLength;
}

/** Sorts IPv4 before IPv6, then by first address, then the wider one first: for `Array.prototype.sort`. */
export function compareCidrs(a: Cidr, b: Cidr): number {
  if (a.family !== b.family) return a.family - b.family;
  if (a.base !== b.base) return a.base < b.base ? -1 : 1;
  return a.prefixLength - b.prefixLength;
}

/** How many blocks of this prefix length it splits into. @throws AddressError `malformed`, `too-small` */
export function subnetCount(cidr: Cidr, prefixLength: number): bigint {
  checkSplit(cidr, prefixLength);
  return 1n << BigInt(prefixLength - cidr.prefixLength);
}

/** The blocks of this prefix length inside it, lowest first; lazily, so that a /0 costs nothing. */
export function* subnets(cidr: Cidr, prefixLength: number): Generator<Cidr, void, undefined> {
  const count = subnetCount(cidr, prefixLength);
  for (let i = 0n; i < count; i++) yield nthSubnet(cidr, prefixLength, i);
}

/** The block of this prefix length at an index from 0. @throws AddressError `malformed`, `too-small`, `out-of-range` */
export function nthSubnet(cidr: Cidr, prefixLength: number, index: bigint | number): Cidr {
  const count = subnetCount(cidr, prefixLength);
  if (BigInt(index) < 0n || BigInt(index) >= count) {
    throw new AddressError({
      code: 'out-of-range',
      field: 'index',
      value: shown(index),
      rule: `is not the number of a /${prefixLength} in ${formatCidr(cidr)}`,
      fix: `use 0 to ${count - 1n}`,
    });
  }
  const step = BigInt(addressBits(cidr.family) - prefixLength);
  return { family: cidr.family, base: cidr.base + (BigInt(index) << step), prefixLength };
}

/** The block twice as large that holds it; undefined for /0. */
export function parentCidr(cidr: Cidr): Cidr | undefined {
  if (cidr.prefixLength === 0) return undefined;
  return cidrOf(firstAddress(cidr), cidr.prefixLength - 1);
}

/** Every address of a family. */
export function everything(family: Family): Cidr {
  return { family, base: 0n, prefixLength: 0 };
}

/** The netmask in the family's notation: `255.255.255.0`. */
export function netmask(cidr: Cidr): string {
  const value = highest(cidr.family) - (cidrSize(cidr) - 1n);
  return formatAddress({ family: cidr.family, value });
}

function checkPrefix(family: Family, prefixLength: number, least: number): void {
  const bits = addressBits(family);
  if (Number.isInteger(prefixLength) && prefixLength >= least && prefixLength <= bits) return;
  throw new AddressError({
    code: 'malformed',
    field: 'prefixLength',
    value: shown(prefixLength),
    rule: `is not a prefix length of IPv${family}`,
    fix: `use ${least} to ${bits}`,
  });
}

function checkSplit(cidr: Cidr, prefixLength: number): void {
  checkPrefix(cidr.family, prefixLength, 0);
  if (prefixLength >= cidr.prefixLength) return;
  throw new AddressError({
    code: 'too-small',
    field: 'cidr',
    value: formatCidr(cidr),
    rule: `has no /${prefixLength} in it`,
    fix: `use a range of /${prefixLength} or wider`,
  });
}
