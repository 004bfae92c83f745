import { type Connection, type Conntrack, DESTINATION_TRANSLATED } from '../../../kernel/conntrack/index.ts';
import { isKernelError } from '../../../kernel/errno.ts';
import { type Nft, type SetElement, Transaction } from '../../../kernel/nft/index.ts';
import { AFFINITY, FAMILIES, TABLE } from './layout.ts';
import type { Way } from './way.ts';

const UDP = 17;
const protocolNames = new Map([
  [6, 'tcp'],
  [UDP, 'udp'],
  [132, 'sctp'],
]);
/** Remembered clients may expire while they are being forgotten: then all is asked anew. */
const TRIES = 8;

type Ways = ReadonlyMap<string, Way>;

/**
 * Forgets UDP connections to a way that lead elsewhere than it leads now: UDP has no end, and as long as the client
 * keeps sending from the same port conntrack would send it to a backend that is gone, or, where the way had none when
 * the first packet came, nowhere.
 *
 * @param keys ways to look at, also such as are gone
 * @returns how many were forgotten
 */
export function forgetStaleUdp(conntrack: Conntrack, ways: Ways, keys: ReadonlySet<string>): number {
  const suspects = new Set([...keys].filter((key) => key.includes(' . udp . ')));
  if (suspects.size === 0) return 0;
  const allowed = backendSets(ways);
  const stale: Connection[] = [];
  conntrack.each({ protocol: UDP }, (connection) => {
    const { original, reply } = connection;
    const key = `${original.destination} . udp . ${original.destinationPort}`;
    if (!suspects.has(key)) return;
    if (!allowed(key).has(`${reply.source} . ${reply.sourcePort}`)) stale.push(connection);
  });
  return stale.filter((connection) => conntrack.delete(connection)).length;
}

/**
 * Of these backends (`10.244.0.5 . tcp . 8080`) those that a translated connection still leads to.
 */
export function inUse(conntrack: Conntrack, backends: ReadonlySet<string>): Set<string> {
  const found = new Set<string>();
  if (backends.size === 0) return found;
  conntrack.each({ status: DESTINATION_TRANSLATED }, ({ reply }) => {
    const key = `${reply.source} . ${protocolNames.get(reply.protocol)} . ${reply.sourcePort}`;
    if (backends.has(key)) found.add(key);
  });
  return found;
}

/**
 * Forgets clients whose backend their way does not have any more: they choose anew.
 *
 * @param keys ways to look at; all when absent
 */
export function forgetClients(nft: Nft, ways: Ways, keys?: ReadonlySet<string>): void {
  const allowed = backendSets(ways);
  for (const family of FAMILIES) {
    const set = AFFINITY[family];
    for (let tries = 1; ; tries++) {
      const stale: SetElement[] = [];
      for (const { key, data } of nft.listElements(TABLE, set.name)) {
        const parts = key as readonly string[];
        const way = parts.slice(0, 3).join(' . ');
        if (keys !== undefined && !keys.has(way)) continue;
        if (!allowed(way).has((data as readonly string[]).join(' . '))) stale.push({ key: parts });
      }
      if (stale.length === 0) break;
      try {
        nft.commit(new Transaction().deleteElements({ table: TABLE, set, elements: stale }));
        break;
      } catch (error) {
        if (tries === TRIES || !isKernelError(error, 'ENOENT')) throw error;
      }
    }
  }
}

/** The backends of a way as a set, made when it is needed. */
function backendSets(ways: Ways): (key: string) => ReadonlySet<string> {
  const sets = new Map<string, ReadonlySet<string>>();
  return (key) => {
    let found = sets.get(key);
    if (found === undefined) {
      const way = ways.get(key);
      found = new Set([...(way?.backends ?? []), ...(way?.inside ?? [])]);
      sets.set(key, found);
    }
    return found;
  };
}
