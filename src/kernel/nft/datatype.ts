import { bytesToIp, bytesToMac, ipToBytes, macToBytes } from '../netlink/ip.ts';
import { NftInputError } from './input-error.ts';
import * as names from './symbols.ts';

/** A value in natural form: `10.0.0.1`, `eth0`, 80, `tcp`, `established`, true. */
export type Scalar = string | number | bigint | boolean;

/**
 * One of nf_tables' data types. `id` is what nft stores as the type of a set's key (nft's `enum datatypes`); the kernel
 * itself only knows the size. Numbers in host order cannot be compared by size or be keys of interval sets.
 */
export interface DataType {
  readonly id: number;
  /** Bytes. */
  readonly size: number;
  readonly order: 'host' | 'network' | 'bytes';
  /** Symbols that may stand for the number. */
  readonly symbols?: ReadonlyMap<string, number>;
  /** The value is a set of bits and symbols are bits. */
  readonly flags?: boolean;
}

const table = {
  nf_proto: { id: 2, size: 1, order: 'host', symbols: names.nfProtocols },
  integer: { id: 4, size: 4, order: 'host' },
  ipv4_addr: { id: 7, size: 4, order: 'network' },
  ipv6_addr: { id: 8, size: 16, order: 'network' },
  ether_addr: { id: 9, size: 6, order: 'network' },
  ether_type: { id: 10, size: 2, order: 'network', symbols: names.etherTypes },
  arp_op: { id: 11, size: 2, order: 'network', symbols: names.arpOperations },
  inet_proto: { id: 12, size: 1, order: 'network', symbols: names.protocols },
  inet_service: { id: 13, size: 2, order: 'network' },
  icmp_type: { id: 14, size: 1, order: 'network', symbols: names.icmpTypes },
  tcp_flag: { id: 15, size: 1, order: 'host', symbols: names.tcpFlags, flags: true },
  mark: { id: 19, size: 4, order: 'host' },
  iface_index: { id: 20, size: 4, order: 'host' },
  iface_type: { id: 21, size: 2, order: 'host', symbols: names.interfaceTypes },
  classid: { id: 23, size: 4, order: 'host' },
  uid: { id: 24, size: 4, order: 'host' },
  gid: { id: 25, size: 4, order: 'host' },
  ct_state: { id: 26, size: 4, order: 'host', symbols: names.ctStates, flags: true },
  ct_dir: { id: 27, size: 1, order: 'host', symbols: names.ctDirections },
  ct_status: { id: 28, size: 4, order: 'host', symbols: names.ctStatuses, flags: true },
  icmpv6_type: { id: 29, size: 1, order: 'network', symbols: names.icmpv6Types },
  pkt_type: { id: 31, size: 1, order: 'host', symbols: names.packetTypes },
  devgroup: { id: 35, size: 4, order: 'host' },
  fib_addrtype: { id: 38, size: 4, order: 'host', symbols: names.addressTypes },
  boolean: { id: 39, size: 1, order: 'host' },
  ifname: { id: 41, size: 16, order: 'bytes' },
  /** A truth value as wide as a register: what a route lookup stores. */
  fib_check: { id: 39, size: 4, order: 'host' },
  zone: { id: 4, size: 2, order: 'host' },
  /** Milliseconds. */
  time: { id: 18, size: 4, order: 'host' },
  /** Numbers of header fields that have no type of their own in nft. */
  integer8: { id: 4, size: 1, order: 'network' },
  integer16: { id: 4, size: 2, order: 'network' },
  integer32: { id: 4, size: 4, order: 'network' },
  integer64: { id: 4, size: 8, order: 'host' },
} as const satisfies Record<string, DataType>;

export type DataTypeName = keyof typeof table;

export const dataTypes: Readonly<Record<DataTypeName, DataType>> = table;

const nameById = new Map<number, DataTypeName>();
for (const [name, type] of Object.entries(table) as [DataTypeName, DataType][])
  if (!nameById.has(type.id)) nameById.set(type.id, name);

/** The type with this id, as stored in a set of the kernel. */
export function dataTypeById(id: number): DataTypeName | undefined {
  return nameById.get(id);
}

/**
 * The bytes of a value.
 *
 * @throws NftInputError when it is no value of this type; `field` says where it came from.
 */
export function encodeScalar(name: DataTypeName, value: Scalar, field: string): Buffer {
  const bytes = Buffer.alloc(dataTypes[name].size);
  putScalar(name, value, bytes, 0, field);
  return bytes;
}

