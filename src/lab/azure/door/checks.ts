import { type Cidr, cidrContains, cidrsOverlap, formatCidr, parseCidr } from '../../../address/cidr.ts';
import { LabError } from '../../errors.ts';
import { LAB_RANGES } from '../../fabric/ranges.ts';

/** Ranges that pods, services and virtual networks may not use. Source: AKS documentation, and the lab's own. */
export const RESERVED_RANGES = [
  '169.254.0.0/16',
  '192.0.2.0/24',
  '172.30.0.0/16',
  '172.31.0.0/16',
  '127.0.0.0/8',
  '224.0.0.0/4',
  ...LAB_RANGES,
].map((range) => parseCidr(range));

/** Lower-case letters, digits and hyphens: names become namespaces, host names and paths, and this is safe in all. */
const NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
/** Fits a host name and, with the lab's prefixes, a cgroup. */
const LONGEST_NAME = 40;
/** Of subnets that hold nodes. Source: AKS documentation. They name nothing on the machine. */
export const LONGEST_SUBNET_NAME = 63;

/** @throws LabError `InvalidName` */
export function checkName(field: string, value: string, longest = LONGEST_NAME): void {
  if (value.length <= longest && NAME.test(value)) return;
  throw new LabError({
    code: 'InvalidName',
    field,
    value: value.slice(0, 80),
    rule: `is not 1 to ${longest} lower-case letters, digits and hyphens, beginning and ending with a letter or digit`,
    fix: 'choose a name like team-a',
  });
}

/** @throws LabError when the number is not whole or out of its range, both ends included. */
export function checkCount(field: string, value: unknown, least: number, most: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
  throw new LabError({
    code: 'InvalidParameter',
    field,
    value: String(value).slice(0, 80),
    rule: `is not a whole number from ${least} to ${most}`,
    fix: `give ${least} to ${most}`,
  });
}

/** An IPv4 range in the form of its first address. @throws AddressError, LabError */
export function checkRange(field: string, text: string): Cidr {
  const range = parseCidr(text, field);
  if (range.family !== 4) {
    throw new LabError({
      code: 'AddressFamilyNotSupported',
      field,
      value: text,
      rule: 'is IPv6, and the fabric of the lab carries IPv4 so far',
      fix: 'give an IPv4 range',
    });
  }
  const reserved = RESERVED_RANGES.find((candidate) => cidrsOverlap(candidate, range));
  if (reserved) {
    throw new LabError({
      code: 'ReservedRange',
      field,
      value: text,
      rule: `overlaps the reserved range ${formatCidr(reserved)}`,
      fix: 'use another private range, such as one in 10.0.0.0/8',
    });
  }
  return range;
}

/** Ranges that something must not touch, each with what it belongs to in words. */
export interface Claim {
  range: Cidr;
  owner: string;
}

/** @throws LabError with `code` for the first claim that overlaps. */
export function checkFree(field: string, range: Cidr, claims: Claim[], code: string, fix: string): void {
  const clash = claims.find((claim) => cidrsOverlap(claim.range, range));
  if (!clash) return;
  throw new LabError({
    code,
    field,
    value: formatCidr(range),
    rule: `overlaps ${formatCidr(clash.range)}, ${clash.owner}`,
    fix,
    status: 409,
  });
}

/** @throws LabError `NetcfgInvalidSubnet` unless one of the prefixes holds the range. */
export function checkWithin(field: string, range: Cidr, prefixes: string[], owner: string): void {
  if (prefixes.some((prefix) => cidrContains(parseCidr(prefix), range))) return;
  throw new LabError({
    code: 'NetcfgInvalidSubnet',
    field,
    value: formatCidr(range),
    rule: `is not inside ${owner} (${prefixes.join(', ')})`,
    fix: 'choose a range of that network',
  });
}
