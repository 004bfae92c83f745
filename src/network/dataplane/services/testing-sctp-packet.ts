/** A packet with one chunk, as RFC 9260 has them. */
export interface SctpPacket {
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** What the receiver chose for itself; 0 in an INIT, whose receiver has chosen none yet. */
  readonly verificationTag: number;
  readonly chunk: number;
  readonly value: Buffer;
}

/** The chunks that make an association (RFC 9260, 3.2). */
export const INIT = 1;
export const INIT_ACK = 2;
export const COOKIE_ECHO = 10;
export const COOKIE_ACK = 11;

const COMMON_HEADER = 12;
const CHUNK_HEADER = 4;
const CHECKSUM_AT = 8;
const INIT_LENGTH = 16;
const STATE_COOKIE = 7;
const WINDOW = 65_536;

export function encode(packet: SctpPacket): Buffer {
  const { sourcePort, destinationPort, verificationTag, chunk, value } = packet;
  const length = CHUNK_HEADER + value.length;
  const bytes = Buffer.alloc(COMMON_HEADER + padded(length));
  bytes.writeUInt16BE(sourcePort, 0);
  bytes.writeUInt16BE(destinationPort, 2);
  bytes.writeUInt32BE(verificationTag, 4);
  bytes.writeUInt8(chunk, COMMON_HEADER);
  bytes.writeUInt16BE(length, COMMON_HEADER + 2);
  value.copy(bytes, COMMON_HEADER + CHUNK_HEADER);
  bytes.writeUInt32LE(crc32c(bytes), CHECKSUM_AT);
  return bytes;
}

/** Undefined where the checksum is wrong. */
export function decode(bytes: Buffer): SctpPacket | undefined {
  const plain = Buffer.from(bytes);
  plain.writeUInt32LE(0, CHECKSUM_AT);
  if (crc32c(plain) !== bytes.readUInt32LE(CHECKSUM_AT)) return undefined;
  const length = bytes.readUInt16BE(COMMON_HEADER + 2);
  return {
    sourcePort: bytes.readUInt16BE(0),
    destinationPort: bytes.readUInt16BE(2),
    verificationTag: bytes.readUInt32BE(4),
    chunk: bytes.readUInt8(COMMON_HEADER),
    value: bytes.subarray(COMMON_HEADER + CHUNK_HEADER, COMMON_HEADER + length),
  };
}

/** The value of an INIT, or with a cookie that of an INIT-ACK. One stream in each direction. */
export function initValue(tag: number, cookie?: string): Buffer {
  const text = Buffer.from(cookie ?? '');
  const length = CHUNK_HEADER + text.length;
  const value = Buffer.alloc(INIT_LENGTH + (cookie === undefined ? 0 : padded(length)));
  value.writeUInt32BE(tag, 0);
  value.writeUInt32BE(WINDOW, 4);
  value.writeUInt16BE(1, 8);
  value.writeUInt16BE(1, 10);
  value.writeUInt32BE(tag, 12); // the first sequence number, which may be any
  if (cookie !== undefined) {
    value.writeUInt16BE(STATE_COOKIE, INIT_LENGTH);
    value.writeUInt16BE(length, INIT_LENGTH + 2);
    text.copy(value, INIT_LENGTH + CHUNK_HEADER);
  }
  return value;
}

/** The tag in an INIT or INIT-ACK, and the cookie of the latter. */
export function readInit(value: Buffer): { tag: number; cookie: string } {
  const length = value.length > INIT_LENGTH ? value.readUInt16BE(INIT_LENGTH + 2) : CHUNK_HEADER;
  const cookie = value.subarray(INIT_LENGTH + CHUNK_HEADER, INIT_LENGTH + length).toString();
  return { tag: value.readUInt32BE(0), cookie };
}

function padded(length: number): number {
  return Math.ceil(length / 4) * 4;
}

/** Castagnoli's polynomial, reflected (RFC 9260, appendix A). */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}
