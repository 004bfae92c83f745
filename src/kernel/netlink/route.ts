import {
  AttributeReader,
  type MessageWriter,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
} from './attributes.ts';
import { bytesToIp, type Family, familyCode, familyOf, ipToBytes, parsePrefix } from './ip.ts';
import type { NetlinkMessage } from './message.ts';

// include/uapi/linux/rtnetlink.h
export const RTM_NEWROUTE = 24;
export const RTM_DELROUTE = 25;
export const RTM_GETROUTE = 26;
const RTA_DST = 1;
const RTA_IIF = 3;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_PREFSRC = 7;
const RTA_METRICS = 8;
const RTA_MULTIPATH = 9;
const RTA_TABLE = 15;
const RTA_MARK = 16;
const RTA_VIA = 18;
const RTA_SRC = 2;
const RTAX_MTU = 2;
const RTNH_F_ONLINK = 4;
const RTM_LENGTH = 12;
const RT_TABLE_COMPAT = 252;

export const TABLE_MAIN = 254;
export const TABLE_LOCAL = 255;
/** The kernel's own routes carry it. */
export const PROTOCOL_KERNEL = 2;
const PROTOCOL_STATIC = 4;

const TYPES = [
  'unspec',
  'unicast',
  'local',
  'broadcast',
  'anycast',
  'multicast',
  'blackhole',
  'unreachable',
  'prohibit',
  'throw',
] as const;
export type RouteType = Exclude<(typeof TYPES)[number], 'unspec'>;

const SCOPES = { global: 0, site: 200, link: 253, host: 254 } as const;
const SCOPE_NOWHERE = 255;
export type RouteScope = keyof typeof SCOPES;

export interface NextHop {
  readonly via?: string | undefined;
  readonly dev?: string | number | undefined;
  readonly onlink?: boolean | undefined;
  /** 1..256, default 1. */
  readonly weight?: number | undefined;
}

export interface RouteSpec extends Omit<NextHop, 'weight'> {
  /** A prefix, an address, or `default` (of IPv4 unless `family` or `via` says IPv6). */
  readonly dst: string;
  readonly family?: Family | undefined;
  readonly scope?: RouteScope | undefined;
  /** Default `unicast`; a deletion without it takes any. */
  readonly type?: RouteType | undefined;
  /** Default main (254), or local (255) for routes of type `local`. */
  readonly table?: number | undefined;
  /** Default 4 (static); a deletion without it takes any. */
  readonly protocol?: number | undefined;
  readonly metric?: number | undefined;
  /** The source address for packets of this machine. */
  readonly src?: string | undefined;
  readonly mtu?: number | undefined;
  /** Several next hops instead of `via` and `dev`. */
  readonly nexthops?: readonly NextHop[] | undefined;
}

export interface Route {
  readonly dst: string;
  readonly family: Family;
  readonly via?: string;
  /** Index of the outgoing link; the same as `linkIndex`, so that a route read can be given back. */
  readonly dev?: number;
  readonly linkIndex?: number;
  readonly onlink?: boolean;
  readonly scope?: RouteScope;
  readonly type: RouteType;
  readonly table: number;
  readonly protocol: number;
  readonly metric?: number;
  readonly src?: string;
  readonly mtu?: number;
  readonly nexthops?: readonly { via?: string; dev: number; onlink?: boolean; weight: number }[];
}

export interface RouteFilter {
  /** Default main (254); `all` for every table. */
  readonly table?: number | 'all' | undefined;
  readonly family?: Family | undefined;
  readonly dev?: string | number | undefined;
  readonly protocol?: number | undefined;
  readonly type?: RouteType | undefined;
}

export type RouteVerb = 'add' | 'replace' | 'delete';
const FLAGS: Readonly<Record<RouteVerb, number>> = {
  add: NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
  replace: NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE,
  delete: NLM_F_ACK,
};

/** Turns a link's name or index into its index. */
export type LinkResolver = (dev: string | number) => number;

