import { readdirSync } from 'node:fs';
import { Rtnl } from '../../kernel/netlink/index.ts';
import {
  createNamespace,
  deleteNamespace,
  namespaceExists,
  namespaceId,
  setNetSysctl,
} from '../../kernel/netns.ts';
import { applyFilter } from './filter.ts';
import type { Cable, FabricPlan, NamespacePlan } from './plan.ts';

/** `proto static`: what tells the fabric's routes from those of others, such as the uplink's. */
const PROTOCOL = 4;

/** Links that the fabric finds in its namespaces and leaves alone: they come from the kernel or the uplink. */
const FOREIGN_LINKS = new Set(['lo', 'uplink']);

export interface FabricLocation {
  /** The folder that namespaces are pinned in. */
  folder: string;
  /** The file behind a namespace; for `MACHINE` the machine's own. */
  pathOf(name: string): string;
}

/**
 * Brings the kernel to a plan, whatever it finds: what is missing is made, what differs is set, what is too
 * much is removed. Applying a plan twice changes nothing the second time, so it is also how a new
 * supervisor takes over from a killed one.
 *
 * Synchronous: nobody sees a half-applied plan from within this process.
 */
export function applyPlan(plan: FabricPlan, at: FabricLocation): void {
  const sockets = new Map<string, Rtnl>();
  const socketIn = (name: string): Rtnl => {
    let socket = sockets.get(name);
    if (!socket) {
      socket = Rtnl.open({ netns: at.pathOf(name) });
      sockets.set(name, socket);
    }
    return socket;
  };
  try {
    for (const namespace of plan.namespaces.values()) {
      if (namespace.role !== 'machine' && !namespaceExists(at.pathOf(namespace.name))) {
        createNamespace(at.pathOf(namespace.name));
        prepare(namespace, at.pathOf(namespace.name));
      }
    }
    removeStrays(plan, at);
    const wanted = linksByNamespace(plan.cables);
    for (const namespace of plan.namespaces.values()) {
      if (namespace.role === 'router')
        removeExtraLinks(socketIn(namespace.name), wanted.get(namespace.name) ?? new Set());
    }
    connect(plan.cables, socketIn, at);
    for (const namespace of plan.namespaces.values()) {
      configure(namespace, socketIn(namespace.name));
      if (namespace.filter) {
        const path = at.pathOf(namespace.name);
        applyFilter(namespace.filter, path, `${path} ${namespaceId(path)}`);
      }
    }
  } finally {
    for (const socket of sockets.values()) socket.close();
  }
}

/** Unpins every namespace of the lab; their links, routes and tables die with them. */
export function removeFabric(at: FabricLocation): void {
  for (const name of pinned(at)) deleteNamespace(at.pathOf(name));
}

/** Settings that a namespace inherits from the machine, or gets from the kernel, and that the fabric needs otherwise. */
function prepare(namespace: NamespacePlan, path: string): void {
  const set = (name: string, value: number): void => setNetSysctl(path, name, value);
  for (const scope of ['all', 'default']) {
    // Sources are checked per port by the filter, which also counts; reverse-path checks would drop silently.
    set(`ipv4/conf/${scope}/rp_filter`, 0);
    set(`ipv4/conf/${scope}/send_redirects`, 0);
    set(`ipv4/conf/${scope}/accept_redirects`, 0);
  }
  const router = namespace.role === 'router';
  set('ipv4/ip_forward', router ? 1 : 0);
  // The fabric is IPv4 so far; router links would otherwise send router solicitations into it.
  if (router) for (const scope of ['all', 'default']) set(`ipv6/conf/${scope}/disable_ipv6`, 1);
  else for (const scope of ['all', 'default']) set(`ipv6/conf/${scope}/accept_ra`, 0);
}

function pinned(at: FabricLocation): string[] {
  try {
    return readdirSync(at.folder);
  } catch {
    return [];
  }
}

function removeStrays(plan: FabricPlan, at: FabricLocation): void {
  const wanted = new Set([...plan.namespaces.keys()].map((name) => at.pathOf(name)));
  for (const name of pinned(at)) if (!wanted.has(at.pathOf(name))) deleteNamespace(at.pathOf(name));
}

function linksByNamespace(cables: Cable[]): Map<string, Set<string>> {
  const links = new Map<string, Set<string>>();
  for (const end of cables.flatMap((cable) => [cable.a, cable.b])) {
    const names = links.get(end.namespace) ?? new Set();
    links.set(end.namespace, names.add(end.name));
  }
  return links;
}

function removeExtraLinks(socket: Rtnl, wanted: Set<string>): void {
  for (const link of socket.links()) {
    if (link.kind === 'veth' && !wanted.has(link.name) && !FOREIGN_LINKS.has(link.name)) {
      socket.deleteLink(link.index, { ifMissing: 'ignore' });
    }
  }
}

