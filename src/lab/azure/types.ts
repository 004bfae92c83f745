/** Properties of the resource types, as Azure names them where it has the thing. */

export interface Subnet {
  name: string;
  /** CIDR inside the virtual network's address space. */
  addressPrefix: string;
  /** Name of a NAT gateway: what leaves the subnet for the internet wears its addresses. */
  natGateway?: string;
  /** Name of a route table. */
  routeTable?: string;
}

/** A static public address, of the lab's public range. */
export interface PublicIpAddress {
  address: string;
  /** The cluster whose controllers made it and remove it; absent for a person's own. */
  cluster?: string;
}

/** AKS's `networkProfile.outboundType`. */
export type OutboundType =
  | 'loadBalancer'
  | 'managedNATGateway'
  | 'userAssignedNATGateway'
  | 'userDefinedRouting'
  | 'none';

/** How a cluster's nodes reach the internet. */
export interface Outbound {
  type: OutboundType;
  /** `loadBalancer`, `managedNATGateway`: names of public addresses, 1..16. */
  publicIpAddresses?: string[];
  /** `loadBalancer`: SNAT ports of each node, a multiple of 8; 0: 1,024 up to 50 nodes, 512 above. */
  allocatedOutboundPorts?: number;
  /** Minutes, 4..120. */
  idleTimeoutInMinutes?: number;
}

export interface NatGateway {
  /** Names of public addresses, 1..16; 64,512 flows each. */
  publicIpAddresses: string[];
  /** Minutes, 4..120. */
  idleTimeoutInMinutes: number;
  /** The cluster that has it as its managed NAT gateway. */
  cluster?: string;
}

export interface Route {
  name: string;
  addressPrefix: string;
  nextHopType: 'VirtualAppliance' | 'Internet' | 'VnetLocal' | 'None';
  /** Of a `VirtualAppliance`: an address in the virtual network or a peer. */
  nextHopIpAddress?: string;
}

export interface RouteTable {
  routes: Route[];
}

/** How a load balancer finds out which nodes may get connections. */
export interface LoadBalancerProbe {
  name: string;
  protocol: 'Tcp' | 'Http' | 'Https';
  port: number;
  /** Of `Http` and `Https`. */
  requestPath?: string;
  /** Seconds, 5.. */
  intervalInSeconds: number;
  /** Answers in a row that change a node's state, 1.. */
  numberOfProbes: number;
}

export interface LoadBalancerRule {
  name: string;
  /** Name of a frontend. */
  frontend: string;
  protocol: 'TCP' | 'UDP';
  /** 1..65535; with floating IP, as AKS has it, nodes see it unchanged. */
  port: number;
  /** Name of a probe; without one every node gets connections. */
  probe?: string;
  /** Minutes, 4..120. */
  idleTimeoutInMinutes: number;
}

/** A cluster's load balancer: `kubernetes` on Azure, with the nodes as its backend pool. */
export interface LoadBalancer {
  cluster: string;
  /** A frontend has a public address, or one of a subnet of the cluster's virtual network. */
  frontends: { name: string; address: string; publicIpAddress?: string; subnet?: string }[];
  rules: LoadBalancerRule[];
  probes: LoadBalancerProbe[];
}

export interface VirtualNetwork {
  addressPrefixes: string[];
  subnets: Subnet[];
  /** The address that the network's machines wear on the internet. */
  publicAddress: string;
}

export interface Peering {
  /** ARM id of the other virtual network. A peering works once both sides have one. */
  remoteVirtualNetwork: string;
}

/** Who gives a cluster's pods their network: the lab, or `none`: its owner, as with `az aks create --network-plugin none`. */
export type NetworkPlugin = 'azure' | 'none';

export interface Cluster {
  /** Name of the virtual network and of the subnet that nodes take their addresses from. */
  virtualNetwork: string;
  subnet: string;
  podCidr: string;
  /** Absent in clusters made before there was a choice: `azure`. */
  networkPlugin?: NetworkPlugin;
  maxPods: number;
  /** Addresses of Services, which no network routes. */
  serviceCidr: string;
  /** The Service of the cluster's DNS, inside `serviceCidr`. */
  dnsServiceIp: string;
  /** How many nodes the cluster's autoscaler may have; without it nobody adds or removes nodes but its owner. */
  autoscaler?: { min: number; max: number };
  /** Where the Kubernetes API is served: an address on the lab's internet. */
  apiServerAddress: string;
  /** Absent in clusters made before there was a choice: `loadBalancer` by the virtual network's own address. */
  outbound?: Outbound;
}

/** A node of a cluster. */
export interface Machine {
  cluster: string;
  /** Position in the node pool, from 0; free again once the node is gone. */
  index: number;
  address: string;
  /** The node block: the /24 that its pods take their addresses from. */
  nodeBlock: string;
}

/** A machine that is not a node: in a subnet, on-premises, or on the internet. */
export interface Host {
  place:
    | { kind: 'vnet'; virtualNetwork: string; subnet: string }
    | { kind: 'internet' }
    | { kind: 'site'; site: string };
  address: string;
  /** An appliance: it forwards packets that are not for itself, and may send from addresses that are not its own. */
  ipForwarding?: boolean;
  /** With `ipForwarding`: what it forwards out of its virtual network wears its own address. */
  masquerade?: boolean;
}

/** An on-premises network behind a virtual network's gateway. */
export interface Site {
  virtualNetwork: string;
  addressPrefix: string;
}
