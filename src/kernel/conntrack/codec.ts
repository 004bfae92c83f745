import type { AttributeReader, MessageWriter } from '../netlink/attributes.ts';
import { bytesToIp, ipToBytes } from '../netlink/ip.ts';
import type { NetlinkMessage } from '../netlink/message.ts';
import type { Connection, ConnectionFilter, Tuple } from './conntrack.ts';

// linux/netfilter/nfnetlink_conntrack.h
export const NFNL_SUBSYS_CTNETLINK = 1 << 8;
export const MSG = { get: 1, delete: 2, getStats: 5 } as const;
const CTA = {
  original: 1,
  reply: 2,
  status: 3,
  timeout: 7,
  mark: 8,
  id: 12,
  zone: 18,
  markMask: 21,
  filter: 25,
  statusMask: 26,
} as const;
const TUPLE = { ip: 1, proto: 2 } as const;
const IP = { source4: 1, destination4: 2, source6: 3, destination6: 4 } as const;
const PROTO = {
  number: 1,
  sourcePort: 2,
  destinationPort: 3,
  icmpId: 4,
  icmpType: 5,
  icmpCode: 6,
  icmp6Id: 7,
  icmp6Type: 8,
  icmp6Code: 9,
} as const;
const FILTER_ORIGINAL_FLAGS = 1;
/** CTA_FILTER_F_CTA_PROTO_NUM: bit of CTA_FILTER_ORIG_FLAGS that says which part of the tuple counts. */
const FILTER_PROTOCOL = 1 << 3;
const STATS_ENTRIES = 1;
const AF_INET = 2;
const AF_INET6 = 10;
/** `struct nfgenmsg` */
const HEADER = 4;

export function beginMessage(w: MessageWriter, message: number, family: 4 | 6 | undefined): MessageWriter {
  const number = family === undefined ? 0 : family === 4 ? AF_INET : AF_INET6;
  return w
    .begin(NFNL_SUBSYS_CTNETLINK | message, 0)
    .u8(number)
    .u8(0)
    .be16(0);
}

/** What the kernel can leave out by itself (Linux 5.8, status 6.0); an older one gives everything. */
export function writeFilter(w: MessageWriter, filter: ConnectionFilter): void {
  const { family, protocol, status, mark } = filter;
  // The kernel takes a tuple only together with a family.
  if (protocol !== undefined && family !== undefined) {
    const tuple = w.openNest(CTA.original);
    const proto = w.openNest(TUPLE.proto);
    w.attrU8(PROTO.number, protocol);
    w.closeNest(proto);
    w.closeNest(tuple);
    const nest = w.openNest(CTA.filter);
    w.attrU32(FILTER_ORIGINAL_FLAGS, FILTER_PROTOCOL);
    w.closeNest(nest);
  }
  if (status !== undefined) w.attrBe32(CTA.status, status).attrBe32(CTA.statusMask, status);
  if (mark !== undefined) w.attrBe32(CTA.mark, mark.value >>> 0).attrBe32(CTA.markMask, mark.mask >>> 0);
}

export function passes(connection: Connection, filter: ConnectionFilter): boolean {
  const { family, protocol, status, mark } = filter;
  return (
    (family === undefined || connection.family === family) &&
    (protocol === undefined || connection.original.protocol === protocol) &&
    (status === undefined || (connection.status & status) === status) &&
    (mark === undefined || (connection.mark & mark.mask) >>> 0 === (mark.value & mark.mask) >>> 0)
  );
}

