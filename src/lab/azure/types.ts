/** Properties of the resource types, as Azure names them where it has the thing. */

export interface Subnet {
  name: string;
  /** CIDR inside the virtual network's address space. */
  addressPrefix: string;
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

export interface Cluster {
  /** Name of the virtual network and of the subnet that nodes take their addresses from. */
  virtualNetwork: string;
  subnet: string;
  podCidr: string;
  maxPods: number;
  /** Addresses of Services, which no network routes. */
  serviceCidr: string;
  /** The Service of the cluster's DNS, inside `serviceCidr`. */
  dnsServiceIp: string;
  /** How many nodes the cluster's autoscaler may have; without it nobody adds or removes nodes but its owner. */
  autoscaler?: { min: number; max: number };
  /** Where the Kubernetes API is served: an address on the lab's internet. */
  apiServerAddress: string;
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
}

/** An on-premises network behind a virtual network's gateway. */
export interface Site {
  virtualNetwork: string;
  addressPrefix: string;
}