export function writeRoute(
  writer: MessageWriter,
  verb: RouteVerb,
  route: RouteSpec,
  link: LinkResolver,
): void {
  const anyDefault = route.dst === 'default';
  const prefix = anyDefault ? undefined : parsePrefix(route.dst, 'route dst');
  const via = route.via === undefined ? undefined : ipToBytes(route.via, 'route via');
  const family = prefix?.family ?? route.family ?? (via?.length === 16 ? 6 : 4);
  if (route.family !== undefined && route.family !== family)
    throw new RangeError(
      `route dst "${route.dst}" family ${route.family}: the prefix is of family ${family}`,
    );
  const adding = verb !== 'delete';
  const type = route.type ?? (adding ? 'unicast' : undefined);
  const table = route.table ?? (type === 'local' ? TABLE_LOCAL : TABLE_MAIN);
  writer
    .begin(adding ? RTM_NEWROUTE : RTM_DELROUTE, FLAGS[verb])
    .u8(familyCode(family))
    .u8(prefix?.length ?? 0)
    .zero(2)
    .u8(table < 256 ? table : RT_TABLE_COMPAT)
    .u8(route.protocol ?? (adding ? PROTOCOL_STATIC : 0))
    .u8(scopeCode(route, adding, type))
    .u8(type === undefined ? 0 : TYPES.indexOf(type))
    .u32(route.onlink ? RTNH_F_ONLINK : 0);
  if (table >= 256) writer.attrU32(RTA_TABLE, table);
  if (prefix && prefix.length > 0) writer.attrBytes(RTA_DST, prefix.bytes);
  if (route.metric !== undefined) writer.attrU32(RTA_PRIORITY, route.metric);
  if (route.src !== undefined) writer.attrBytes(RTA_PREFSRC, ipToBytes(route.src, 'route src'));
  if (route.mtu !== undefined) {
    const metrics = writer.openNest(RTA_METRICS);
    writer.attrU32(RTAX_MTU, route.mtu).closeNest(metrics);
  }
  if (via) writeGateway(writer, via, family);
  if (route.dev !== undefined) writer.attrU32(RTA_OIF, link(route.dev));
  if (route.nexthops) writeNextHops(writer, route.nexthops, family, link);
}

/** The narrowest scope that fits, as `ip route` chooses it; the kernel refuses a wider one. */
function scopeCode(route: RouteSpec, adding: boolean, type: RouteType | undefined): number {
  if (route.scope !== undefined) return SCOPES[route.scope];
  if (!adding) return SCOPE_NOWHERE;
  if (type === 'local') return SCOPES.host;
  if (type === 'broadcast' || type === 'multicast' || type === 'anycast') return SCOPES.link;
  if (type === 'unicast' && route.via === undefined && route.nexthops === undefined) return SCOPES.link;
  return SCOPES.global;
}

function writeGateway(writer: MessageWriter, via: Uint8Array, family: Family): void {
  const viaFamily = via.length === 4 ? 4 : 6;
  if (viaFamily === family) {
    writer.attrBytes(RTA_GATEWAY, via);
    return;
  }
  const start = writer.openNest(RTA_VIA, true);
  writer.u16(familyCode(viaFamily)).raw(via).closeNest(start);
}

/** `struct rtnexthop` has a length like an attribute's, and attributes inside. */
function writeNextHops(
  writer: MessageWriter,
  hops: readonly NextHop[],
  family: Family,
  link: LinkResolver,
): void {
  const list = writer.openNest(RTA_MULTIPATH, true);
  for (const hop of hops) {
    const weight = hop.weight ?? 1;
    if (!Number.isInteger(weight) || weight < 1 || weight > 256)
      throw new RangeError(`route nexthop weight ${weight}: must be a whole number from 1 to 256`);
    // The upper half of the first word is flags and weight where an attribute has its type.
    const start = writer.openNest((hop.onlink ? RTNH_F_ONLINK : 0) | ((weight - 1) << 8), true);
    writer.u32(hop.dev === undefined ? 0 : link(hop.dev));
    if (hop.via !== undefined) writeGateway(writer, ipToBytes(hop.via, 'route nexthop via'), family);
    writer.closeNest(start);
  }
  writer.closeNest(list);
}

/** `filter` in the request's header: the kernel leaves out the rest before it is copied. */
export function writeGetRoutes(
  writer: MessageWriter,
  family: Family,
  filter: RouteFilter,
  index: number | undefined,
): void {
  const table = filter.table === 'all' ? 0 : (filter.table ?? TABLE_MAIN);
  writer
    .begin(RTM_GETROUTE, 0)
    .u8(familyCode(family))
    .zero(3)
    .u8(table < 256 ? table : 0)
    .u8(filter.protocol ?? 0)
    .u8(0)
    .u8(filter.type === undefined ? 0 : TYPES.indexOf(filter.type))
    .u32(0);
  if (table >= 256) writer.attrU32(RTA_TABLE, table);
  if (index !== undefined) writer.attrU32(RTA_OIF, index);
}

