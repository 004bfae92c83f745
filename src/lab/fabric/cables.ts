import type { Rtnl } from '../../kernel/netlink/index.ts';
import type { FabricLocation } from './namespace.ts';
import type { Cable, LinkEnd } from './plan.ts';
import { GSO_IPV4_MAX_SIZE } from './ranges.ts';

/** Links that a router may have besides its cables: they come from the kernel or the uplink. */
const FOREIGN_LINKS = new Set(['lo', 'uplink']);

type SocketIn = (namespace: string) => Rtnl;

export function cableKey({ a }: Cable): string {
  return `${a.namespace}/${a.name}`;
}

/** Removes the cables of a router that are not in its plan any more. A cable ends at both ends. */
export function removeExtraLinks(socket: Rtnl, wanted: readonly LinkEnd[]): void {
  const names = new Set(wanted.map((end) => end.name));
  for (const link of socket.links({ kind: 'veth' })) {
    if (names.has(link.name) || FOREIGN_LINKS.has(link.name)) continue;
    socket.deleteLink(link.index, { ifMissing: 'ignore' });
  }
}

/** Makes what is missing of the cables, and returns those it made. */
export function connect(cables: readonly Cable[], socketIn: SocketIn, at: FabricLocation): Cable[] {
  const present = new Map<string, Set<string>>();
  const has = (end: LinkEnd): boolean => {
    let names = present.get(end.namespace);
    if (!names) {
      const links = socketIn(end.namespace).links();
      names = new Set(links.map((link) => link.name));
      present.set(end.namespace, names);
    }
    return names.has(end.name);
  };
  return cables.filter((cable) => {
    const ends = [cable.a, cable.b].filter(has);
    if (ends.length === 2) return false;
    // One end alone leads into a namespace that lost its name, and dies with it, or too late.
    for (const end of ends) socketIn(end.namespace).deleteLink(end.name, { ifMissing: 'ignore' });
    make(cable, socketIn, at);
    return true;
  });
}

function make({ a, b, mtu, alias }: Cable, socketIn: SocketIn, at: FabricLocation): void {
  socketIn(a.namespace).createVeth({
    name: a.name,
    mac: a.mac,
    mtu,
    alias,
    // Without a namespace the peer would be made where this socket lives, and both names may exist there.
    peer: { name: b.name, mac: b.mac, mtu, alias, netns: at.pathOf(b.namespace) },
  });
  for (const end of [a, b]) socketIn(end.namespace).setLink(end.name, { gsoIpv4MaxSize: GSO_IPV4_MAX_SIZE });
}
