import { cidrContains, formatCidr, parseCidr, subnets } from '../../../address/cidr.ts';
import { formatAddress, parseAddress } from '../../../address/ip.ts';
import { firstFreeHost, subnetHosts } from '../../../address/subnet.ts';
import { LabError, pickByName } from '../../errors.ts';
import { PUBLIC_RANGE, REGISTRY_ADDRESS } from '../../fabric/ranges.ts';
import type { Subnet, VirtualNetwork } from '../types.ts';
import { type Claim, checkFree, checkName, checkRange, checkWithin, LONGEST_SUBNET_NAME } from './checks.ts';
import type { Inventory, Named } from './inventory.ts';

export const DEFAULT_NETWORK = { name: 'vnet', addressPrefix: '10.0.0.0/16' };

/** Where the addresses of a network's neighbours lie: its peers' (but for `except`) and its on-premises sites'. */
export function neighbourClaims(inventory: Inventory, network: string, except?: string): Claim[] {
  const claims: Claim[] = [];
  const peers = inventory.peerings.filter((peering) => peering.from === network);
  for (const { remoteVirtualNetwork } of peers) {
    const remote = inventory.virtualNetworks.find((candidate) => candidate.id === remoteVirtualNetwork);
    if (!remote || remote.name === except) continue;
    for (const prefix of remote.addressPrefixes) {
      claims.push({ range: parseCidr(prefix), owner: `the peered virtual network ${remote.name}` });
    }
  }
  for (const site of inventory.sites.filter((candidate) => candidate.virtualNetwork === network)) {
    claims.push({ range: parseCidr(site.addressPrefix), owner: `the on-premises site ${site.name}` });
  }
  return claims;
}

/** The pod CIDRs of clusters in a network. Clusters may share one, but nothing else may overlap it. */
export function podClaims(inventory: Inventory, network: string): Claim[] {
  return inventory.clusters
    .filter((cluster) => cluster.virtualNetwork === network)
    .map((cluster) => ({
      range: parseCidr(cluster.podCidr),
      owner: `the pod CIDR of cluster ${cluster.name}`,
    }));
}

export interface VirtualNetworkRequest {
  name: string;
  addressPrefixes: string[];
  subnets: Subnet[];
}

/** What the parts of a request are called where it was made. */
export interface NetworkFields {
  name: string;
  prefix: string;
}

/** @throws LabError, AddressError when the network cannot be. */
export function newVirtualNetwork(
  inventory: Inventory,
  request: VirtualNetworkRequest,
  fields: NetworkFields = { name: 'NAME', prefix: '--address-prefix' },
): VirtualNetwork {
  checkName(fields.name, request.name);
  const prefixes = request.addressPrefixes.map((prefix) => checkRange(fields.prefix, prefix));
  prefixes.forEach((prefix, i) => {
    subnetHosts(prefix, fields.prefix);
    const others = prefixes.slice(0, i).map((range) => ({ range, owner: 'named twice for this network' }));
    checkFree(fields.prefix, prefix, others, 'AddressPrefixesOverlap', 'name each range once');
  });
  let network: VirtualNetwork = {
    addressPrefixes: prefixes.map(formatCidr),
    subnets: [],
    publicAddress: freePublicAddress(inventory),
  };
  for (const subnet of request.subnets) network = withSubnet(inventory, request.name, network, subnet);
  return network;
}

/** The network with one more subnet. @throws LabError, AddressError */
export function withSubnet(
  inventory: Inventory,
  name: string,
  network: VirtualNetwork,
  subnet: Subnet,
  field = '--subnet',
): VirtualNetwork {
  checkName(field, subnet.name, LONGEST_SUBNET_NAME);
  const range = checkRange(field, subnet.addressPrefix);
  checkWithin(field, range, network.addressPrefixes, `virtual network ${name}`);
  subnetHosts(range, field);
  const claims = network.subnets.map((other) => ({
    range: parseCidr(other.addressPrefix),
    owner: `the subnet ${other.name}`,
  }));
  checkFree(field, range, claims, 'NetcfgSubnetRangesOverlap', 'choose a free range of the network');
  checkFree(
    field,
    range,
    podClaims(inventory, name),
    'PodCidrOverlapExistingSubnetsCidr',
    'choose a range outside it',
  );
  return {
    ...network,
    subnets: [...network.subnets, { name: subnet.name, addressPrefix: formatCidr(range) }],
  };
}