/** {@link encodeScalar} into zeroed memory. */
export function putScalar(name: DataTypeName, value: Scalar, out: Buffer, at: number, field: string): void {
  switch (name) {
    case 'ipv4_addr':
      out.set(
        parsed(ipToBytes, 4, value) ?? refuse(field, value, 'must be an IPv4 address such as 10.0.0.1'),
        at,
      );
      break;
    case 'ipv6_addr':
      out.set(
        parsed(ipToBytes, 16, value) ?? refuse(field, value, 'must be an IPv6 address such as fd00::1'),
        at,
      );
      break;
    case 'ether_addr':
      out.set(
        parsed(macToBytes, 6, value) ??
          refuse(field, value, 'must be a MAC address such as 02:00:00:00:00:01'),
        at,
      );
      break;
    case 'ifname':
      putInterfaceName(value, out, at, field);
      break;
    default: {
      const type: DataType = dataTypes[name];
      const most = 256 ** type.size;
      if (typeof value === 'number' && value >= 0 && value < most && Number.isSafeInteger(value))
        putNumber(type, value, out, at);
      else putBigNumber(type, numberOf(name, value, field), out, at);
    }
  }
}

/** Bits, joined, for a type of flags: `['established', 'related']`. */
export function encodeFlags(name: DataTypeName, values: readonly Scalar[], field: string): Buffer {
  let bits = 0n;
  for (const value of values) bits |= numberOf(name, value, field);
  const bytes = Buffer.alloc(dataTypes[name].size);
  putBigNumber(dataTypes[name], bits, bytes, 0);
  return bytes;
}

/** The natural form of a value's bytes: symbols and addresses as text, everything else as a number. */
export function decodeScalar(name: DataTypeName, bytes: Uint8Array): string | number {
  const type = dataTypes[name];
  switch (name) {
    case 'ipv4_addr':
    case 'ipv6_addr':
      return bytesToIp(bytes);
    case 'ether_addr':
      return bytesToMac(bytes.subarray(0, 6));
    case 'ifname': {
      const end = bytes.indexOf(0);
      return Buffer.from(bytes.subarray(0, end < 0 ? 16 : end)).toString();
    }
    default: {
      const number = numberFrom(type, bytes);
      return type.flags ? flagText(type, number) : (names.symbolFor(type.symbols, number) ?? number);
    }
  }
}

function flagText(type: DataType, number: number): string | number {
  const found = [...type.symbols!].filter(([, bit]) => (number & bit) === bit && bit !== 0);
  const all = found.reduce((bits, [, bit]) => bits | bit, 0);
  return found.length > 0 && all === number ? found.map(([symbol]) => symbol).join(',') : number;
}

function refuse(field: string, value: Scalar, rule: string): never {
  throw new NftInputError(field, value, rule);
}

/** The parser's bytes if it takes the value and there are `size` of them. */
function parsed(parse: (text: string) => Uint8Array, size: number, value: Scalar): Uint8Array | undefined {
  try {
    const bytes = parse(String(value));
    return bytes.length === size ? bytes : undefined;
  } catch {
    return undefined;
  }
}

function putInterfaceName(value: Scalar, out: Buffer, at: number, field: string): void {
  // IFNAMSIZ is 16 with the NUL; the kernel refuses names with a slash or white space.
  if (typeof value !== 'string' || !/^[^\s/*\0]+$/.test(value) || Buffer.byteLength(value) > 15)
    refuse(field, value, 'must be an interface name of 1 to 15 bytes without space, / or *');
  out.write(value, at);
}

function numberOf(name: DataTypeName, value: Scalar, field: string): bigint {
  const type = dataTypes[name];
  let number: bigint | undefined;
  if (typeof value === 'bigint') number = value;
  else if (typeof value === 'number') number = Number.isSafeInteger(value) ? BigInt(value) : undefined;
  else if (typeof value === 'boolean') number = value ? 1n : 0n;
  else if (/^(0x[0-9a-f]+|[0-9]+)$/i.test(value)) number = BigInt(value);
  else {
    const symbol = type.symbols?.get(value);
    number = symbol === undefined ? undefined : BigInt(symbol);
  }
  const most = (1n << BigInt(type.size * 8)) - 1n;
  if (number === undefined || number < 0n || number > most) {
    const some = type.symbols ? ` or one of ${[...type.symbols.keys()].slice(0, 12).join(', ')}` : '';
    throw new NftInputError(field, value, `must be a number 0..${most}${some} (${name})`);
  }
  return number;
}

function putBigNumber(type: DataType, value: bigint, out: Buffer, at: number): void {
  if (type.size < 8) putNumber(type, Number(value), out, at);
  else if (type.order === 'network') out.writeBigUInt64BE(value, at);
  else out.writeBigUInt64LE(value, at);
}

function putNumber(type: DataType, value: number, out: Buffer, at: number): void {
  if (type.size === 8) putBigNumber(type, BigInt(value), out, at);
  else if (type.order === 'network') out.writeUIntBE(value, at, type.size);
  else out.writeUIntLE(value, at, type.size);
}

function numberFrom(type: DataType, bytes: Uint8Array): number {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const big = type.order === 'network';
  if (type.size === 8) return Number(big ? buffer.readBigUInt64BE() : buffer.readBigUInt64LE());
  return big ? buffer.readUIntBE(0, type.size) : buffer.readUIntLE(0, type.size);
}
