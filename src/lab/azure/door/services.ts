import { type Cidr, cidrContains, cidrsOverlap, formatCidr, parseCidr } from '../../../address/cidr.ts';
import { formatAddress, parseAddress } from '../../../address/ip.ts';
import { LabError } from '../../errors.ts';
import { type Claim, checkFree, checkRange } from './checks.ts';

/** AKS's default, and where the search begins when something has it. */
const DEFAULT_SERVICE_CIDR = '10.0.0.0/16';
/** The tenth address of the service CIDR is its DNS's, as AKS has it (10.0.0.10). */
const DNS_POSITION = 10n;
/** A service CIDR must be smaller than /12. Source: AKS documentation. */
const SHORTEST_PREFIX = 13;
/** Room for the API's own Service and the DNS. */
const LONGEST_PREFIX = 27;

export interface ServiceRequest {
  serviceCidr?: string | undefined;
  dnsServiceIp?: string | undefined;
}

/**
 * The addresses of a cluster's Services. A range that nobody named moves out of the way: to the first free /16 from
 * 10.0.0.0/16 on.
 *
 * @param claims - what the range must not touch
 * @param avoid - what it had better not touch either: address space in which a subnet may be made later
 * @throws LabError, AddressError
 */
export function serviceNetwork(
  request: ServiceRequest,
  claims: Claim[],
  avoid: Claim[] = [],
): { serviceCidr: string; dnsServiceIp: string } {
  const range =
    request.serviceCidr === undefined ? freeRange(claims, avoid) : named(request.serviceCidr, claims);
  const dns = request.dnsServiceIp ?? formatAddress({ family: 4, value: range.base + DNS_POSITION });
  checkDns(dns, range);
  return { serviceCidr: formatCidr(range), dnsServiceIp: dns };
}

function named(text: string, claims: Claim[]): Cidr {
  const field = '--service-cidr';
  const range = checkRange(field, text);
  if (range.prefixLength < SHORTEST_PREFIX || range.prefixLength > LONGEST_PREFIX) {
    throw new LabError({
      code: 'ServiceCidrInvalidSize',
      field,
      value: text,
      rule: `is not between /${SHORTEST_PREFIX} and /${LONGEST_PREFIX}`,
      fix: 'give a /16, such as 10.96.0.0/16',
    });
  }
  const fix = 'choose a range that no network uses: Services are reached inside the cluster only';
  checkFree(field, range, claims, 'ServiceCidrOverlapExistingSubnetsCidr', fix);
  return range;
}

function freeRange(claims: Claim[], avoid: Claim[]): Cidr {
  const first = parseCidr(DEFAULT_SERVICE_CIDR);
  for (const taken of [[...claims, ...avoid], claims]) {
    for (let i = 0n; i < 256n; i++) {
      const range = { ...first, base: first.base + (i << 16n) };
      if (!taken.some((claim) => cidrsOverlap(claim.range, range))) return range;
    }
  }
  throw new LabError({
    code: 'ServiceCidrExhausted',
    field: '--service-cidr',
    rule: 'was not given, and every /16 of 10.0.0.0/8 is in use',
    fix: 'name a free range with --service-cidr, such as 192.168.0.0/16',
    status: 409,
  });
}

function checkDns(text: string, range: Cidr): void {
  const field = '--dns-service-ip';
  const address = parseAddress(text, field);
  const inside = cidrContains(range, { family: address.family, base: address.value, prefixLength: 32 });
  // The first one is the Kubernetes API's own Service.
  if (inside && address.value > range.base + 1n) return;
  throw new LabError({
    code: 'DnsServiceIpOutOfServiceCidr',
    field,
    value: text,
    rule: inside
      ? 'is the address of the service CIDR itself or of the Service kubernetes'
      : `is not inside the service CIDR ${formatCidr(range)}`,
    fix: `give an address of ${formatCidr(range)} from the third on, or leave the flag away`,
  });
}
