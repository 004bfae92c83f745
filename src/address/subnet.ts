import { type Cidr, cidrContains, cidrSize, formatCidr } from './cidr.ts';
import { AddressError } from './error.ts';
import type { IpAddress } from './ip.ts';
import type { AddressRange } from './range.ts';

/** Azure keeps the network address, the gateway, and two for its DNS: the first host of a subnet is `.4`. */
export const RESERVED_AT_START = 4n;
/** And the last (broadcast) address. */
export const RESERVED_AT_END = 1n;

/**
 * The addresses of a virtual network's subnet that machines can have: all but the first four and the last,
 * which Azure keeps in every subnet (a /24 holds 251). Source: Azure virtual network FAQ.
 * @throws AddressError `too-small` below eight addresses: Azure's smallest subnet is a /29
 */
export function subnetHosts(subnet: Cidr, field = 'subnet'): AddressRange {
  const size = cidrSize(subnet);
  if (size < 8n) {
    throw new AddressError({
      code: 'too-small',
      field,
      value: formatCidr(subnet),
      rule: 'has fewer than eight addresses, and five of every subnet are reserved',
      fix: `use a /${subnet.family === 4 ? 29 : 125} or wider`,
    });
  }
  return {
    family: subnet.family,
    first: subnet.base + RESERVED_AT_START,
    last: subnet.base + size - 1n - RESERVED_AT_END,
  };
}

/** How many machines a subnet holds. @throws AddressError `too-small` */
export function subnetCapacity(subnet: Cidr, field = 'subnet'): bigint {
  const hosts = subnetHosts(subnet, field);
  return hosts.last - hosts.first + 1n;
}

/** The subnet's gateway, its second address. */
export function subnetGateway(subnet: Cidr): IpAddress {
  return { family: subnet.family, value: subnet.base + 1n };
}

/** Whether the address is in the subnet but kept by Azure. */
export function isReservedInSubnet(subnet: Cidr, address: IpAddress): boolean {
  if (!cidrContains(subnet, address)) return false;
  const offset = address.value - subnet.base;
  return offset < RESERVED_AT_START || offset >= cidrSize(subnet) - RESERVED_AT_END;
}

/**
 * The lowest address for a machine that is not in `taken`; undefined when the subnet is full.
 * @throws AddressError `too-small`
 */
export function firstFreeHost(subnet: Cidr, taken: Iterable<IpAddress>): IpAddress | undefined {
  const hosts = subnetHosts(subnet);
  const values = new Set<bigint>();
  for (const address of taken) if (address.family === subnet.family) values.add(address.value);
  for (let value = hosts.first; value <= hosts.last; value++) {
    if (!values.has(value)) return { family: subnet.family, value };
  }
  return undefined;
}
