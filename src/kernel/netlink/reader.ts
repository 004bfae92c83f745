import { TYPE_MASK } from './constants.ts';

/**
 * Walks over attributes: `while (reader.next()) switch (reader.type) ...`. The getters read the current one. It
 * stops at the first attribute that does not fit, as the kernel's own walk does.
 */
export class AttributeReader {
  /** The current attribute's type without its flags. */
  type = 0;
  /** The current attribute's payload length in bytes. */
  length = 0;
  #at = 0;
  #next: number;
  readonly #end: number;
  readonly #bytes: Buffer;
  readonly #view: DataView;

  /** Reads `bytes` from `start` to `end`; `view` must cover the same memory from the same beginning. */
  constructor(bytes: Buffer, view: DataView, start: number, end: number) {
    this.#bytes = bytes;
    this.#view = view;
    this.#next = start;
    this.#end = end;
  }

  static over(payload: Uint8Array): AttributeReader {
    const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
    const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
    return new AttributeReader(bytes, view, 0, payload.length);
  }

  next(): boolean {
    const at = this.#next;
    if (at + 4 > this.#end) return false;
    const length = this.#view.getUint16(at, true);
    if (length < 4 || at + length > this.#end) return false;
    this.type = this.#view.getUint16(at + 2, true) & TYPE_MASK;
    this.length = length - 4;
    this.#at = at + 4;
    this.#next = at + ((length + 3) & ~3);
    return true;
  }

  u8(): number {
    return this.#view.getUint8(this.#need(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#need(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#need(4), true);
  }

  s32(): number {
    return this.#view.getInt32(this.#need(4), true);
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#need(8), true);
  }

  be16(): number {
    return this.#view.getUint16(this.#need(2), false);
  }

  be32(): number {
    return this.#view.getUint32(this.#need(4), false);
  }

  be64(): bigint {
    return this.#view.getBigUint64(this.#need(8), false);
  }

  /** A 64-bit counter at `offset` of the payload as a number: exact up to 2^53. */
  counter(offset = 0): number {
    const at = this.#need(offset + 8) + offset;
    return this.#view.getUint32(at, true) + this.#view.getUint32(at + 4, true) * 4294967296;
  }

  /** The 32-bit word at `offset` of the payload. */
  u32At(offset: number): number {
    return this.#view.getUint32(this.#need(offset + 4) + offset, true);
  }

  /** The payload as UTF-8, without the NUL that ends it. */
  string(): string {
    let end = this.#at + this.length;
    while (end > this.#at && this.#bytes[end - 1] === 0) end--;
    return this.#bytes.toString('utf8', this.#at, end);
  }

  /** A copy of the payload. */
  bytes(): Buffer {
    return Buffer.from(this.#bytes.subarray(this.#at, this.#at + this.length));
  }

  /** The attributes inside; `skip` bytes of a fixed header come before them. */
  nested(skip = 0): AttributeReader {
    return new AttributeReader(this.#bytes, this.#view, this.#at + skip, this.#at + this.length);
  }

  #need(length: number): number {
    if (this.length < length)
      throw new RangeError(
        `netlink attribute ${this.type}: ${this.length} bytes where ${length} were expected`,
      );
    return this.#at;
  }
}
