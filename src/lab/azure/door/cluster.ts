import { BlockAllocator, DEFAULT_POD_CIDR } from '../../../address/block-allocator.ts';
import { type Cidr, cidrContains, cidrsOverlap, formatCidr, parseCidr } from '../../../address/cidr.ts';
import { subnetCapacity } from '../../../address/subnet.ts';
import { LabError, pickByName } from '../../errors.ts';
import type { Cluster, Subnet, VirtualNetwork } from '../types.ts';
import { type Claim, checkCount, checkFree, checkName, checkRange } from './checks.ts';
import type { Inventory, Named } from './inventory.ts';
import { checkNodeNames, MAX_NODES } from './machine.ts';
import {
  addressesIn,
  DEFAULT_NETWORK,
  freePublicAddress,
  freeSubnetRange,
  neighbourClaims,
  newVirtualNetwork,
  podClaims,
  withSubnet,
} from './network.ts';
import { checkNetworkPlugin } from './network-plugin.ts';
import { type NewOutbound, newOutbound, type OutboundRequest } from './outbound.ts';
import { type ServiceRequest, serviceNetwork } from './services.ts';

/** Pods per node that Azure CNI Overlay allows. */
export const MAX_PODS = { least: 10, most: 250, default: 250 };

export interface ClusterRequest extends ServiceRequest, OutboundRequest {
  name: string;
  /** 1..1000; a text is refused. */
  nodes: number | string;
  podCidr?: string | undefined;
  /** `azure` (default) or `none`; anything else is refused. */
  networkPlugin?: string | undefined;
  maxPods?: number | string | undefined;
  /** Both or none: how many nodes the cluster autoscaler may have. */
  minCount?: number | string | undefined;
  maxCount?: number | string | undefined;
  /** Name of a virtual network; made with `vnetPrefix` when it does not exist. */
  vnet?: string | undefined;
  vnetPrefix?: string | undefined;
  subnet?: string | undefined;
  subnetPrefix?: string | undefined;
}

/** What to write for a new cluster: all of it in one transaction. */
export interface NewCluster {
  cluster: Cluster;
  /** The virtual network as it has to be, whether it existed before or not. */
  network: { name: string; properties: VirtualNetwork };
  /** What its way out needs. */
  outbound: NewOutbound;
  /** What works now and may be regretted later. */
  warnings: string[];
}

/** @throws LabError, AddressError naming the flag, the value, the rule and the way out. Pure. */
export function newCluster(inventory: Inventory, request: ClusterRequest): NewCluster {
  checkName('NAME', request.name);
  if (inventory.clusters.some((cluster) => cluster.name === request.name)) {
    throw new LabError({
      code: 'ClusterExists',
      field: 'NAME',
      value: request.name,
      rule: 'is the name of a cluster that exists',
      fix: 'choose another name, or delete that cluster',
      status: 409,
    });
  }
  checkNodeNames(inventory, request.name);
  const networkPlugin = checkNetworkPlugin(request.networkPlugin);
  const nodes = checkCount('--nodes', request.nodes, 1, MAX_NODES);
  const maxPods = checkCount(
    '--max-pods',
    request.maxPods ?? MAX_PODS.default,
    MAX_PODS.least,
    MAX_PODS.most,
  );
  const autoscaler = autoscalerOf(request, nodes);
  const podRange = checkRange('--pod-cidr', request.podCidr ?? DEFAULT_POD_CIDR);
  const blocks = new BlockAllocator({ podCidr: podRange, field: '--pod-cidr' });
  const most = autoscaler?.max ?? nodes;
  if (BigInt(most) > blocks.capacity) {
    throw new LabError({
      code: 'InsufficientSubnetSize',
      field: '--pod-cidr',
      value: formatCidr(podRange),
      rule: `has ${blocks.capacity} blocks of /24, and ${most} nodes take one each`,
      fix: 'use a wider range, or fewer nodes',
    });
  }
  const network = networkFor(inventory, request);
  const subnet = subnetFor(inventory, request, network, podRange);
  const properties = network.properties.subnets.some((candidate) => candidate.name === subnet.name)
    ? network.properties
    : withSubnet(inventory, network.name, network.properties, subnet);
  checkPodRange(inventory, network.name, properties, request, podRange);
  const services = serviceNetwork(
    request,
    [
      { range: podRange, owner: 'the pod CIDR' },
      ...subnetClaims(network.name, properties),
      ...neighbourClaims(inventory, network.name),
    ],
    properties.addressPrefixes.map((prefix) => ({
      range: parseCidr(prefix),
      owner: `virtual network ${network.name}`,
    })),
  );
  checkRoom(inventory, network.name, subnet, most);
  // A network that is made with the cluster has taken an address, too.
  const apiServerAddress = freePublicAddress(inventory, [properties.publicAddress]);
  const outbound = newOutbound(
    inventory,
    { name: request.name, network: { ...network, properties }, subnet: subnet.name, nodes: most },
    request,
    [properties.publicAddress, apiServerAddress],
  );
  return {
    cluster: {
      virtualNetwork: network.name,
      subnet: subnet.name,
      podCidr: formatCidr(podRange),
      networkPlugin,
      maxPods,
      ...services,
      ...(autoscaler ? { autoscaler } : {}),
      apiServerAddress,
      outbound: outbound.outbound,
    },
    network: { ...network, properties },
    outbound,
    warnings: warningsOf(podRange, network.name, properties),
  };
}

/** @throws LabError naming the flag, the value, the rule and the way out */
function autoscalerOf(
  { minCount, maxCount }: ClusterRequest,
  nodes: number,
): { min: number; max: number } | undefined {
  if (minCount === undefined && maxCount === undefined) return undefined;
  const max = checkCount('--max-count', maxCount ?? MAX_NODES, 1, MAX_NODES);
  const min = checkCount('--min-count', minCount ?? 1, 1, max);
  checkCount('--nodes', nodes, min, max);
  return { min, max };
}

