import { createHash } from 'node:crypto';
import { BlockAllocator } from '../../../address/block-allocator.ts';
import { formatCidr, parseCidr } from '../../../address/cidr.ts';
import { formatAddress, parseAddress } from '../../../address/ip.ts';
import { firstFreeHost } from '../../../address/subnet.ts';
import { LabError, notFound } from '../../errors.ts';
import type { Cluster, Machine } from '../types.ts';
import { checkCount } from './checks.ts';
import type { Inventory, Named } from './inventory.ts';
import { addressesIn } from './network.ts';
import { checkPorts } from './outbound.ts';

/** Nodes per cluster under the rules of the documents (preview-2022). */
export const MAX_NODES = 1000;

export interface NewMachine {
  name: string;
  properties: Machine;
}

/** Eight digits that identify a cluster in the names of its nodes. */
function clusterDigits(cluster: string): string {
  const hash = createHash('sha256').update(cluster).digest('hex').slice(0, 12);
  return (BigInt(`0x${hash}`) % 100_000_000n).toString().padStart(8, '0');
}

/** A node's name, in the form of AKS: pool, eight digits that identify the cluster, and the instance in base 36. */
function nodeName(cluster: string, index: number): string {
  return `aks-nodepool1-${clusterDigits(cluster)}-vmss${index.toString(36).padStart(6, '0')}`;
}

/** The name of the machine that a cluster's Kubernetes API runs on. */
export function controlPlaneName(cluster: string): string {
  return `control-plane-${clusterDigits(cluster)}`;
}

/**
 * Nodes of two clusters must not have one name: it names their namespaces, disks and processes. Eight digits of a
 * hash leave a chance of one in twenty thousand among a hundred clusters.
 * @throws LabError `NodeNamesTaken`
 */
export function checkNodeNames(inventory: Inventory, cluster: string): void {
  const digits = clusterDigits(cluster);
  const other = inventory.clusters.find((candidate) => clusterDigits(candidate.name) === digits);
  if (!other) return;
  throw new LabError({
    code: 'NodeNamesTaken',
    field: 'NAME',
    value: cluster,
    rule: `gives its nodes the names of the nodes of cluster ${other.name} (aks-nodepool1-${digits}-…)`,
    fix: 'choose another name',
    status: 409,
  });
}

/**
 * The cluster's next nodes: each with the lowest free index, address of the subnet, and block of the pod CIDR.
 * @throws LabError, AddressError when one of them runs out before the last node.
 */
export function newMachines(inventory: Inventory, cluster: Named<Cluster>, count: number): NewMachine[] {
  const siblings = inventory.machines.filter((machine) => machine.cluster === cluster.name);
  checkCount(`nodes of cluster ${cluster.name}`, siblings.length + count, 1, MAX_NODES);
  checkPorts(cluster.outbound, siblings.length + count);
  const indexes = new Set(siblings.map((machine) => machine.index));
  const blocks = new BlockAllocator({
    podCidr: cluster.podCidr,
    field: `pod CIDR of cluster ${cluster.name}`,
  });
  for (const machine of siblings) blocks.reserve(machine.name, machine.nodeBlock);
  const subnet = inventory.virtualNetworks
    .find((network) => network.name === cluster.virtualNetwork)!
    .subnets.find((candidate) => candidate.name === cluster.subnet)!;
  const range = parseCidr(subnet.addressPrefix);
  const taken = addressesIn(inventory, cluster.virtualNetwork, subnet).map((text) => parseAddress(text));

  return Array.from({ length: count }, () => {
    let index = 0;
    while (indexes.has(index)) index++;
    indexes.add(index);
    const name = nodeName(cluster.name, index);
    const nodeBlock = formatCidr(blocks.allocate(name));
    const address = firstFreeHost(range, taken);
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
    taken.push(address);
    return {
      name,
      properties: { cluster: cluster.name, index, address: formatAddress(address), nodeBlock },
    };
  });
}

/** A node among those of a cluster, by its name or its number. @throws LabError NotFound */
export function pickNode<N extends { name: string; index: number }>(
  cluster: string,
  nodes: N[],
  node: string,
): N {
  const found = nodes.find((candidate) => candidate.name === node || String(candidate.index) === node);
  if (found) return found;
  throw notFound(
    `node of cluster ${cluster}`,
    node,
    nodes.map((candidate) => candidate.name),
  );
}
