import { HEADER_LENGTH, MAX_ATTRIBUTE, NLA_F_NESTED, NLM_F_REQUEST, TYPE_MASK } from './constants.ts';

function unsigned(value: number, max: number): number {
  if (!Number.isInteger(value) || value < 0 || value > max)
    throw new RangeError(`netlink: ${value} is not a whole number from 0 to ${max}`);
  return value;
}

/** 32 bits, given as a signed or as an unsigned number. */
function word(value: number): number {
  if (value >>> 0 !== value && (value | 0) !== value)
    throw new RangeError(`netlink: ${value} is not a whole number of 32 bits`);
  return value;
}

/**
 * Packs netlink messages one behind the other. `begin` starts a message (and ends the one before); then come
 * the fixed header's fields in order (`u8`, `u16`, `u32`, `zero`) and the attributes. Everything is padded to 4
 * bytes as netlink wants it. The writer is meant to be reused: `reset` keeps its memory.
 */
export class MessageWriter {
  #bytes: Buffer;
  #view: DataView;
  #length = 0;
  #starts: number[] = [];

  /** `capacity`: bytes to begin with; it grows by itself. */
  constructor(capacity = 4096) {
    this.#bytes = Buffer.alloc(capacity);
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, capacity);
  }

  /** How many messages were begun. */
  get count(): number {
    return this.#starts.length;
  }

  /** Bytes used so far. */
  get length(): number {
    return this.#length;
  }

  /** Forgets all messages and keeps the memory. */
  reset(): this {
    this.#length = 0;
    this.#starts.length = 0;
    return this;
  }

  /** Starts a message. NLM_F_REQUEST is added to `flags`; the socket sets the sequence number. */
  begin(type: number, flags: number): this {
    this.#end();
    const at = this.#take(HEADER_LENGTH);
    this.#starts.push(at);
    const view = this.#view;
    view.setUint32(at, 0, true);
    view.setUint16(at + 4, type, true);
    view.setUint16(at + 6, flags | NLM_F_REQUEST, true);
    view.setUint32(at + 8, 0, true);
    view.setUint32(at + 12, 0, true);
    return this;
  }

  /**
   * Ends the last message, numbers all of them `sequence`, `sequence + 1`, ... and returns the datagram: a view
   * of the writer's memory, valid until it is written to again.
   */
  finish(sequence: number): Buffer {
    this.#end();
    for (let i = 0; i < this.#starts.length; i++)
      this.#view.setUint32(this.#starts[i]! + 8, (sequence + i) >>> 0, true);
    return this.#bytes.subarray(0, this.#length);
  }

  /** The flags of message `index`. */
  flags(index: number): number {
    return this.#view.getUint16(this.#starts[index]! + 6, true);
  }

  /** Adds flags to message `index`, for example NLM_F_ACK to the last one. */
  addFlags(index: number, flags: number): void {
    const at = this.#starts[index]! + 6;
    this.#view.setUint16(at, this.#view.getUint16(at, true) | flags, true);
  }

  /** Takes back the last message begun: for a caller that found out halfway that it cannot be written. */
  dropLast(): void {
    this.#length = this.#starts.pop() ?? 0;
  }

  /** Offset inside the last message at which the next byte goes; errors of the kernel point at such offsets. */
  get offset(): number {
    return this.#length - (this.#starts.at(-1) ?? 0);
  }

  // Fields of a message's fixed header, unpadded.

  u8(value: number): this {
    const at = this.#take(1);
    this.#view.setUint8(at, unsigned(value, 0xff));
    return this;
  }

  u16(value: number): this {
    const at = this.#take(2);
    this.#view.setUint16(at, unsigned(value, 0xffff), true);
    return this;
  }

  u32(value: number): this {
    const at = this.#take(4);
    this.#view.setUint32(at, word(value), true);
    return this;
  }

  /** A 16-bit field in network order. */
  be16(value: number): this {
    const at = this.#take(2);
    this.#view.setUint16(at, unsigned(value, 0xffff), false);
    return this;
  }

  raw(bytes: Uint8Array): this {
    const at = this.#take(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  zero(count: number): this {
    const at = this.#take(count);
    this.#bytes.fill(0, at, at + count);
    return this;
  }

  // Attributes. `type` may carry NLA_F_NESTED and the like.

  attrU8(type: number, value: number): this {
    const at = this.#attribute(type, 1);
    this.#view.setUint8(at, unsigned(value, 0xff));
    return this;
  }

  attrU16(type: number, value: number): this {
    const at = this.#attribute(type, 2);
    this.#view.setUint16(at, unsigned(value, 0xffff), true);
    return this;
  }

  attrU32(type: number, value: number): this {
    const at = this.#attribute(type, 4);
    this.#view.setUint32(at, word(value), true);
    return this;
  }

  attrS32(type: number, value: number): this {
    const at = this.#attribute(type, 4);
    this.#view.setInt32(at, word(value), true);
    return this;
  }

  attrU64(type: number, value: bigint): this {
    const at = this.#attribute(type, 8);
    this.#view.setBigUint64(at, value, true);
    return this;
  }

  /** 16 bits in network order. */
  attrBe16(type: number, value: number): this {
    const at = this.#attribute(type, 2);
    this.#view.setUint16(at, unsigned(value, 0xffff), false);
    return this;
  }

  /** 32 bits in network order. */
  attrBe32(type: number, value: number): this {
    const at = this.#attribute(type, 4);
    this.#view.setUint32(at, word(value), false);
    return this;
  }

  /** 64 bits in network order. */
  attrBe64(type: number, value: bigint): this {
    const at = this.#attribute(type, 8);
    this.#view.setBigUint64(at, value, false);
    return this;
  }

  /** A NUL-terminated string in UTF-8. @throws RangeError when it holds a NUL itself or is too long. */
  attrString(type: number, value: string): this {
    if (value.includes('\0')) throw new RangeError(`netlink attribute ${type}: a string with a NUL in it`);
    const length = Buffer.byteLength(value);
    const at = this.#attribute(type, length + 1);
    this.#bytes.write(value, at, length, 'utf8');
    this.#bytes[at + length] = 0;
    return this;
  }

  attrBytes(type: number, value: Uint8Array): this {
    const at = this.#attribute(type, value.length);
    this.#bytes.set(value, at);
    return this;
  }

  /** An attribute without payload, whose presence is its meaning. */
  attrFlag(type: number): this {
    this.#attribute(type, 0);
    return this;
  }

  /** Opens an attribute whose payload follows; give the result to `closeNest`. NLA_F_NESTED is added unless `plain`. */
  openNest(type: number, plain = false): number {
    const at = this.#take(4);
    this.#view.setUint16(at + 2, plain ? type : type | NLA_F_NESTED, true);
    return at;
  }

  /** @throws RangeError when the payload is longer than an attribute can say (65,531 bytes). */
  closeNest(start: number): this {
    const length = this.#length - start;
    if (length > MAX_ATTRIBUTE) {
      const type = this.#view.getUint16(start + 2, true) & TYPE_MASK;
      throw new RangeError(`netlink attribute ${type}: ${length - 4} bytes, more than 65531`);
    }
    this.#view.setUint16(start, length, true);
    this.#pad();
    return this;
  }

  /** `openNest`, `body`, `closeNest`. */
  nest(type: number, body: () => void): this {
    const start = this.openNest(type);
    body();
    return this.closeNest(start);
  }

  #attribute(type: number, length: number): number {
    if (length + 4 > MAX_ATTRIBUTE)
      throw new RangeError(`netlink attribute ${type & TYPE_MASK}: ${length} bytes, more than 65531`);
    const padded = (length + 7) & ~3;
    const at = this.#take(padded);
    const view = this.#view;
    // The last word is cleared first, so that the padding is zero whatever memory held before.
    view.setUint32(at + padded - 4, 0, true);
    view.setUint16(at, length + 4, true);
    view.setUint16(at + 2, type, true);
    return at + 4;
  }

  #end(): void {
    const start = this.#starts.at(-1);
    if (start === undefined) return;
    this.#view.setUint32(start, this.#length - start, true);
    this.#pad();
  }

  #pad(): void {
    const rest = -this.#length & 3;
    if (rest > 0) this.zero(rest);
  }

  #take(count: number): number {
    const at = this.#length;
    const need = at + count;
    if (need > this.#bytes.length) this.#grow(need);
    this.#length = need;
    return at;
  }

  #grow(need: number): void {
    const bytes = Buffer.alloc(Math.max(need, this.#bytes.length * 2));
    bytes.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }
}
