import { cidrOf, formatCidr, parseInterfaceAddress } from '../address/cidr.ts';
import { isAddressError } from '../address/error.ts';
import { formatAddress, type IpAddress, parseAddress } from '../address/ip.ts';
import type { Problems } from '../manifest/problem.ts';
import type { Protocol } from './types.ts';

/** An address in its one spelling. */
export interface NamedAddress {
  readonly ip: IpAddress;
  readonly text: string;
}

/** The items, whatever stands there. */
export function listOf<T>(value: readonly T[] | null | undefined): readonly NonNullable<T>[] {
  return Array.isArray(value)
    ? value.filter((one): one is NonNullable<T> => one !== null && one !== undefined)
    : [];
}

export function addressIn(value: unknown, field: string, problems: Problems): NamedAddress | undefined {
  try {
    const ip = parseAddress(value as string, field);
    return { ip, text: formatAddress(ip) };
  } catch (error) {
    if (!isAddressError(error)) throw error;
    problems.add(field, value, error.rule, error.fix);
    return undefined;
  }
}

/** A range, with the bits beyond its prefix cleared, as Kubernetes reads ranges. */
export function rangeIn(
  value: unknown,
  field: string,
  problems: Problems,
): { readonly family: 4 | 6; readonly text: string } | undefined {
  try {
    const text = typeof value === 'string' ? value.trim() : (value as string);
    const { address, prefixLength } = parseInterfaceAddress(text, field);
    return { family: address.family, text: formatCidr(cidrOf(address, prefixLength)) };
  } catch (error) {
    if (!isAddressError(error)) throw error;
    problems.add(field, value, error.rule, error.fix);
    return undefined;
  }
}

export function isPort(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 65_535;
}

/** TCP where nothing is said. */
export function protocolIn(value: unknown, field: string, problems: Problems): Protocol | undefined {
  if (value === undefined || value === null || value === '') return 'TCP';
  if (value === 'TCP' || value === 'UDP' || value === 'SCTP') return value;
  problems.add(field, value, 'is no protocol of Services', 'use TCP, UDP or SCTP');
  return undefined;
}
