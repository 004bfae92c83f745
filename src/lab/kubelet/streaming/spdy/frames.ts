/*
 * SPDY/3.1 frames, without the compression of the header blocks inside.
 */

export const FLAG_FIN = 0x01;
export const FLAG_UNIDIRECTIONAL = 0x02;

/** A frame; `block` is a compressed header block. */
export type Frame =
  | { type: 'data'; stream: number; fin: boolean; data: Buffer }
  | {
      type: 'syn-stream';
      stream: number;
      fin: boolean;
      unidirectional: boolean;
      priority: number;
      block: Buffer;
    }
  | { type: 'syn-reply'; stream: number; fin: boolean; block: Buffer }
  | { type: 'rst-stream'; stream: number; status: number }
  | { type: 'settings'; settings: { id: number; value: number }[] }
  | { type: 'ping'; id: number }
  | { type: 'goaway'; lastStream: number; status: number }
  | { type: 'headers'; stream: number; fin: boolean; block: Buffer }
  | { type: 'window-update'; stream: number; delta: number }
  | { type: 'unknown'; number: number };

const VERSION = 3;
/** Peers of ours send at most 32 KiB at once; the format allows 16 MiB. */
const MAX_FRAME = 1024 * 1024;
const HEAD = 8;

function control(number: number, flags: number, payload: Buffer): Buffer {
  const frame = Buffer.alloc(HEAD + payload.length);
  frame.writeUInt16BE(0x8000 | VERSION, 0);
  frame.writeUInt16BE(number, 2);
  frame.writeUInt8(flags, 4);
  frame.writeUIntBE(payload.length, 5, 3);
  payload.copy(frame, HEAD);
  return frame;
}

function words(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value >>> 0, 4 * index);
  return bytes;
}

const fin = (frame: { fin: boolean }): number => (frame.fin ? FLAG_FIN : 0);

/** The eight bytes that precede data, which may so stay where it is. */
export function dataHead(stream: number, length: number, last: boolean): Buffer {
  const head = words(stream & 0x7fffffff, length);
  head.writeUInt8(last ? FLAG_FIN : 0, 4);
  return head;
}

export function encodeFrame(frame: Exclude<Frame, { type: 'unknown' }>): Buffer {
  switch (frame.type) {
    case 'data':
      return Buffer.concat([dataHead(frame.stream, frame.data.length, frame.fin), frame.data]);
    case 'syn-stream': {
      const flags = fin(frame) | (frame.unidirectional ? FLAG_UNIDIRECTIONAL : 0);
      const slot = Buffer.from([(frame.priority & 7) << 5, 0]);
      return control(1, flags, Buffer.concat([words(frame.stream, 0), slot, frame.block]));
    }
    case 'syn-reply':
      return control(2, fin(frame), Buffer.concat([words(frame.stream), frame.block]));
    case 'rst-stream':
      return control(3, 0, words(frame.stream, frame.status));
    case 'settings':
      return control(
        4,
        0,
        words(frame.settings.length, ...frame.settings.flatMap(({ id, value }) => [id & 0xffffff, value])),
      );
    case 'ping':
      return control(6, 0, words(frame.id));
    case 'goaway':
      return control(7, 0, words(frame.lastStream, frame.status));
    case 'headers':
      return control(8, fin(frame), Buffer.concat([words(frame.stream), frame.block]));
    case 'window-update':
      return control(9, 0, words(frame.stream, frame.delta));
  }
}

/** Least length of each control frame's payload, by number. */
const LEAST: Record<number, number> = { 1: 10, 2: 4, 3: 8, 4: 4, 6: 4, 7: 8, 8: 4, 9: 8 };

function decodeControl(number: number, flags: number, payload: Buffer): Frame {
  const least = LEAST[number];
  if (least === undefined) return { type: 'unknown', number };
  if (payload.length < least) throw new Error(`SPDY control frame ${number} is too short`);
  const last = (flags & FLAG_FIN) !== 0;
  const first = payload.readUInt32BE(0);
  const stream = first & 0x7fffffff;
  switch (number) {
    case 1: {
      const unidirectional = (flags & FLAG_UNIDIRECTIONAL) !== 0;
      const priority = payload.readUInt8(8) >> 5;
      return { type: 'syn-stream', stream, fin: last, unidirectional, priority, block: payload.subarray(10) };
    }
    case 2:
      return { type: 'syn-reply', stream, fin: last, block: payload.subarray(4) };
    case 3:
      return { type: 'rst-stream', stream, status: payload.readUInt32BE(4) };
    case 4: {
      if (payload.length !== 4 + 8 * first) throw new Error('SPDY settings do not fill their frame');
      const settings = Array.from({ length: first }, (_, index) => ({
        id: payload.readUIntBE(5 + 8 * index, 3),
        value: payload.readUInt32BE(8 + 8 * index),
      }));
      return { type: 'settings', settings };
    }
    case 6:
      return { type: 'ping', id: first };
    case 7:
      return { type: 'goaway', lastStream: stream, status: payload.readUInt32BE(4) };
    case 8:
      return { type: 'headers', stream, fin: last, block: payload.subarray(4) };
    default:
      return { type: 'window-update', stream, delta: payload.readUInt32BE(4) & 0x7fffffff };
  }
}

/** Takes bytes as they come and gives frames. */
export class FrameReader {
  #chunks: Buffer[] = [];
  #size = 0;

  #joined(): Buffer {
    if (this.#chunks.length !== 1) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0]!;
  }

  /** The frames that are whole with this chunk. @throws Error for what is no SPDY/3 */
  push(chunk: Buffer): Frame[] {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    const frames: Frame[] = [];
    let need = this.#need;
    while (this.#size >= need) {
      const bytes = this.#joined();
      const length = bytes.readUIntBE(5, 3);
      if (length > MAX_FRAME) throw new Error(`SPDY frame of ${length} bytes is longer than ${MAX_FRAME}`);
      need = HEAD + length;
      if (bytes.length < need) break;
      frames.push(this.#decode(bytes, length));
      this.#chunks = bytes.length === need ? [] : [bytes.subarray(need)];
      this.#size -= need;
      need = HEAD;
    }
    this.#need = need;
    return frames;
  }

  /** Bytes without which nothing new can be said; spares joining chunks of a long frame again and again. */
  #need = HEAD;

  #decode(bytes: Buffer, length: number): Frame {
    const payload = bytes.subarray(HEAD, HEAD + length);
    const flags = bytes.readUInt8(4);
    if ((bytes[0]! & 0x80) === 0)
      return {
        type: 'data',
        stream: bytes.readUInt32BE(0),
        fin: (flags & FLAG_FIN) !== 0,
        data: payload,
      };
    const version = bytes.readUInt16BE(0) & 0x7fff;
    if (version !== VERSION) throw new Error(`SPDY version is ${version}, not ${VERSION}`);
    return decodeControl(bytes.readUInt16BE(2), flags, payload);
  }
}
