import { type MessageWriter, NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_REPLACE } from './attributes.ts';
import {
  AF_BRIDGE,
  bytesToIp,
  bytesToMac,
  type Family,
  familyCode,
  familyOf,
  ipToBytes,
  macToBytes,
} from './ip.ts';
import type { NetlinkMessage } from './message.ts';

// include/uapi/linux/neighbour.h
export const RTM_NEWNEIGH = 28;
export const RTM_DELNEIGH = 29;
export const RTM_GETNEIGH = 30;
const NDA_DST = 1;
const NDA_LLADDR = 2;
const NDA_VLAN = 5;
const NDA_PORT = 6;
const NDA_VNI = 7;
const NDA_IFINDEX = 8;
const NDA_MASTER = 9;
const NTF_SELF = 2;
const NTF_MASTER = 4;
const NTF_PROXY = 8;
const NTF_ROUTER = 0x80;
const NDM_LENGTH = 12;

const STATES = {
  incomplete: 0x01,
  reachable: 0x02,
  stale: 0x04,
  delay: 0x08,
  probe: 0x10,
  failed: 0x20,
  noarp: 0x40,
  permanent: 0x80,
} as const;

export type NeighbourState = keyof typeof STATES;

export interface NeighbourSpec {
  readonly dev: string | number;
  readonly address: string;
  /** Needed unless `proxy`. */
  readonly mac?: string | undefined;
  /** Answers requests for `address` that come in on `dev`, instead of knowing who has it. */
  readonly proxy?: boolean | undefined;
  /** Default `permanent`. */
  readonly state?: NeighbourState | undefined;
}

export interface Neighbour {
  readonly linkIndex: number;
  readonly family: Family;
  readonly address: string;
  /** Absent while unresolved, and of proxy entries. */
  readonly mac?: string;
  readonly state: NeighbourState | 'none';
  readonly proxy: boolean;
  readonly router: boolean;
}

export interface NeighbourFilter {
  readonly dev?: string | number | undefined;
  readonly family?: Family | undefined;
  /** True: the proxy entries instead of the neighbours. */
  readonly proxy?: boolean | undefined;
}

/** A forwarding entry of a vxlan link (`dst`: the other machine) or of a bridge port (no `dst`). */
export interface FdbSpec {
  readonly dev: string | number;
  /** 00:00:00:00:00:00 is where a vxlan sends what it has no entry for. */
  readonly mac: string;
  readonly dst?: string | undefined;
  /** When other than the link's own. */
  readonly vni?: number | undefined;
  readonly port?: number | undefined;
  /** Adds a further `dst` for the same `mac` instead of replacing it. */
  readonly append?: boolean | undefined;
}

export interface FdbEntry {
  readonly linkIndex: number;
  readonly mac: string;
  readonly dst?: string;
  readonly vni?: number;
  readonly port?: number;
  readonly vlan?: number;
  readonly state: NeighbourState | 'none';
  /** Index of the bridge, for an entry that belongs to one. */
  readonly master?: number;
}

export function writeNeighbour(
  writer: MessageWriter,
  type: typeof RTM_NEWNEIGH | typeof RTM_DELNEIGH,
  spec: NeighbourSpec,
  index: number,
): void {
  const bytes = ipToBytes(spec.address, 'neighbour address');
  const create = type === RTM_NEWNEIGH;
  if (create && !spec.proxy && spec.mac === undefined)
    throw new RangeError(`neighbour ${spec.address} mac: missing; only a proxy entry has none`);
  header(
    writer,
    type,
    create ? NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE : NLM_F_ACK,
    familyCode(bytes.length === 4 ? 4 : 6),
    index,
    STATES[spec.state ?? 'permanent'],
    spec.proxy ? NTF_PROXY : 0,
  ).attrBytes(NDA_DST, bytes);
  if (spec.mac !== undefined) writer.attrBytes(NDA_LLADDR, macToBytes(spec.mac, 'neighbour mac'));
}

