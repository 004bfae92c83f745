import { cidrOf, lastAddress, parseInterfaceAddress } from '../address/cidr.ts';
import { isAddressError } from '../address/error.ts';
import type { Problems } from '../manifest/problem.ts';
import { LAST_PORT, PROTOCOLS, type Protocol } from './decision.ts';
import type { NamedPort, PortRange, Range } from './policy.ts';

/** The items, whatever stands there. */
export function listOf<T>(value: readonly T[] | null | undefined): readonly NonNullable<T>[] {
  return Array.isArray(value)
    ? value.filter((one): one is NonNullable<T> => one !== null && one !== undefined)
    : [];
}

export function present<T>(value: T): value is NonNullable<T> {
  return value !== undefined && value !== null;
}

/** A range, with the bits beyond its prefix cleared, as Kubernetes reads ranges. */
export function rangeIn(value: unknown, field: string, problems: Problems): Range | undefined {
  try {
    const text = typeof value === 'string' ? value.trim() : (value as string);
    const { address, prefixLength } = parseInterfaceAddress(text, field);
    const cidr = cidrOf(address, prefixLength);
    return { family: address.family, first: cidr.base, last: lastAddress(cidr).value };
  } catch (error) {
    if (!isAddressError(error)) throw error;
    problems.add(field, value, error.rule, error.fix);
    return undefined;
  }
}

/** TCP where nothing is said. */
export function protocolIn(value: unknown, field: string, problems: Problems): Protocol | undefined {
  if (value === undefined || value === null || value === '') return 'TCP';
  const found = PROTOCOLS.find((one) => one === value);
  if (!found) problems.add(field, value, 'is no protocol of policies', 'use TCP, UDP or SCTP');
  return found;
}

export function portsIn(
  protocol: Protocol,
  first: unknown,
  last: unknown,
  fields: readonly [first: string, last: string],
  problems: Problems,
): PortRange | undefined {
  for (const [i, value] of [first, last].entries()) {
    if (isPort(value)) continue;
    problems.add(fields[i]!, value, 'is no port', `use 1 to ${LAST_PORT}`);
    return undefined;
  }
  if ((last as number) < (first as number)) {
    problems.add(fields[1], last, 'is lower than the first port', `use ${first as number} or higher`);
    return undefined;
  }
  return { protocol, first: first as number, last: last as number };
}

function isPort(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= LAST_PORT;
}

export function portNameIn(value: unknown, field: string, problems: Problems): string | undefined {
  // RFC 6335, without capitals, as Kubernetes has it
  const legal =
    typeof value === 'string' &&
    value.length <= 15 &&
    /^[a-z0-9]+(-[a-z0-9]+)*$/.test(value) &&
    /[a-z]/.test(value);
  if (legal) return value;
  problems.add(field, value, 'is no name of a port', "use at most 15 of a-z, 0-9 and '-', or a number");
  return undefined;
}

/** Every port of a protocol. */
export function allPortsOf(protocol: Protocol): PortRange {
  return { protocol, first: 0, last: LAST_PORT };
}

export type PortMatch = PortRange | NamedPort;

export function isNamed(port: PortMatch): port is NamedPort {
  return 'name' in port;
}

/** Both kinds of port, apart. */
export function sorted(ports: readonly PortMatch[]): {
  readonly ranges: readonly PortRange[];
  readonly named: readonly NamedPort[];
} {
  return {
    ranges: ports.filter((port): port is PortRange => !isNamed(port)),
    named: ports.filter(isNamed),
  };
}
