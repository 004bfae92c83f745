import { HEADER, LONGEST_NAME } from './constants.ts';

/** A message that does not hold together. */
export class MalformedMessage extends Error {
  override readonly name = 'MalformedMessage';
}

/** Where one record lies in a message. The codec reads what records say; this is for who cuts and patches them. */
export interface RecordPlace {
  readonly section: 'answer' | 'authority' | 'additional';
  readonly type: number;
  /** Offsets: of its first byte, its class, its TTL, its data, and of what follows it. */
  readonly start: number;
  readonly class: number;
  readonly ttl: number;
  readonly data: number;
  readonly end: number;
}

/**
 * The offset behind a name that begins at `offset`. Pointers are stepped over, not followed.
 * @throws MalformedMessage
 */
export function endOfName(message: Buffer, offset: number): number {
  const start = offset;
  for (;;) {
    const length = message[offset];
    if (length === undefined) throw new MalformedMessage('a name goes beyond the message');
    if (length === 0) return offset + 1;
    if (length >= 0xc0) {
      if (offset + 2 > message.length) throw new MalformedMessage('a pointer goes beyond the message');
      return offset + 2;
    }
    if (length > 63) throw new MalformedMessage('a label has no known type');
    offset += length + 1;
    if (offset - start >= LONGEST_NAME) throw new MalformedMessage('a name is too long');
  }
}

/** Fixed part of a record behind its name: type, class, TTL, length of its data. */
const FIXED = 10;

/**
 * All records of a message with one question or none, in their order.
 * @throws MalformedMessage when there are not as many as the header says
 */
export function recordsOf(message: Buffer): RecordPlace[] {
  if (message.length < HEADER) throw new MalformedMessage('there is no header');
  const questions = message.readUInt16BE(4);
  if (questions > 1) throw new MalformedMessage('there are several questions');
  let offset = questions === 0 ? HEADER : endOfName(message, HEADER) + 4;
  const places: RecordPlace[] = [];
  const sections = ['answer', 'authority', 'additional'] as const;
  for (const [index, section] of sections.entries()) {
    for (let left = message.readUInt16BE(6 + 2 * index); left > 0; left--) {
      const start = offset;
      const fixed = endOfName(message, offset);
      const data = fixed + FIXED;
      if (data > message.length) throw new MalformedMessage('a record goes beyond the message');
      const end = data + message.readUInt16BE(fixed + 8);
      if (end > message.length) throw new MalformedMessage('data of a record go beyond the message');
      const type = message.readUInt16BE(fixed);
      places.push({ section, type, start, class: fixed + 2, ttl: fixed + 4, data, end });
      offset = end;
    }
  }
  return places;
}
