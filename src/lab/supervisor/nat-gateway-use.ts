import type { Inventory } from '../azure/door/inventory.ts';
import { PORTS_PER_GATEWAY_ADDRESS } from '../fabric/snat-ports.ts';
import type { AddressSnatUsage } from '../fabric/snat-usage.ts';

/** How much of one public address of a NAT gateway is in use. */
export interface NatGatewayUse {
  natGateway: string;
  /** The cluster whose managed NAT gateway it is. */
  cluster?: string;
  address: string;
  /** Connections to the destination that has most, and which that is; of {@link PORTS_PER_GATEWAY_ADDRESS}. */
  flows: number;
  destination: string;
  /** Nodes that go out by it. */
  nodes: { cluster: string; node: string }[];
}

/** Parts of an address's ports: above the one it is nearly used up, below the other it is well again. */
const NEARLY = 0.9;
const WELL = 0.8;

/**
 * What a virtual network uses of NAT gateways, of what its router says about all public addresses.
 * @param machines - those in the network, by their addresses there
 */
export function natGatewayUse(
  { natGateways, publicIpAddresses }: Pick<Inventory, 'natGateways' | 'publicIpAddresses'>,
  usage: readonly AddressSnatUsage[],
  machines: ReadonlyMap<string, { name: string; cluster: string }>,
): NatGatewayUse[] {
  const nameOf = new Map(publicIpAddresses.map(({ name, address }) => [address, name]));
  return usage.flatMap(({ address, busiest, clients }) => {
    const name = nameOf.get(address);
    const gateway = natGateways.find((each) => name !== undefined && each.publicIpAddresses.includes(name));
    if (!gateway) return [];
    const nodes = clients.flatMap((client) => {
      const machine = machines.get(client);
      return machine ? [{ cluster: machine.cluster, node: machine.name }] : [];
    });
    const { cluster } = gateway;
    return [{ natGateway: gateway.name, ...(cluster ? { cluster } : {}), address, ...busiest, nodes }];
  });
}

/** Notices when addresses come near their last port, once until they are well again. */
export class NearlyUsedUp {
  readonly #known = new Set<string>();

  /** Those that have become so since the last time. */
  news(uses: readonly NatGatewayUse[]): NatGatewayUse[] {
    const now = new Map(uses.map((use) => [use.address, use]));
    for (const address of this.#known) {
      if ((now.get(address)?.flows ?? 0) < WELL * PORTS_PER_GATEWAY_ADDRESS) this.#known.delete(address);
    }
    const news = uses.filter(
      ({ address, flows }) => flows >= NEARLY * PORTS_PER_GATEWAY_ADDRESS && !this.#known.has(address),
    );
    for (const { address } of news) this.#known.add(address);
    return news;
  }
}

/** For the event of a Node. Without a number: the same event again is counted, not written again. */
export function nearlyUsedUp({ natGateway, cluster, address, destination }: NatGatewayUse): string {
  const more = cluster
    ? `flyover cluster update ${cluster} --nat-gateway-managed-outbound-ip-count COUNT`
    : 'another gateway with more addresses: flyover nat-gateway create, flyover vnet update-subnet --nat-gateway';
  return (
    `SNAT ports run out soon: of the ${PORTS_PER_GATEWAY_ADDRESS} ports that address ${address} of NAT gateway ${natGateway} has ` +
    `for connections to ${destination} nine tenths are in use; when all are, new connections there are dropped. ` +
    `Reuse connections, or give the gateway more addresses (${more})`
  );
}
