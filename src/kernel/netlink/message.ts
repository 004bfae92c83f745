import { KernelError } from '../errno.ts';
import { AttributeReader, HEADER_LENGTH, NLMSG_ERROR } from './attributes.ts';

const NLM_F_CAPPED = 0x100;
const NLM_F_ACK_TLVS = 0x200;
const NLMSGERR_ATTR_MSG = 1;
const NLMSGERR_ATTR_OFFS = 2;

/** One received message: its header and a window on its payload. */
export class NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  /** Which message of the request this answers (0 for the first one). */
  readonly index: number;
  readonly #bytes: Buffer;
  readonly #view: DataView;
  readonly #start: number;
  readonly #end: number;

  constructor(bytes: Buffer, view: DataView, start: number, end: number, index: number) {
    this.type = view.getUint16(start + 4, true);
    this.flags = view.getUint16(start + 6, true);
    this.index = index;
    this.#bytes = bytes;
    this.#view = view;
    this.#start = start + HEADER_LENGTH;
    this.#end = end;
  }

  /** Payload length in bytes. */
  get length(): number {
    return this.#end - this.#start;
  }

  // Fields of the fixed header at byte `offset` of the payload.

  u8(offset: number): number {
    return this.#view.getUint8(this.#start + offset);
  }

  u16(offset: number): number {
    return this.#view.getUint16(this.#start + offset, true);
  }

  u32(offset: number): number {
    return this.#view.getUint32(this.#start + offset, true);
  }

  s32(offset: number): number {
    return this.#view.getInt32(this.#start + offset, true);
  }

  be16(offset: number): number {
    return this.#view.getUint16(this.#start + offset, false);
  }

  /** The attributes behind a fixed header of `headerLength` bytes. */
  attributes(headerLength: number): AttributeReader {
    return new AttributeReader(this.#bytes, this.#view, this.#start + headerLength, this.#end);
  }

  /** The same message in memory of its own. */
  copy(): NetlinkMessage {
    const start = this.#start - HEADER_LENGTH;
    const bytes = Buffer.from(this.#bytes.subarray(start, this.#end));
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    return new NetlinkMessage(bytes, view, 0, bytes.length, this.index);
  }
}

/** The kernel's refusal of one message of a request. */
export interface MessageError {
  /** Which message of the request, from 0. */
  readonly index: number;
  /** Positive errno. */
  readonly errno: number;
  /** The kernel's own words (extended acknowledgement), where it had some. */
  readonly detail: string | undefined;
  /** Offset in that message of the attribute which the kernel did not like. */
  readonly offset: number | undefined;
}

export interface Exchange {
  /** In the order in which the kernel reported them; empty when everything was accepted. */
  readonly errors: MessageError[];
  /** Messages other than acknowledgements. */
  readonly replies: NetlinkMessage[];
}

/** A refusal as the error to throw. */
export function kernelError(error: MessageError, operation: string, object: string): KernelError {
  return new KernelError(operation, object, error.errno, error.detail);
}

/**
 * Decodes `struct nlmsgerr` (or the code that NLMSG_DONE carries) of the message at `at` and its extended
 * acknowledgement; undefined for success.
 */
export function readError(
  bytes: Buffer,
  view: DataView,
  at: number,
  length: number,
  index: number,
): MessageError | undefined {
  const code = view.getInt32(at + HEADER_LENGTH, true);
  if (code >= 0) return undefined;
  let detail: string | undefined;
  let offset: number | undefined;
  const flags = view.getUint16(at + 6, true);
  if (flags & NLM_F_ACK_TLVS) {
    let skip = 4;
    if (view.getUint16(at + 4, true) === NLMSG_ERROR) {
      // The refused message's header follows, and unless the answer is capped the message itself.
      skip += HEADER_LENGTH;
      if ((flags & NLM_F_CAPPED) === 0)
        skip += ((view.getUint32(at + HEADER_LENGTH + 4, true) + 3) & ~3) - HEADER_LENGTH;
    }
    const reader = new AttributeReader(bytes, view, at + HEADER_LENGTH + skip, at + length);
    while (reader.next()) {
      if (reader.type === NLMSGERR_ATTR_MSG) detail = reader.string();
      else if (reader.type === NLMSGERR_ATTR_OFFS) offset = reader.u32();
    }
  }
  return { index, errno: -code, detail, offset };
}
