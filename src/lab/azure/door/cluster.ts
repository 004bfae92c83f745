import { createHash } from 'node:crypto';
import { BlockAllocator, DEFAULT_POD_CIDR } from '../../../address/block-allocator.ts';
import { type Cidr, cidrsOverlap, formatCidr, parseCidr } from '../../../address/cidr.ts';
import { formatAddress, parseAddress } from '../../../address/ip.ts';
import { firstFreeHost, subnetCapacity } from '../../../address/subnet.ts';
import { LabError, notFound } from '../../errors.ts';
import type { Cluster, Machine, Subnet, VirtualNetwork } from '../types.ts';
import { checkCount, checkFree, checkName, checkRange } from './checks.ts';
import type { Inventory, Named } from './inventory.ts';
import {
  DEFAULT_NETWORK,
  freeSubnetRange,
  neighbourClaims,
  newVirtualNetwork,
  podClaims,
  withSubnet,
} from './network.ts';

/** Pods per node that Azure CNI Overlay allows. */
export const MAX_PODS = { least: 10, most: 250, default: 250 };
/** Nodes per cluster under the rules of the documents (preview-2022). */
export const MAX_NODES = 1000;

export interface ClusterRequest {
  name: string;
  /** 1..1000; a text is refused. */
  nodes: number | string;
  podCidr?: string | undefined;
  maxPods?: number | string | undefined;
  /** Name of a virtual network; made with `vnetPrefix` when it does not exist. */
  vnet?: string | undefined;
  vnetPrefix?: string | undefined;
  subnet?: string | undefined;
  subnetPrefix?: string | undefined;
}

/** What to write for a new cluster: all of it in one transaction. */
export interface NewCluster {
  cluster: Cluster;
  /** The network as it has to be; `created` when it did not exist. */
  network: { name: string; properties: VirtualNetwork; created: boolean };
  /** What works now and may be regretted later. */
  warnings: string[];
}

/** @throws LabError, AddressError naming the flag, the value, the rule and the way out. Pure. */
export function newCluster(inventory: Inventory, request: ClusterRequest): NewCluster {
  checkName('--name', request.name);
  if (inventory.clusters.some((cluster) => cluster.name === request.name)) {
    throw new LabError({
      code: 'ClusterExists',
      field: '--name',
      value: request.name,
      rule: 'is the name of a cluster that exists',
      fix: 'choose another name, or delete that cluster',
      status: 409,
    });
  }
  const nodes = checkCount('--nodes', request.nodes, 1, MAX_NODES);
  const maxPods = checkCount(
    '--max-pods',
    request.maxPods ?? MAX_PODS.default,
    MAX_PODS.least,
    MAX_PODS.most,
  );
  const podRange = checkRange('--pod-cidr', request.podCidr ?? DEFAULT_POD_CIDR);
  const blocks = new BlockAllocator({ podCidr: podRange, field: '--pod-cidr' });
  if (BigInt(nodes) > blocks.capacity) {
    throw new LabError({
      code: 'InsufficientSubnetSize',
      field: '--pod-cidr',
      value: formatCidr(podRange),
      rule: `has ${blocks.capacity} blocks of /24, and ${nodes} nodes take one each`,
      fix: 'use a wider range, or fewer nodes',
    });
  }
  const network = networkFor(inventory, request);
  const subnet = subnetFor(inventory, request, network.name, network.properties);
  const properties = network.properties.subnets.some((candidate) => candidate.name === subnet.name)
    ? network.properties
    : withSubnet(inventory, network.name, network.properties, subnet);
  checkPodRange(inventory, network.name, properties, request, podRange);
  checkRoom(inventory, network.name, subnet, nodes);
  return {
    cluster: {
      virtualNetwork: network.name,
      subnet: subnet.name,
      podCidr: formatCidr(podRange),
      maxPods,
    },
    network: { ...network, properties },
    warnings: warningsOf(podRange, network.name, properties),
  };
}

function networkFor(
  inventory: Inventory,
  request: ClusterRequest,
): { name: string; properties: VirtualNetwork; created: boolean } {
  const name = request.vnet ?? DEFAULT_NETWORK.name;
  const found = inventory.virtualNetworks.find((network) => network.name === name);
  if (!found) {
    const addressPrefixes = [request.vnetPrefix ?? DEFAULT_NETWORK.addressPrefix];
    return {
      name,
      properties: newVirtualNetwork(inventory, { name, addressPrefixes, subnets: [] }),
      created: true,
    };
  }
  const { name: _name, id: _id, ...properties } = found;
  if (request.vnetPrefix && !found.addressPrefixes.includes(request.vnetPrefix)) {
    throw new LabError({
      code: 'VnetExists',
      field: '--vnet',
      value: `${name}=${request.vnetPrefix}`,
      rule: `names a network that exists with ${found.addressPrefixes.join(', ')}`,
      fix: `say --vnet ${name}, or choose another name`,
      status: 409,
    });
  }
  return { name, properties, created: false };
}

