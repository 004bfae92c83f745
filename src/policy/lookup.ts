import { parseAddress } from '../address/ip.ts';
import type { Decision, Direction, Packet } from './decision.ts';
import { baseOf, OPEN_PROFILE, type PolicyTables, rowKey, WORLD_CLASS } from './tables.ts';

/**
 * What a node's tables say about a packet at one end, step by step as the kernel does it. Undefined when the end is no
 * pod of this node.
 */
export function lookup(tables: PolicyTables, direction: Direction, packet: Packet): Decision | undefined {
  const [subject, peer] =
    direction === 'ingress' ? [packet.destination, packet.source] : [packet.source, packet.destination];
  const profile = tables[direction].get(subject);
  if (profile === undefined) return undefined;
  if (subject === peer) return { verdict: 'accept', decidedBy: 'itself' };
  if (direction === 'ingress' && tables.node.has(peer)) return { verdict: 'accept', decidedBy: 'own node' };
  if (profile === OPEN_PROFILE) return { verdict: 'accept', decidedBy: 'not isolated' };
  const peerClass = tables.addresses.get(peer) ?? networkClass(tables, peer);
  const row = [peerClass, baseOf(peerClass), WORLD_CLASS]
    .map((one) => tables.rows.get(rowKey(profile, one)))
    .find((one) => one !== undefined);
  const outcome = tables.outcomes.get(row!)!;
  const piece = outcome.pieces.find(
    ({ protocol, first, last }) =>
      protocol === packet.protocol && packet.port >= first && packet.port <= last,
  );
  const { verdict, decidedBy } = piece ?? outcome.rest;
  return { verdict, decidedBy };
}

function networkClass({ networks }: PolicyTables, address: string): number {
  const { family, value } = parseAddress(address);
  for (const network of networks.values())
    if (network.family === family && network.first <= value && value <= network.last) return network.class;
  return WORLD_CLASS;
}
