import type { Outbound } from '../azure/types.ts';

/** SNAT ports of one public address of a load balancer. Source: Azure, "Use SNAT for outbound connections". */
export const PORTS_PER_ADDRESS = 64_000;
const FIRST_PORT = 1024;
/** Ports of one address of a NAT gateway: 64,512. Source: Azure, "SNAT with NAT gateway". */
export const GATEWAY_PORTS = '1024-65535';
/** So many are these. */
export const PORTS_PER_GATEWAY_ADDRESS = 64_512;
/** A connection through a gateway takes the address of one of so many slots: the most addresses that a gateway has. */
export const GATEWAY_SLOTS = 16;

/** SNAT ports of each node: what is configured, or AKS's default for the number of nodes. */
export function portsPerNode(outbound: Outbound, nodes: number): number {
  return outbound.allocatedOutboundPorts || (nodes <= 50 ? 1024 : 512);
}

/** Where a node's SNAT ports lie: the address's number from 0, first and last port; undefined beyond all addresses. */
export function portRange(
  index: number,
  ports: number,
  addresses: number,
): { address: number; first: number; last: number } | undefined {
  const nodesPerAddress = Math.floor(PORTS_PER_ADDRESS / ports);
  const address = Math.floor(index / nodesPerAddress);
  if (address >= addresses) return undefined;
  const first = FIRST_PORT + (index % nodesPerAddress) * ports;
  return { address, first, last: first + ports - 1 };
}

/** The chain that counts the connections of nodes with so many SNAT ports. */
export function portsChain(ports: number): string {
  return `ports_${ports}`;
}

export function portsVerdict(ports: number): string {
  return `jump ${portsChain(ports)}`;
}