export interface RouteLookup {
  readonly src?: string | undefined;
  readonly mark?: number | undefined;
  /** The link on which the packet came in. */
  readonly iif?: string | number | undefined;
}

export function writeLookup(
  writer: MessageWriter,
  address: string,
  lookup: RouteLookup,
  link: LinkResolver,
): void {
  const bytes = ipToBytes(address);
  const src = lookup.src === undefined ? undefined : ipToBytes(lookup.src, 'lookup src');
  const family = bytes.length === 4 ? 4 : 6;
  writer
    .begin(RTM_GETROUTE, 0)
    .u8(familyCode(family))
    .u8(bytes.length * 8)
    .u8(src ? src.length * 8 : 0)
    .zero(9)
    .attrBytes(RTA_DST, bytes);
  if (src) writer.attrBytes(RTA_SRC, src);
  if (lookup.mark !== undefined) writer.attrU32(RTA_MARK, lookup.mark);
  if (lookup.iif !== undefined) writer.attrU32(RTA_IIF, link(lookup.iif));
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export function readRoute(message: NetlinkMessage): Route {
  const code = message.u8(0);
  const length = message.u8(1);
  const family = familyOf(code);
  const type = TYPES[message.u8(7)] ?? 'unicast';
  const route: Mutable<Route> = {
    dst: 'default',
    family,
    type: type === 'unspec' ? 'unicast' : type,
    table: message.u8(4),
    protocol: message.u8(5),
  };
  let dst: Buffer | undefined;
  const reader = message.attributes(RTM_LENGTH);
  while (reader.next()) {
    switch (reader.type) {
      case RTA_DST:
        dst = reader.bytes();
        break;
      case RTA_OIF:
        route.linkIndex = reader.u32();
        route.dev = route.linkIndex;
        break;
      case RTA_GATEWAY:
        route.via = bytesToIp(reader.bytes());
        break;
      case RTA_VIA:
        route.via = bytesToIp(reader.bytes().subarray(2));
        break;
      case RTA_PRIORITY:
        route.metric = reader.u32();
        break;
      case RTA_PREFSRC:
        route.src = bytesToIp(reader.bytes());
        break;
      case RTA_METRICS:
        readMetrics(reader.nested(), route);
        break;
      case RTA_MULTIPATH:
        route.nexthops = readNextHops(reader.bytes());
        break;
      case RTA_TABLE:
        route.table = reader.u32();
        break;
    }
  }
  if (dst) route.dst = `${bytesToIp(dst)}/${length}`;
  const scope = scopeName(message.u8(6));
  if (scope) route.scope = scope;
  if (message.u32(8) & RTNH_F_ONLINK) route.onlink = true;
  return route;
}

function readMetrics(reader: AttributeReader, route: Mutable<Route>): void {
  while (reader.next()) if (reader.type === RTAX_MTU) route.mtu = reader.u32();
}

function readNextHops(bytes: Buffer): NonNullable<Route['nexthops']> {
  const hops: { via?: string; dev: number; onlink?: boolean; weight: number }[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at + 8 <= bytes.length; ) {
    const length = view.getUint16(at, true);
    if (length < 8 || at + length > bytes.length) break;
    const hop: (typeof hops)[number] = {
      dev: view.getInt32(at + 4, true),
      weight: view.getUint8(at + 3) + 1,
    };
    if (view.getUint8(at + 2) & RTNH_F_ONLINK) hop.onlink = true;
    const reader = AttributeReader.over(bytes.subarray(at + 8, at + length));
    while (reader.next()) {
      if (reader.type === RTA_GATEWAY) hop.via = bytesToIp(reader.bytes());
      else if (reader.type === RTA_VIA) hop.via = bytesToIp(reader.bytes().subarray(2));
    }
    hops.push(hop);
    at += (length + 3) & ~3;
  }
  return hops;
}

function scopeName(code: number): RouteScope | undefined {
  if (code === 0) return 'global';
  if (code === 253) return 'link';
  if (code === 254) return 'host';
  return code === 200 ? 'site' : undefined;
}
