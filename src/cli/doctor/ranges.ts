import { readFileSync } from 'node:fs';
import { cidrsOverlap, parseCidr } from '../../address/cidr.ts';
import { isKernelError } from '../../kernel/errno.ts';
import { Rtnl } from '../../kernel/netlink/rtnl.ts';
import { MACHINE_LINK } from '../../lab/fabric/names.ts';
import { MACHINE_LINK_RANGE, PUBLIC_RANGE } from '../../lab/fabric/ranges.ts';
import type { Check } from './check.ts';

/** A route of this machine, of whatever table. */
export interface MachineRoute {
  /** A prefix: `10.0.0.0/8`. */
  dst: string;
  dev: string | undefined;
}

/** The machine gets a route to each of these while a lab is up. Everything else stays inside the lab. */
const RANGES = [
  { name: 'lab addresses', cidr: PUBLIC_RANGE, use: "the lab's public addresses (RFC 2544)" },
  { name: 'lab link', cidr: MACHINE_LINK_RANGE, use: 'the link between this machine and the lab (RFC 2544)' },
] as const;

/** Routes as broad as these are ways out, whatever they are called: VPNs write two halves instead of a default. */
const BROADEST = 1;

/** Every IPv4 route of every table; without the right to ask for these, those of the main table. */
export function collectRoutes(): MachineRoute[] {
  try {
    return readAllTables();
  } catch (error) {
    if (!isKernelError(error, 'EPERM', 'EACCES')) throw error;
    return parseMainTable(readFileSync('/proc/net/route', 'utf8'));
  }
}

function readAllTables(): MachineRoute[] {
  using rt = Rtnl.open();
  const names = new Map(rt.links().map((link) => [link.index, link.name]));
  return rt
    .routes({ family: 4, table: 'all' })
    .filter((route) => route.type !== 'multicast' && route.type !== 'broadcast')
    .map((route) => ({
      dst: route.dst === 'default' ? '0.0.0.0/0' : route.dst.includes('/') ? route.dst : `${route.dst}/32`,
      dev: route.linkIndex === undefined ? undefined : names.get(route.linkIndex),
    }));
}

/** Reads /proc/net/route, whose addresses are hexadecimal words in the order of a little-endian machine. */
export function parseMainTable(text: string): MachineRoute[] {
  return text
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields.length >= 8)
    .map((fields) => {
      const mask = bytesOf(fields[7]!);
      const prefixLength = mask
        .map((byte) => byte.toString(2).replaceAll('0', '').length)
        .reduce((a, b) => a + b);
      return { dst: `${bytesOf(fields[1]!).join('.')}/${prefixLength}`, dev: fields[0] };
    });
}

function bytesOf(word: string): number[] {
  return [6, 4, 2, 0].map((at) => Number.parseInt(word.slice(at, at + 2), 16));
}

export function rangeChecks(routes: readonly MachineRoute[]): Check[] {
  return RANGES.map(({ name, cidr, use }) => {
    const range = parseCidr(cidr);
    const clashes = routes
      .filter((route) => route.dev !== MACHINE_LINK)
      .filter((route) => {
        const dst = parseCidr(route.dst);
        return dst.prefixLength > BROADEST && cidrsOverlap(range, dst);
      })
      .map((route) => (route.dev ? `${route.dst} on ${route.dev}` : route.dst));
    const rule = `${cidr} is free: ${use}`;
    if (clashes.length === 0) return { name, status: 'ok', found: 'free', rule };
    return {
      name,
      status: 'fail',
      found: `this machine routes ${[...new Set(clashes)].join(', ')}`,
      rule,
      fix: `remove that route (ip route show table all), or give that network other addresses: ${cidr} is reserved for documentation and tests`,
    };
  });
}
