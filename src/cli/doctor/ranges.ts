import { cidrsOverlap, parseCidr } from '../../address/cidr.ts';
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

/** Every IPv4 route of every table but multicast and broadcast ones. Needs no root. */
export function collectRoutes(): MachineRoute[] {
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