function subnetFor(
  inventory: Inventory,
  request: ClusterRequest,
  networkName: string,
  network: VirtualNetwork,
): Subnet {
  const usedBy = (subnet: string): string | undefined =>
    inventory.clusters.find((other) => other.virtualNetwork === networkName && other.subnet === subnet)?.name;
  const freeName = network.subnets.some((s) => s.name === 'nodes') ? `nodes-${request.name}` : 'nodes';
  const name = request.subnet ?? (usedBy('nodes') === undefined ? 'nodes' : freeName);
  const found = network.subnets.find((subnet) => subnet.name === name);
  if (!found) {
    const claims = podClaims(inventory, networkName);
    return { name, addressPrefix: request.subnetPrefix ?? freeSubnetRange(networkName, network, claims) };
  }
  if (request.subnetPrefix && request.subnetPrefix !== found.addressPrefix) {
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

function checkPodRange(
  inventory: Inventory,
  networkName: string,
  network: VirtualNetwork,
  request: ClusterRequest,
  podRange: Cidr,
): void {
  const claims = [
    ...network.subnets.map((subnet) => ({
      range: parseCidr(subnet.addressPrefix),
      owner: `the subnet ${subnet.name} of virtual network ${networkName}`,
    })),
    ...neighbourClaims(inventory, networkName),
  ];
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

/** Addresses in a subnet that machines and hosts have. */
export function addressesIn(inventory: Inventory, network: string, subnet: Subnet): string[] {
  const clusters = new Set(
    inventory.clusters
      .filter((c) => c.virtualNetwork === network && c.subnet === subnet.name)
      .map((c) => c.name),
  );
  const machines = inventory.machines
    .filter((machine) => clusters.has(machine.cluster))
    .map((m) => m.address);
  const hosts = inventory.hosts
    .filter(
      ({ place }) =>
        place.kind === 'vnet' && place.virtualNetwork === network && place.subnet === subnet.name,
    )
    .map((host) => host.address);
  return [...machines, ...hosts];
}

export function findCluster(inventory: Inventory, name: string): Named<Cluster> {
  const found = inventory.clusters.find((cluster) => cluster.name === name);
  if (found) return found;
  throw notFound(
    'cluster',
    name,
    inventory.clusters.map((cluster) => cluster.name),
  );
}

/** A node's name, in the form of AKS: pool, eight digits that identify the cluster, and the instance in base 36. */
export function nodeName(cluster: string, index: number): string {
  const digits =
    BigInt(`0x${createHash('sha256').update(cluster).digest('hex').slice(0, 12)}`) % 100_000_000n;
  return `aks-nodepool1-${digits.toString().padStart(8, '0')}-vmss${index.toString(36).padStart(6, '0')}`;
}

/**
 * The cluster's next node: the lowest free index, address of the subnet, and block of the pod CIDR.
 * @throws LabError, AddressError when one of them has run out.
 */
export function newMachine(
  inventory: Inventory,
  cluster: Named<Cluster>,
): { name: string; properties: Machine } {
  const siblings = inventory.machines.filter((machine) => machine.cluster === cluster.name);
  checkCount(`nodes of cluster ${cluster.name}`, siblings.length + 1, 1, MAX_NODES);
  const indexes = new Set(siblings.map((machine) => machine.index));
  let index = 0;
  while (indexes.has(index)) index++;
  const name = nodeName(cluster.name, index);

  const blocks = new BlockAllocator({
    podCidr: cluster.podCidr,
    field: `pod CIDR of cluster ${cluster.name}`,
  });
  for (const machine of siblings) blocks.reserve(machine.name, machine.nodeBlock);
  const nodeBlock = formatCidr(blocks.allocate(name));

  const subnet = inventory.virtualNetworks
    .find((network) => network.name === cluster.virtualNetwork)!
    .subnets.find((candidate) => candidate.name === cluster.subnet)!;
  const taken = addressesIn(inventory, cluster.virtualNetwork, subnet).map((address) =>
    parseAddress(address),
  );
  const address = firstFreeHost(parseCidr(subnet.addressPrefix), taken);
  if (!address) {
    throw new LabError({
      code: 'InsufficientSubnetSize',
      field: 'subnet',
      value: subnet.name,
      rule: `(${subnet.addressPrefix}) has no free address left for a node of cluster ${cluster.name}`,
      fix: 'remove a node or a host from it',
      status: 409,
    });
  }
  return { name, properties: { cluster: cluster.name, index, address: formatAddress(address), nodeBlock } };
}

/** A node of a cluster by its name or its number. @throws LabError NotFound */
export function findMachine(inventory: Inventory, cluster: string, node: string): Named<Machine> {
  findCluster(inventory, cluster);
  const siblings = inventory.machines.filter((machine) => machine.cluster === cluster);
  const found = siblings.find((machine) => machine.name === node || String(machine.index) === node);
  if (found) return found;
  throw notFound(
    `node of cluster ${cluster}`,
    node,
    siblings.map((machine) => machine.name),
  );
}
