import { ConntrackSocket, SOURCE_TRANSLATED, type Tuple } from '../../kernel/conntrack/index.ts';
import { type MapSpec, type Nft, NftSocket } from '../../kernel/nft/index.ts';
import { FABRIC_TABLE, MAPS, SETS } from './filter-sets.ts';

const TCP = 6;
const UDP = 17;

/** A node of a cluster with outbound type `loadBalancer`. */
export interface NodeSnatUsage {
  nodeAddress: string;
  /** The public address that it wears; empty for a node that got no ports. */
  address: string;
  /** Ports in use now, of `allocated` for each protocol. Used towards two destinations, a port counts once. */
  tcp: number;
  udp: number;
  allocated: number;
  /** First packets that were dropped since the router's table was made: every port was in use to their destination. */
  refused: number;
}

/** A public address that connections wear. */
export interface AddressSnatUsage {
  address: string;
  /** Connections now. */
  flows: number;
  /** Most of them to one destination, and which: `tcp 203.0.113.4:80`. A NAT gateway's address has 64,512 ports for each. */
  busiest: { flows: number; destination: string };
  /** Addresses, in the virtual network, of the machines whose they are. */
  clients: string[];
}

export interface SnatUsage {
  nodes: NodeSnatUsage[];
  addresses: AddressSnatUsage[];
}

/** What the table of a virtual network's router says about SNAT. */
export interface SnatTables {
  ranges: Map<string, { address: string; first: number; last: number }>;
  refused: Map<string, number>;
}

/**
 * Who uses how many SNAT ports, as the kernel has it now.
 * @param netns - the router of a virtual network
 * @throws KernelError ENOENT without the router or its table
 */
export function snatUsage(netns: string): SnatUsage {
  using nft = NftSocket.open({ netns });
  const tables = readTables(nft);
  using conntrack = ConntrackSocket.open({ netns });
  const count = new SnatCount(tables);
  conntrack.each({ family: 4, status: SOURCE_TRANSLATED }, (connection) => count.add(connection));
  return count.usage();
}

export function readTables(nft: Nft): SnatTables {
  const read = (map: MapSpec): [string, unknown][] =>
    nft.listElements(FABRIC_TABLE, map.name).map(({ key, data }) => [String(key), data]);
  const first = new Map(read(MAPS.snat_first));
  const last = new Map(read(MAPS.snat_last));
  const ranges: SnatTables['ranges'] = new Map();
  for (const [node, address] of read(MAPS.snat_address)) {
    ranges.set(node, {
      address: String(address),
      first: Number(first.get(node)),
      last: Number(last.get(node)),
    });
  }
  const refused: SnatTables['refused'] = new Map();
  for (const { key, counter } of nft.listElements(FABRIC_TABLE, SETS.snat_nodes.name)) {
    refused.set(String(key), counter?.packets ?? 0);
  }
  return { ranges, refused };
}

/** Sums connections up. Pure. */
export class SnatCount {
  readonly #tables: SnatTables;
  /** Ports in use, by node and protocol. */
  readonly #ports = new Map<string, Set<number>>();
  /** By public address: connections, of them those to each destination, and whose they are. */
  readonly #addresses = new Map<
    string,
    { flows: number; destinations: Map<string, number>; clients: Set<string> }
  >();

  constructor(tables: SnatTables) {
    this.#tables = tables;
  }

  add({ original, reply }: { original: Tuple; reply: Tuple }): void {
    const { destination: address, destinationPort: port, protocol } = reply;
    this.#addFlow(address, original);
    const range = this.#tables.ranges.get(original.source);
    // Of a connection from before its node got another range, the port is another's now.
    if (port === undefined || range?.address !== address || port < range.first || port > range.last) return;
    const id = `${original.source} ${protocol}`;
    const ports = this.#ports.get(id);
    if (ports) ports.add(port);
    else this.#ports.set(id, new Set([port]));
  }

  #addFlow(address: string, original: Tuple): void {
    let known = this.#addresses.get(address);
    if (!known) {
      known = { flows: 0, destinations: new Map(), clients: new Set() };
      this.#addresses.set(address, known);
    }
    known.flows++;
    known.clients.add(original.source);
    const { protocol, destination, destinationPort } = original;
    if (destinationPort === undefined) return;
    const name = protocol === TCP ? 'tcp' : protocol === UDP ? 'udp' : String(protocol);
    const key = `${name} ${destination}:${destinationPort}`;
    known.destinations.set(key, (known.destinations.get(key) ?? 0) + 1);
  }

  usage(): SnatUsage {
    const nodes = [...this.#tables.refused].map(([nodeAddress, refused]) => {
      const range = this.#tables.ranges.get(nodeAddress);
      const used = (protocol: number): number => this.#ports.get(`${nodeAddress} ${protocol}`)?.size ?? 0;
      return {
        nodeAddress,
        address: range?.address ?? '',
        tcp: used(TCP),
        udp: used(UDP),
        allocated: range ? range.last - range.first + 1 : 0,
        refused,
      };
    });
    const addresses = [...this.#addresses].map(([address, { flows, destinations, clients }]) => {
      let busiest = { flows: 0, destination: '' };
      for (const [destination, many] of destinations)
        if (many > busiest.flows) busiest = { flows: many, destination };
      return { address, flows, busiest, clients: [...clients] };
    });
    return { nodes, addresses };
  }
}
