import type { Cluster, Outbound, VirtualNetwork } from '../azure/types.ts';
import { stableNumber } from './balancing.ts';
import type { FabricModel } from './model.ts';
import type { MapElement } from './plan.ts';
import { GATEWAY_SLOTS, portRange, portsPerNode, portsVerdict } from './snat-ports.ts';

/** What the table of a virtual network's router looks up to let its machines out, and by which addresses. */
export interface Egress {
  /** Public addresses that the network's machines wear, besides its own. */
  addresses: string[];
  snatPorts: number[];
  sets: { closed: string[][]; snat_nodes: string[][] };
  maps: {
    snat_limits: MapElement[];
    snat_address: MapElement[];
    snat_first: MapElement[];
    snat_last: MapElement[];
    gateways: MapElement[];
    gateway_addresses: MapElement[];
  };
}

/**
 * Who of a virtual network reaches the internet as what. In order, as on Azure: outbound type `none` closes; a NAT
 * gateway of the subnet serves all in it; then a cluster's load balancer; the rest wears the network's own address.
 * What a route table takes elsewhere does not come here. Pure.
 */
export function egressOf(model: FabricModel, network: VirtualNetwork & { name: string }): Egress {
  const collector = new Collector(model);
  for (const cluster of model.clusters.filter(({ virtualNetwork }) => virtualNetwork === network.name)) {
    const gateway = gatewayOfCluster(model, network, cluster);
    collector.addCluster(cluster, gateway);
  }
  for (const { place, address } of model.hosts) {
    if (place.kind !== 'vnet' || place.virtualNetwork !== network.name) continue;
    const gateway = network.subnets.find(({ name }) => name === place.subnet)?.natGateway;
    if (gateway !== undefined) collector.addToGateway(address, gateway);
  }
  return collector.egress;
}

function gatewayOfCluster(
  model: FabricModel,
  network: VirtualNetwork,
  cluster: FabricModel['clusters'][number],
): string | undefined {
  const ofSubnet = network.subnets.find(({ name }) => name === cluster.subnet)?.natGateway;
  if (ofSubnet !== undefined || cluster.outbound?.type !== 'managedNATGateway') return ofSubnet;
  return model.natGateways?.find((gateway) => gateway.cluster === cluster.name)?.name;
}

class Collector {
  readonly egress: Egress = {
    addresses: [],
    snatPorts: [],
    sets: { closed: [], snat_nodes: [] },
    maps: {
      snat_limits: [],
      snat_address: [],
      snat_first: [],
      snat_last: [],
      gateways: [],
      gateway_addresses: [],
    },
  };

  readonly #model: FabricModel;
  /** Gateways by name: their number, or undefined without an address. */
  readonly #gateways = new Map<string, number | undefined>();

  constructor(model: FabricModel) {
    this.#model = model;
  }

  addCluster(cluster: Cluster & { name: string }, gateway: string | undefined): void {
    const nodes = this.#model.machines.filter((machine) => machine.cluster === cluster.name);
    const { outbound } = cluster;
    const wantsGateway =
      outbound?.type === 'managedNATGateway' || outbound?.type === 'userAssignedNATGateway';
    for (const { address, index } of nodes) {
      if (outbound?.type === 'none') this.egress.sets.closed.push([address]);
      else if (gateway !== undefined) this.addToGateway(address, gateway);
      else if (wantsGateway) this.egress.sets.closed.push([address]);
      else if (outbound?.type === 'loadBalancer')
        this.#addToLoadBalancer(outbound, address, index, nodes.length);
    }
  }

  addToGateway(machine: string, name: string): void {
    const number = this.#gateway(name);
    if (number === undefined) this.egress.sets.closed.push([machine]);
    else this.egress.maps.gateways.push({ key: [machine], data: [String(number)] });
  }

  #gateway(name: string): number | undefined {
    if (this.#gateways.has(name)) return this.#gateways.get(name);
    const gateway = this.#model.natGateways?.find((candidate) => candidate.name === name);
    const addresses = this.#addressesOf(gateway?.publicIpAddresses);
    const number = addresses.length > 0 ? stableNumber(name) : undefined;
    this.#gateways.set(name, number);
    for (let slot = 0; slot < GATEWAY_SLOTS && number !== undefined; slot++) {
      const address = addresses[slot % addresses.length]!;
      this.egress.maps.gateway_addresses.push({ key: [String(number), String(slot)], data: [address] });
    }
    return number;
  }

  #addToLoadBalancer(outbound: Outbound, node: string, index: number, nodes: number): void {
    const addresses = this.#addressesOf(outbound.publicIpAddresses);
    // A cluster of the time before there was a choice: by the network's own address, without a limit.
    if (addresses.length === 0) return;
    const ports = portsPerNode(outbound, nodes);
    const range = portRange(index, ports, addresses.length);
    const limit = range ? ports : 0;
    const { maps, sets, snatPorts } = this.egress;
    if (!snatPorts.includes(limit)) snatPorts.push(limit);
    sets.snat_nodes.push([node]);
    maps.snat_limits.push({ key: [node], data: [portsVerdict(limit)] });
    if (!range) return;
    maps.snat_address.push({ key: [node], data: [addresses[range.address]!] });
    maps.snat_first.push({ key: [node], data: [String(range.first)] });
    maps.snat_last.push({ key: [node], data: [String(range.last)] });
  }

  #addressesOf(names: readonly string[] = []): string[] {
    const found = names.flatMap(
      (name) => this.#model.publicIpAddresses?.find((candidate) => candidate.name === name)?.address ?? [],
    );
    for (const address of found)
      if (!this.egress.addresses.includes(address)) this.egress.addresses.push(address);
    return found;
  }
}
