import type {
  Cluster,
  Host,
  LoadBalancer,
  Machine,
  NatGateway,
  Peering,
  PublicIpAddress,
  RouteTable,
  Site,
  VirtualNetwork,
} from '../azure/types.ts';

/** The resources that the fabric is made from, each with its name. */
export interface FabricModel {
  virtualNetworks: (VirtualNetwork & { name: string })[];
  /** Peerings that work, both of whose sides exist: names of two virtual networks. */
  peerings: [string, string][];
  clusters: (Cluster & { name: string })[];
  machines: (Machine & { name: string })[];
  hosts: (Host & { name: string })[];
  sites: (Site & { name: string })[];
  publicIpAddresses?: (PublicIpAddress & { name: string })[];
  natGateways?: (NatGateway & { name: string })[];
  routeTables?: (RouteTable & { name: string })[];
  loadBalancers?: (LoadBalancer & { name: string })[];
  /** Nodes that the probe of a load balancer's rule found well, by `<load balancer>/<rule>`; a rule that is not here has all. */
  healthyNodes?: ReadonlyMap<string, readonly string[]>;
  /** IPv4 addresses of the machine that the lab runs on: nothing in the lab may reach them by the uplink. */
  machineAddresses?: string[];
}

/** Pairs of networks of which each has a peering to the other; a one-sided peering carries nothing, as on Azure. */
export function workingPeerings(peerings: { from: string; peering: Peering }[]): [string, string][] {
  const nameOf = (id: string): string => id.slice(id.lastIndexOf('/') + 1);
  const half = new Set(
    peerings.map(({ from, peering }) => `${from}>${nameOf(peering.remoteVirtualNetwork)}`),
  );
  const pairs: [string, string][] = [];
  for (const { from, peering } of peerings) {
    const to = nameOf(peering.remoteVirtualNetwork);
    if (from < to && half.has(`${to}>${from}`)) pairs.push([from, to]);
  }
  return pairs;
}