/** The lowest /24 of the network that no subnet touches; the first /24 comes last, as people expect .1.0/24. */
export function freeSubnetRange(name: string, network: VirtualNetwork, avoid: Claim[] = []): string {
  const taken = [
    ...network.subnets.map((subnet) => parseCidr(subnet.addressPrefix)),
    ...avoid.map((c) => c.range),
  ];
  for (const prefix of network.addressPrefixes.map((text) => parseCidr(text))) {
    if (prefix.prefixLength > 24) continue;
    let first: string | undefined;
    for (const candidate of subnets(prefix, 24)) {
      if (taken.some((range) => cidrContains(range, candidate) || cidrContains(candidate, range))) continue;
      if (candidate.base !== prefix.base) return formatCidr(candidate);
      first = formatCidr(candidate);
    }
    if (first) return first;
  }
  throw new LabError({
    code: 'SubnetRangeExhausted',
    field: '--vnet',
    value: name,
    rule: 'has no free /24 left for a subnet',
    fix: 'name the range yourself: --subnet NAME=CIDR',
  });
}

/** Addresses in a subnet that somebody has: nodes, hosts, and load balancers' frontends. */
export function addressesIn(inventory: Inventory, network: string, subnet: Subnet): string[] {
  const neighbours = inventory.clusters.filter((cluster) => cluster.virtualNetwork === network);
  const inNetwork = new Set(neighbours.map((cluster) => cluster.name));
  const clusters = new Set(neighbours.filter((c) => c.subnet === subnet.name).map((c) => c.name));
  const nodes = inventory.machines.filter((machine) => clusters.has(machine.cluster));
  const frontends = inventory.loadBalancers
    .filter((balancer) => inNetwork.has(balancer.cluster))
    .flatMap((balancer) => balancer.frontends)
    .filter((frontend) => frontend.subnet === subnet.name);
  const hosts = inventory.hosts.filter(
    ({ place }) => place.kind === 'vnet' && place.virtualNetwork === network && place.subnet === subnet.name,
  );
  return [...nodes, ...hosts, ...frontends].map((owner) => owner.address);
}

/** The lab's next free public address. @throws LabError `PublicAddressesExhausted` */
export function freePublicAddress(inventory: Inventory, besides: readonly string[] = []): string {
  const taken = [
    REGISTRY_ADDRESS,
    ...besides,
    ...inventory.virtualNetworks.map((network) => network.publicAddress),
    ...inventory.clusters.map((cluster) => cluster.apiServerAddress),
    ...inventory.publicIpAddresses.map((each) => each.address),
  ].map((text) => parseAddress(text));
  const free = firstFreeHost(parseCidr(PUBLIC_RANGE), taken);
  if (free) return formatAddress(free);
  throw new LabError({
    code: 'PublicAddressesExhausted',
    rule: `the lab's ${taken.length} public addresses are all in use: by virtual networks, API servers, and public address resources`,
    fix: 'delete what is not needed: flyover public-ip list, flyover vnet list and flyover cluster list show them',
    status: 409,
  });
}

/** @throws LabError NotFound */
export function findNetwork(inventory: Inventory, name: string): Named<VirtualNetwork> {
  return pickByName('virtual network', inventory.virtualNetworks, name);
}

/** Checks that two networks can be peered: no address may exist on both sides. @throws LabError */
export function checkPeering(inventory: Inventory, from: string, to: string): void {
  const [left, right] = [findNetwork(inventory, from), findNetwork(inventory, to)];
  if (left.name === right.name) {
    throw new LabError({
      code: 'InvalidPeering',
      field: '--with',
      value: to,
      rule: 'is the same virtual network',
      fix: 'peer two different ones',
    });
  }
  for (const [a, b] of [
    [left, right],
    [right, left],
  ] as const) {
    const claims = [
      ...a.addressPrefixes.map((prefix) => ({
        range: parseCidr(prefix),
        owner: `virtual network ${a.name}`,
      })),
      ...podClaims(inventory, a.name),
      ...neighbourClaims(inventory, a.name, b.name),
    ];
    for (const prefix of b.addressPrefixes) {
      checkFree(
        `virtual network ${b.name}`,
        parseCidr(prefix),
        claims,
        'VnetAddressSpacesOverlap',
        'peer networks with different ranges',
      );
    }
  }
}
