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

export interface SnatUsage {
  nodes: NodeSnatUsage[];
  /** Connections that wear a public address now, by address. Of a NAT gateway's, 64,512 to each destination. */
  addresses: { address: string; flows: number }[];
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
  readonly #flows = new Map<string, number>();

  constructor(tables: SnatTables) {
    this.#tables = tables;
  }

  add({ original, reply }: { original: Tuple; reply: Tuple }): void {
    const { destination: address, destinationPort: port, protocol } = reply;
    this.#flows.set(address, (this.#flows.get(address) ?? 0) + 1);
    const range = this.#tables.ranges.get(original.source);
    // Of a connection from before its node got another range, the port is another's now.
    if (port === undefined || range?.address !== address || port < range.first || port > range.last) return;
    const id = `${original.source} ${protocol}`;
    const ports = this.#ports.get(id);
    if (ports) ports.add(port);
    else this.#ports.set(id, new Set([port]));
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
    const addresses = [...this.#flows].map(([address, flows]) => ({ address, flows }));
    return { nodes, addresses };
  }
}