function networkFor(
  inventory: Inventory,
  request: ClusterRequest,
): { name: string; properties: VirtualNetwork } {
  const name = request.vnet ?? DEFAULT_NETWORK.name;
  const found = inventory.virtualNetworks.find((network) => network.name === name);
  if (!found) {
    const addressPrefixes = [request.vnetPrefix ?? DEFAULT_NETWORK.addressPrefix];
    return {
      name,
      properties: newVirtualNetwork(
        inventory,
        { name, addressPrefixes, subnets: [] },
        { name: '--vnet', prefix: '--vnet' },
      ),
    };
  }
  const { name: _name, id: _id, ...properties } = found;
  const given = request.vnetPrefix === undefined ? undefined : checkRange('--vnet', request.vnetPrefix);
  if (given && !found.addressPrefixes.includes(formatCidr(given))) {
    throw new LabError({
      code: 'VnetExists',
      field: '--vnet',
      value: `${name}=${request.vnetPrefix}`,
      rule: `names a network that exists with ${found.addressPrefixes.join(', ')}`,
      fix: `say --vnet ${name}, or choose another name`,
      status: 409,
    });
  }
  return { name, properties };
}

function subnetFor(
  inventory: Inventory,
  request: ClusterRequest,
  network: { name: string; properties: VirtualNetwork },
  podRange: Cidr,
): Subnet {
  const usedBy = (subnet: string): string | undefined =>
    inventory.clusters.find((other) => other.virtualNetwork === network.name && other.subnet === subnet)
      ?.name;
  const name = request.subnet ?? (usedBy('nodes') === undefined ? 'nodes' : `nodes-${request.name}`);
  const found = network.properties.subnets.find((subnet) => subnet.name === name);
  if (!found) {
    if (request.subnetPrefix !== undefined) return { name, addressPrefix: request.subnetPrefix };
    const avoid = podClaims(inventory, network.name);
    // A pod CIDR over the whole network is refused for what it is, not for want of a free range.
    const hopeless = network.properties.addressPrefixes.every((prefix) =>
      cidrContains(podRange, parseCidr(prefix)),
    );
    if (!hopeless) avoid.push({ range: podRange, owner: 'the pod CIDR' });
    return { name, addressPrefix: freeSubnetRange(network.name, network.properties, avoid) };
  }
  const given = request.subnetPrefix === undefined ? undefined : checkRange('--subnet', request.subnetPrefix);
  if (given && formatCidr(given) !== found.addressPrefix) {
    throw new LabError({
      code: 'SubnetExists',
      field: '--subnet',
      value: `${name}=${request.subnetPrefix}`,
      rule: `names a subnet that exists with ${found.addressPrefix}`,
      fix: `say --subnet ${name}, or choose another name`,
      status: 409,
    });
  }
  const owner = usedBy(name);
  if (owner !== undefined) {
    // A limitation of the documents' Azure CNI Overlay (rule set preview-2022).
    throw new LabError({
      code: 'SubnetInUseByOverlayCluster',
      field: '--subnet',
      value: name,
      rule: `has the nodes of the overlay cluster ${owner}, and two overlay clusters cannot share a subnet`,
      fix: 'name another subnet; it is made when it does not exist',
      status: 409,
    });
  }
  return found;
}

function subnetClaims(name: string, network: VirtualNetwork): Claim[] {
  return network.subnets.map((subnet) => ({
    range: parseCidr(subnet.addressPrefix),
    owner: `the subnet ${subnet.name} of virtual network ${name}`,
  }));
}

function checkPodRange(
  inventory: Inventory,
  networkName: string,
  network: VirtualNetwork,
  request: ClusterRequest,
  podRange: Cidr,
): void {
  const claims = [...subnetClaims(networkName, network), ...neighbourClaims(inventory, networkName)];
  const fix =
    request.podCidr === undefined
      ? 'name a free range with --pod-cidr'
      : 'pods take addresses from a range of their own: choose one outside it';
  checkFree('--pod-cidr', podRange, claims, 'PodCidrOverlapExistingSubnetsCidr', fix);
  // Clusters may share a pod CIDR exactly as on Azure; each has a routing domain of its own.
}

/** Azure's sources differ on whether a pod CIDR may lie in free parts of the network: it does no harm until a subnet comes. */
function warningsOf(podRange: Cidr, name: string, network: VirtualNetwork): string[] {
  return network.addressPrefixes
    .filter((prefix) => cidrsOverlap(parseCidr(prefix), podRange))
    .map(
      (prefix) =>
        `NetworkProfileCIDROverlapVNET: --pod-cidr '${formatCidr(podRange)}' overlaps ${prefix}, the address space of virtual network ${name}; no subnet can be made there while the cluster exists`,
    );
}

function checkRoom(inventory: Inventory, network: string, subnet: Subnet, nodes: number): void {
  const taken = addressesIn(inventory, network, subnet).length;
  const room = subnetCapacity(parseCidr(subnet.addressPrefix), '--subnet') - BigInt(taken);
  if (BigInt(nodes) <= room) return;
  throw new LabError({
    code: 'InsufficientSubnetSize',
    field: '--nodes',
    value: String(nodes),
    rule: `does not fit in the subnet ${subnet.name} (${subnet.addressPrefix}), which has ${room} free addresses: Azure keeps five of every subnet`,
    fix: 'use a wider subnet, or fewer nodes',
  });
}

/** @throws LabError NotFound */
export function findCluster(inventory: Inventory, name: string): Named<Cluster> {
  return pickByName('cluster', inventory.clusters, name);
}