/** By its original tuple, zone and number: never another connection that came later. */
export function writeConnection(w: MessageWriter, { family, original, zone, id }: Connection): void {
  const tuple = w.openNest(CTA.original);
  const addresses = w.openNest(TUPLE.ip);
  w.attrBytes(family === 4 ? IP.source4 : IP.source6, ipToBytes(original.source));
  w.attrBytes(family === 4 ? IP.destination4 : IP.destination6, ipToBytes(original.destination));
  w.closeNest(addresses);
  const proto = w.openNest(TUPLE.proto);
  w.attrU8(PROTO.number, original.protocol);
  const { icmp } = original;
  if (icmp) {
    const [idOf, type, code] =
      family === 4
        ? [PROTO.icmpId, PROTO.icmpType, PROTO.icmpCode]
        : [PROTO.icmp6Id, PROTO.icmp6Type, PROTO.icmp6Code];
    w.attrBe16(idOf, icmp.id).attrU8(type, icmp.type).attrU8(code, icmp.code);
  } else if (original.sourcePort !== undefined) {
    w.attrBe16(PROTO.sourcePort, original.sourcePort);
    w.attrBe16(PROTO.destinationPort, original.destinationPort ?? 0);
  }
  w.closeNest(proto);
  w.closeNest(tuple);
  if (zone !== 0) w.attrBe16(CTA.zone, zone);
  w.attrBe32(CTA.id, id);
}

/** Undefined for what is neither IPv4 nor IPv6. */
export function readConnection(message: NetlinkMessage): Connection | undefined {
  const number = message.u8(0);
  if (number !== AF_INET && number !== AF_INET6) return undefined;
  let original: Tuple | undefined;
  let reply: Tuple | undefined;
  let timeout: number | undefined;
  let [id, status, mark, zone] = [0, 0, 0, 0];
  const reader = message.attributes(HEADER);
  while (reader.next()) {
    switch (reader.type) {
      case CTA.original:
        original = readTuple(reader.nested());
        break;
      case CTA.reply:
        reply = readTuple(reader.nested());
        break;
      case CTA.status:
        status = reader.be32();
        break;
      case CTA.timeout:
        timeout = reader.be32();
        break;
      case CTA.mark:
        mark = reader.be32();
        break;
      case CTA.id:
        id = reader.be32();
        break;
      case CTA.zone:
        zone = reader.be16();
    }
  }
  if (original === undefined || reply === undefined) return undefined;
  const family = number === AF_INET ? 4 : 6;
  const known = { family, original, reply, id, status, mark, zone } as const;
  return timeout === undefined ? known : { ...known, timeout };
}

/** How many connections the namespace has, from the answer to {@link MSG.getStats}. */
export function readCount(message: NetlinkMessage): number | undefined {
  const reader = message.attributes(HEADER);
  while (reader.next()) if (reader.type === STATS_ENTRIES) return reader.be32();
  return undefined;
}

function readTuple(reader: AttributeReader): Tuple {
  let [source, destination, protocol] = ['', '', 0];
  let sourcePort: number | undefined;
  let destinationPort: number | undefined;
  const icmp = { type: 0, code: 0, id: 0 };
  let isIcmp = false;
  while (reader.next()) {
    const inner = reader.nested();
    if (reader.type === TUPLE.ip) {
      while (inner.next()) {
        if (inner.type === IP.source4 || inner.type === IP.source6) source = bytesToIp(inner.bytes());
        else if (inner.type === IP.destination4 || inner.type === IP.destination6)
          destination = bytesToIp(inner.bytes());
      }
    } else if (reader.type === TUPLE.proto) {
      while (inner.next()) {
        switch (inner.type) {
          case PROTO.number:
            protocol = inner.u8();
            break;
          case PROTO.sourcePort:
            sourcePort = inner.be16();
            break;
          case PROTO.destinationPort:
            destinationPort = inner.be16();
            break;
          case PROTO.icmpId:
          case PROTO.icmp6Id:
            icmp.id = inner.be16();
            isIcmp = true;
            break;
          case PROTO.icmpType:
          case PROTO.icmp6Type:
            icmp.type = inner.u8();
            break;
          case PROTO.icmpCode:
          case PROTO.icmp6Code:
            icmp.code = inner.u8();
        }
      }
    }
  }
  return {
    source,
    destination,
    protocol,
    ...(sourcePort === undefined ? {} : { sourcePort }),
    ...(destinationPort === undefined ? {} : { destinationPort }),
    ...(isIcmp ? { icmp } : {}),
  };
}