/** Makes the cables that are missing. A veth lives and dies as a pair, so one end tells for both. */
function connect(cables: Cable[], socketIn: (name: string) => Rtnl, at: FabricLocation): void {
  const present = new Map<string, Set<string>>();
  for (const { a, b, mtu, alias } of cables) {
    let names = present.get(a.namespace);
    if (!names) {
      names = new Set(
        socketIn(a.namespace)
          .links()
          .map((link) => link.name),
      );
      present.set(a.namespace, names);
    }
    if (names.has(a.name)) continue;
    socketIn(a.namespace).createVeth({
      name: a.name,
      mac: a.mac,
      mtu,
      alias,
      peer: {
        name: b.name,
        mac: b.mac,
        mtu,
        // Without a namespace the peer is made where this socket lives.
        ...(b.namespace === a.namespace ? {} : { netns: at.pathOf(b.namespace) }),
      },
    });
    socketIn(b.namespace).setLink(b.name, { alias });
    names.add(a.name);
  }
}

function configure(namespace: NamespacePlan, socket: Rtnl): void {
  const links = new Map(socket.links().map((link) => [link.name, link]));
  const ours = new Set([
    ...namespace.neighbours.map((entry) => entry.dev),
    ...namespace.addresses.map((a) => a.dev),
  ]);
  if (namespace.role !== 'machine') ours.add('lo');
  for (const name of ours) if (links.get(name)?.up === false) socket.setLink(name, { up: true });
  configureAddresses(namespace, socket, links);
  for (const entry of namespace.neighbours) socket.setNeighbour({ ...entry, state: 'permanent' });
  configureRoutes(namespace, socket, links);
}

type Links = Map<string, { name: string; index: number }>;

function configureAddresses(namespace: NamespacePlan, socket: Rtnl, links: Links): void {
  const key = (dev: number, address: string): string => `${dev} ${address}`;
  const present = new Set(socket.addresses().map((entry) => key(entry.linkIndex, entry.address)));
  const wanted = new Set<string>();
  for (const entry of namespace.addresses) {
    const id = key(links.get(entry.dev)!.index, entry.address);
    wanted.add(id);
    if (!present.has(id)) {
      socket.addAddress(entry.dev, {
        address: entry.address,
        prefixLength: entry.prefixLength,
        noPrefixRoute: true,
      });
    }
  }
  if (namespace.role !== 'router') return;
  const lo = links.get('lo')!.index;
  for (const entry of socket.addresses('lo')) {
    if (entry.family === 4 && entry.address !== '127.0.0.1' && !wanted.has(key(lo, entry.address))) {
      socket.deleteAddress('lo', { address: entry.address, prefixLength: entry.prefixLength });
    }
  }
}

function configureRoutes(namespace: NamespacePlan, socket: Rtnl, links: Links): void {
  const nameOf = new Map([...links.values()].map((link) => [link.index, link.name]));
  const key = (route: {
    dst: string;
    dev?: string | undefined;
    via?: string | undefined;
    type?: string;
  }): string =>
    `${route.dst} ${route.type === 'unreachable' ? 'unreachable' : `${route.dev} ${route.via ?? ''}`}`;
  const present = new Map<
    string,
    { dst: string; dev?: string; via?: string; type: string; index?: number }
  >();
  for (const route of socket.routes({ family: 4, table: 254 })) {
    if (route.protocol !== PROTOCOL) continue;
    const dev = route.linkIndex === undefined ? undefined : nameOf.get(route.linkIndex);
    const type = route.type ?? 'unicast';
    const described = {
      dst: route.dst,
      type,
      ...(dev ? { dev } : {}),
      ...(route.via ? { via: route.via } : {}),
    };
    present.set(key(described), described);
  }
  const wanted = new Set<string>();
  // On-link routes first: a next hop must be reachable when its route comes.
  const ordered = [...namespace.routes].sort(
    (a, b) => Number(a.via !== undefined) - Number(b.via !== undefined),
  );
  for (const route of ordered) {
    wanted.add(key(route));
    if (present.has(key(route))) continue;
    socket.replaceRoute({
      dst: route.dst,
      family: 4,
      type: route.type,
      protocol: PROTOCOL,
      ...(route.dev ? { dev: route.dev } : {}),
      ...(route.via ? { via: route.via, onlink: true } : route.type === 'unicast' ? { scope: 'link' } : {}),
    });
  }
  // A node's and a host's other routes belong to its agent or its user; the machine's to the machine.
  if (namespace.role !== 'router') return;
  for (const [id, route] of present) {
    if (wanted.has(id)) continue;
    const replaced = namespace.routes.some((candidate) => candidate.dst === route.dst);
    if (!replaced) {
      socket.deleteRoute(
        {
          dst: route.dst,
          family: 4,
          type: route.type as 'unicast',
          ...(route.dev ? { dev: route.dev } : {}),
        },
        { ifMissing: 'ignore' },
      );
    }
  }
}
