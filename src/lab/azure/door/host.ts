import { cidrContains, formatCidr, parseCidr } from '../../../address/cidr.ts';
import { formatAddress, parseAddress } from '../../../address/ip.ts';
import { firstFreeHost, isReservedInSubnet, subnetHosts } from '../../../address/subnet.ts';
import { LabError, pickByName } from '../../errors.ts';
import { INTERNET_HOST_RANGE } from '../../fabric/ranges.ts';
import type { Host, Site } from '../types.ts';
import { checkFree, checkName, checkRange } from './checks.ts';
import type { Inventory } from './inventory.ts';
import { addressesIn, findNetwork, neighbourClaims, podClaims } from './network.ts';

export interface HostRequest {
  name: string;
  /** Exactly one of the three says where the host stands. */
  vnet?: string | undefined;
  /** With `vnet`; the first subnet when left out. */
  subnet?: string | undefined;
  internet?: boolean | undefined;
  onPremises?: string | undefined;
  /** Chosen when left out. */
  address?: string | undefined;
  /** An appliance in a virtual network, which forwards. */
  ipForwarding?: boolean | undefined;
  /** With `ipForwarding`. */
  masquerade?: boolean | undefined;
}

/** @throws LabError, AddressError */
export function newHost(inventory: Inventory, request: HostRequest): Host {
  checkName('NAME', request.name);
  if (inventory.hosts.some((host) => host.name === request.name)) {
    throw new LabError({
      code: 'HostExists',
      field: 'NAME',
      value: request.name,
      rule: 'is the name of a host that exists',
      fix: 'choose another name, or remove that host',
      status: 409,
    });
  }
  const places = [request.vnet !== undefined, request.internet === true, request.onPremises !== undefined];
  if (places.filter(Boolean).length !== 1) {
    throw new LabError({
      code: 'InvalidParameter',
      field: 'NAME',
      value: request.name,
      rule: 'needs exactly one place',
      fix: 'say --vnet NETWORK, --internet or --on-premises SITE',
    });
  }
  if (request.subnet !== undefined && request.vnet === undefined) {
    throw new LabError({
      code: 'InvalidParameter',
      field: '--subnet',
      value: request.subnet,
      rule: 'belongs to a virtual network, and none is named',
      fix: 'say --vnet NETWORK as well',
    });
  }
  checkForwarding(request);
  const { place, range, taken } = placeOf(inventory, request);
  return {
    place,
    address: addressFor(request, range, taken),
    ...(request.ipForwarding ? { ipForwarding: true } : {}),
    ...(request.masquerade ? { masquerade: true } : {}),
  };
}

function checkForwarding({ vnet, ipForwarding, masquerade }: HostRequest): void {
  const refuse = (field: string, rule: string, fix: string): LabError =>
    new LabError({ code: 'InvalidParameter', field, rule, fix });
  if (ipForwarding && vnet === undefined)
    throw refuse('--ip-forwarding', 'is for hosts in a virtual network', 'say --vnet NETWORK as well');
  if (masquerade && !ipForwarding)
    throw refuse('--masquerade', 'is for hosts that forward', 'say --ip-forwarding as well');
}

function placeOf(
  inventory: Inventory,
  request: HostRequest,
): { place: Host['place']; range: string; taken: string[] } {
  if (request.vnet !== undefined) {
    const network = findNetwork(inventory, request.vnet);
    const wanted = request.subnet ?? network.subnets[0]?.name;
    if (wanted === undefined) {
      throw new LabError({
        code: 'SubnetMissing',
        field: '--vnet',
        value: network.name,
        rule: 'has no subnet',
        fix: `make one first: flyover vnet add-subnet ${network.name} NAME=CIDR`,
        status: 409,
      });
    }
    const subnet = pickByName(`subnet of virtual network ${network.name}`, network.subnets, wanted);
    return {
      place: { kind: 'vnet', virtualNetwork: network.name, subnet: subnet.name },
      range: subnet.addressPrefix,
      taken: addressesIn(inventory, network.name, subnet),
    };
  }
  const addressesAt = (kind: Host['place']['kind'], site?: string): string[] =>
    inventory.hosts
      .filter(({ place }) => place.kind === kind && (place.kind !== 'site' || place.site === site))
      .map((host) => host.address);
  if (request.onPremises !== undefined) {
    const site = pickByName('on-premises site', inventory.sites, request.onPremises);
    return {
      place: { kind: 'site', site: site.name },
      range: site.addressPrefix,
      taken: addressesAt('site', site.name),
    };
  }
  return { place: { kind: 'internet' }, range: INTERNET_HOST_RANGE, taken: addressesAt('internet') };
}

function addressFor(request: HostRequest, range: string, taken: string[]): string {
  const cidr = parseCidr(range);
  if (request.address === undefined) {
    const free = firstFreeHost(
      cidr,
      taken.map((address) => parseAddress(address)),
    );
    if (free) return formatAddress(free);
    throw new LabError({
      code: 'InsufficientSubnetSize',
      field: 'NAME',
      value: request.name,
      rule: `finds no free address in ${range}`,
      fix: 'remove a host, or use a wider range',
      status: 409,
    });
  }
  const address = parseAddress(request.address, '--address');
  const refuse = (code: string, rule: string): LabError =>
    new LabError({
      code,
      field: '--address',
      value: request.address!,
      rule,
      fix: 'leave it out to get a free one',
    });
  if (!cidrContains(cidr, address)) throw refuse('AddressOutOfRange', `is not in ${formatCidr(cidr)}`);
  if (isReservedInSubnet(cidr, address)) {
    throw refuse('AddressReserved', `is one of the five addresses that are kept in ${formatCidr(cidr)}`);
  }
  if (taken.includes(formatAddress(address))) throw refuse('AddressInUse', 'has an owner');
  return formatAddress(address);
}

export interface SiteRequest {
  name: string;
  vnet: string;
  addressPrefix: string;
}

/** @throws LabError, AddressError */
export function newSite(inventory: Inventory, request: SiteRequest): Site {
  checkName('NAME', request.name);
  if (inventory.sites.some((site) => site.name === request.name)) {
    throw new LabError({
      code: 'SiteExists',
      field: 'NAME',
      value: request.name,
      rule: 'is the name of an on-premises site that exists',
      fix: 'choose another name, or remove that site',
      status: 409,
    });
  }
  const network = findNetwork(inventory, request.vnet);
  const range = checkRange('--prefix', request.addressPrefix);
  subnetHosts(range, '--prefix');
  const claims = [
    ...network.addressPrefixes.map((prefix) => ({
      range: parseCidr(prefix),
      owner: `virtual network ${network.name}`,
    })),
    ...neighbourClaims(inventory, network.name),
    ...podClaims(inventory, network.name),
  ];
  checkFree('--prefix', range, claims, 'SiteRangeOverlap', 'choose a range outside it');
  return { virtualNetwork: network.name, addressPrefix: formatCidr(range) };
}
