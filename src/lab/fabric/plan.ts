/** What the fabric should be, as data. Pure: `planFabric` makes it, `Fabric` brings the kernel to it. */

export interface LinkEnd {
  /** Name of a lab namespace, or `MACHINE`. */
  namespace: string;
  name: string;
  mac: string;
}

/** A cable: a veth pair with its two ends in two namespaces. */
export interface Cable {
  a: LinkEnd;
  b: LinkEnd;
  mtu: number;
  /** What the cable is, for a person who reads `ip link`. */
  alias: string;
}

export interface AddressPlan {
  dev: string;
  address: string;
  prefixLength: number;
}

export interface RoutePlan {
  dst: string;
  type: 'unicast' | 'unreachable';
  dev?: string;
  via?: string;
}

export interface NeighbourPlan {
  dev: string;
  address: string;
  mac: string;
}

/** Which table a router's packets pass, and the sets that the table looks them up in. */
export interface FilterPlan {
  kind: 'domain' | 'vnet' | 'internet' | 'site';
  /** Set name -> its elements, each a key of one or two parts. */
  sets: Record<string, string[][]>;
  /** Address that traffic to the internet is translated to. */
  publicAddress?: string;
}

export interface NamespacePlan {
  name: string;
  /** A router's links and routes are all the fabric's; of an endpoint only `eth0` and the default route are. */
  role: 'router' | 'endpoint' | 'machine';
  addresses: AddressPlan[];
  /** One for each destination. */
  routes: RoutePlan[];
  neighbours: NeighbourPlan[];
  filter?: FilterPlan;
}

export interface FabricPlan {
  namespaces: Map<string, NamespacePlan>;
  cables: Cable[];
}
