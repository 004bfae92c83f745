import type { Link, Rtnl, Rule, RuleSpec } from '../../kernel/netlink/index.ts';
import type { NamespacePlan, RoutePlan } from './plan.ts';

/** `proto static`: what tells the fabric's routes from those of others, such as the uplink's. */
const PROTOCOL = 4;
/** The numbers of the routing tables `local` and `main`. */
const LOCAL = 255;
const MAIN = 254;

type Links = ReadonlyMap<string, Link>;

/** Brings links, addresses, neighbours and routes of one namespace to its plan; what is right is not touched. */
export function configure(namespace: NamespacePlan, socket: Rtnl): void {
  const links: Links = new Map(socket.links().map((link) => [link.name, link]));
  const own = new Set([...namespace.neighbours, ...namespace.addresses].map((entry) => entry.dev));
  if (namespace.role !== 'machine') own.add('lo');
  for (const name of own) if (links.get(name)?.up === false) socket.setLink(name, { up: true });
  configureAddresses(namespace, socket, links);
  configureNeighbours(namespace, socket, links);
  configureRoutes(namespace, socket, links);
  if (namespace.role === 'router') configureRules(namespace, socket);
}

function configureAddresses(namespace: NamespacePlan, socket: Rtnl, links: Links): void {
  const key = (link: number | undefined, address: string): string => `${link} ${address}`;
  const present = socket.addresses(undefined, { family: 4 });
  const has = new Set(present.map((entry) => key(entry.linkIndex, entry.address)));
  const wanted = new Set<string>();
  for (const { dev, address, prefixLength } of namespace.addresses) {
    const id = key(links.get(dev)?.index, address);
    wanted.add(id);
    if (!has.has(id)) socket.addAddress(dev, { address, prefixLength, noPrefixRoute: true });
  }
  if (namespace.role !== 'router') return;
  const lo = links.get('lo')?.index;
  for (const { linkIndex, address, prefixLength } of present) {
    if (linkIndex !== lo || address === '127.0.0.1' || wanted.has(key(linkIndex, address))) continue;
    socket.deleteAddress('lo', { address, prefixLength });
  }
}

/** Entries that are too much are harmless: nothing leads there. They go with their link. */
function configureNeighbours(namespace: NamespacePlan, socket: Rtnl, links: Links): void {
  const key = (link: number | undefined, address: string, mac = ''): string => `${link} ${address} ${mac}`;
  const present = new Set(
    socket
      .neighbours({ family: 4 })
      .filter((entry) => entry.state === 'permanent')
      .map((entry) => key(entry.linkIndex, entry.address, entry.mac)),
  );
  for (const entry of namespace.neighbours) {
    if (present.has(key(links.get(entry.dev)?.index, entry.address, entry.mac))) continue;
    socket.setNeighbour({ ...entry, state: 'permanent' });
  }
}

/** What a route does, but for where it leads to. A plan has one route for each destination of a table. */
function manner(route: Pick<RoutePlan, 'type' | 'dev' | 'via'>): string {
  return route.type === 'unicast' ? `${route.dev} ${route.via ?? ''}` : route.type;
}

function isDeadEnd(type: string): type is 'unreachable' | 'blackhole' {
  return type === 'unreachable' || type === 'blackhole';
}

function configureRoutes(namespace: NamespacePlan, socket: Rtnl, links: Links): void {
  const nameOf = new Map([...links.values()].map((link) => [link.index, link.name]));
  const present = new Map<string, RoutePlan & { table: number }>();
  const id = ({ dst, table = MAIN }: RoutePlan): string => `${table} ${dst}`;
  for (const { dst, type, linkIndex, via, protocol, table } of socket.routes({ family: 4, table: 'all' })) {
    if (protocol !== PROTOCOL || table === LOCAL) continue;
    const dev = linkIndex === undefined ? undefined : nameOf.get(linkIndex);
    present.set(id({ dst, table, type: 'unicast' }), {
      dst,
      table,
      type: isDeadEnd(type) ? type : 'unicast',
      ...(dev ? { dev } : {}),
      ...(via ? { via } : {}),
    });
  }
  for (const route of namespace.routes) {
    const { dst, type, dev, via, table = MAIN } = route;
    const is = present.get(id(route));
    present.delete(id(route));
    if (is && manner(is) === manner(route)) continue;
    socket.replaceRoute({
      dst,
      family: 4,
      table,
      type,
      protocol: PROTOCOL,
      ...(dev ? { dev } : {}),
      ...(via ? { via, onlink: true } : type === 'unicast' ? { scope: 'link' } : {}),
    });
  }
  // A node's and a host's other routes belong to its agent or its user; the machine's to the machine.
  if (namespace.role !== 'router') return;
  for (const { dst, type, dev, table } of present.values()) {
    socket.deleteRoute({ dst, family: 4, type, table, ...(dev ? { dev } : {}) }, { ifMissing: 'ignore' });
  }
}

/** Rules come after the routes that they lead to. */
function configureRules(namespace: NamespacePlan, socket: Rtnl): void {
  // The kernel does not tell a mark of 0, though it is a condition, too.
  const id = ({ priority, mark = 0, iif, table }: RuleSpec): string => [priority, mark, iif, table].join(' ');
  const present = new Map<string, Rule>();
  for (const rule of socket.rules({ family: 4 })) if (rule.protocol === PROTOCOL) present.set(id(rule), rule);
  for (const rule of namespace.rules) {
    if (present.delete(id(rule))) continue;
    socket.addRule({ ...rule, family: 4, ...(rule.mark === undefined ? {} : { mask: 0xffffffff }) });
  }
  for (const { priority, table } of present.values()) {
    socket.deleteRule({ priority, table, family: 4 }, { ifMissing: 'ignore' });
  }
}
