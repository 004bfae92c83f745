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
  type: 'unicast' | 'unreachable' | 'blackhole';
  dev?: string;
  via?: string;
  /** Number of the routing table; absent: `main`. */
  table?: number;
}

/** A rule of policy routing: packets with the mark, or from the link, look their route up in the table. */
export interface RulePlan {
  /** Unique in its namespace; lower ones are tried first. */
  priority: number;
  mark?: number;
  iif?: string;
  table: number;
}

export interface NeighbourPlan {
  dev: string;
  address: string;
  mac: string;
}

/** An element of a map: key and value, each of one part or several. */
export interface MapElement {
  key: string[];
  data: string[];
}

/** Which table a router's packets pass, and the sets and maps that the table looks them up in. */
export interface FilterPlan {
  kind: 'domain' | 'vnet' | 'internet' | 'site' | 'appliance';
  /** Set name -> its elements, each a key of one or two parts. */
  sets: Record<string, string[][]>;
  maps?: Record<string, MapElement[]>;
  /** Of a virtual network: address that traffic to the internet is translated to, unless something else has it. */
  publicAddress?: string;
  /** Of a virtual network: how many SNAT ports nodes have, each number once. */
  snatPorts?: number[];
  /** Of a routing domain: its cluster has load balancers. */
  balances?: boolean;
  /** Of an appliance: what it forwards out of its virtual network wears its own address. */
  masquerades?: boolean;
}

export interface NamespacePlan {
  name: string;
  /** A router's links and routes are all the fabric's; of an endpoint only `eth0` and the default route are. */
  role: 'router' | 'endpoint' | 'machine';
  addresses: AddressPlan[];
  /** One for each destination in each table. */
  routes: RoutePlan[];
  /** Of routers only. */
  rules: RulePlan[];
  neighbours: NeighbourPlan[];
  filter?: FilterPlan;
  /** Settings below /proc/sys/net, once the filter is there. */
  sysctls?: Record<string, number>;
}

export interface FabricPlan {
  namespaces: Map<string, NamespacePlan>;
  cables: Cable[];
}
