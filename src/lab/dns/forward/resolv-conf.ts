import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import type { Upstream } from './exchange.ts';

/** Servers beyond that are not asked, by no resolver. */
const MOST_SERVERS = 3;
const DNS_PORT = 53;

/** The name servers of a resolv.conf. An address with a zone (`fe80::1%eth0`) is one, too. */
export function nameServers(text: string): Upstream[] {
  return [...text.matchAll(/^[ \t]*nameserver[ \t]+(\S+)/gm)]
    .map((found) => found[1]!)
    .filter((address) => isIP(address) !== 0)
    .slice(0, MOST_SERVERS)
    .map((address) => ({ address, port: DNS_PORT }));
}

/** The name servers in a file, which is read again every so often; none while it cannot be read. */
export function serversIn(path: string, everyMs = 5000): () => readonly Upstream[] {
  let servers: readonly Upstream[] = [];
  let readAt = Number.NEGATIVE_INFINITY;
  return () => {
    const now = performance.now();
    if (now - readAt < everyMs) return servers;
    readAt = now;
    try {
      servers = nameServers(readFileSync(path, 'utf8'));
    } catch {
      servers = [];
    }
    return servers;
  };
}