export function writeFdb(
  writer: MessageWriter,
  type: typeof RTM_NEWNEIGH | typeof RTM_DELNEIGH,
  spec: FdbSpec,
  index: number,
): void {
  const create = NLM_F_CREATE | (spec.append ? NLM_F_APPEND : NLM_F_REPLACE);
  header(
    writer,
    type,
    type === RTM_NEWNEIGH ? NLM_F_ACK | create : NLM_F_ACK,
    AF_BRIDGE,
    index,
    STATES.noarp | STATES.permanent,
    spec.dst === undefined ? NTF_MASTER : NTF_SELF,
  ).attrBytes(NDA_LLADDR, macToBytes(spec.mac, 'fdb mac'));
  if (spec.dst !== undefined) writer.attrBytes(NDA_DST, ipToBytes(spec.dst, 'fdb dst'));
  if (spec.vni !== undefined) writer.attrU32(NDA_VNI, spec.vni);
  if (spec.port !== undefined) writer.attrBe16(NDA_PORT, spec.port);
}

/** `index` narrows the dump to one link. */
export function writeGetNeighbours(
  writer: MessageWriter,
  filter: NeighbourFilter,
  index: number | undefined,
): void {
  header(writer, RTM_GETNEIGH, 0, familyCode(filter.family), 0, 0, filter.proxy ? NTF_PROXY : 0);
  if (index !== undefined) writer.attrU32(NDA_IFINDEX, index);
}

export function writeGetFdb(writer: MessageWriter): void {
  header(writer, RTM_GETNEIGH, 0, AF_BRIDGE, 0, 0, 0);
}

/** `struct ndmsg` */
function header(
  writer: MessageWriter,
  type: number,
  flags: number,
  family: number,
  index: number,
  state: number,
  entryFlags: number,
): MessageWriter {
  return writer.begin(type, flags).u8(family).zero(3).u32(index).u16(state).u8(entryFlags).u8(0);
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export function readNeighbour(message: NetlinkMessage): Neighbour | undefined {
  let address: Buffer | undefined;
  let mac: Buffer | undefined;
  const reader = message.attributes(NDM_LENGTH);
  while (reader.next()) {
    if (reader.type === NDA_DST) address = reader.bytes();
    else if (reader.type === NDA_LLADDR) mac = reader.bytes();
  }
  if (address === undefined || (address.length !== 4 && address.length !== 16)) return undefined;
  const flags = message.u8(10);
  return {
    linkIndex: message.u32(4),
    family: familyOf(message.u8(0)),
    address: bytesToIp(address),
    state: stateName(message.u16(8)),
    proxy: (flags & NTF_PROXY) !== 0,
    router: (flags & NTF_ROUTER) !== 0,
    ...(mac === undefined ? {} : { mac: bytesToMac(mac) }),
  };
}

export function readFdb(message: NetlinkMessage): FdbEntry | undefined {
  if (message.u8(0) !== AF_BRIDGE) return undefined;
  const entry: Mutable<FdbEntry> = {
    linkIndex: message.u32(4),
    mac: '',
    state: stateName(message.u16(8)),
  };
  const reader = message.attributes(NDM_LENGTH);
  while (reader.next()) {
    switch (reader.type) {
      case NDA_LLADDR:
        entry.mac = bytesToMac(reader.bytes());
        break;
      case NDA_DST:
        entry.dst = bytesToIp(reader.bytes());
        break;
      case NDA_VNI:
        entry.vni = reader.u32();
        break;
      case NDA_PORT:
        entry.port = reader.be16();
        break;
      case NDA_VLAN:
        entry.vlan = reader.u16();
        break;
      case NDA_MASTER:
        entry.master = reader.u32();
        break;
    }
  }
  return entry;
}

/** The strongest of the state's bits. */
function stateName(bits: number): NeighbourState | 'none' {
  if (bits & STATES.permanent) return 'permanent';
  if (bits & STATES.noarp) return 'noarp';
  if (bits & STATES.reachable) return 'reachable';
  if (bits & STATES.stale) return 'stale';
  if (bits & STATES.delay) return 'delay';
  if (bits & STATES.probe) return 'probe';
  if (bits & STATES.failed) return 'failed';
  return bits & STATES.incomplete ? 'incomplete' : 'none';
}
