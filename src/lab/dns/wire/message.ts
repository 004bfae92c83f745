import { type Answer, encode } from 'dns-packet';
import { FLAG, HEADER, LONGEST, RCODE_MASK, SAFE_UDP } from './constants.ts';
import type { Edns, Query, Refusal } from './query.ts';
import { recordsOf } from './walk.ts';

/** What of an answer the codec writes; the OPT record is added by {@link finish}. */
export type ResourceRecord = Exclude<Answer, { type: 'OPT' }>;

export interface Sections {
  readonly answers?: readonly ResourceRecord[];
  readonly authorities?: readonly ResourceRecord[];
  readonly additionals?: readonly ResourceRecord[];
}

/** Offsets that a pointer can name (RFC 1035, 4.1.4). */
const LAST_POINTER = 0x3fff;
const POINTER = 0xc000;

/**
 * A whole message without OPT record: the question as it was asked, and records whose owners are written short. (The codec
 * knows records, but writes every name in full: an answer would have room for a third of what fits.)
 *
 * @param flags - besides QR: AA, RA, and what of the query's stays
 */
export function writeMessage(
  query: { readonly id: number; readonly question?: Buffer },
  flags: number,
  rcode: number,
  sections: Sections = {},
): Buffer {
  const { answers = [], authorities = [], additionals = [] } = sections;
  const header = Buffer.alloc(HEADER);
  header.writeUInt16BE(query.id, 0);
  header.writeUInt16BE(FLAG.RESPONSE | flags | (rcode & RCODE_MASK), 2);
  header.writeUInt16BE(query.question ? 1 : 0, 4);
  const parts: Buffer[] = [header];
  if (query.question) parts.push(query.question);
  let length = HEADER + (query.question?.length ?? 0);
  const names = query.question ? suffixesOf(query.question, HEADER) : new Map<string, number>();
  for (const [index, section] of [answers, authorities, additionals].entries()) {
    let written = 0;
    for (const record of section) {
      const owner = ownerOf(record.name, names, length);
      const rest = encodedBehindName(record);
      // What does not fit into any message is as good as cut off.
      if (length + owner.length + rest.length > LONGEST - OPT_BYTES) {
        header.writeUInt16BE(header.readUInt16BE(2) | FLAG.TRUNCATED, 2);
        break;
      }
      parts.push(owner, rest);
      length += owner.length + rest.length;
      written++;
    }
    header.writeUInt16BE(written, 6 + 2 * index);
  }
  return Buffer.concat(parts, length);
}

/** Type, class, TTL and data of a record, as the codec writes them behind the shortest name there is. */
function encodedBehindName(record: ResourceRecord): Buffer {
  return encode({ answers: [{ ...record, name: '.' }] }).subarray(HEADER + 1);
}

/** Where in a message each ending of its question's name is. */
function suffixesOf(question: Buffer, base: number): Map<string, number> {
  const names = new Map<string, number>();
  const end = question.length - 4;
  for (let offset = 0; offset < end - 1; offset += question[offset]! + 1) {
    const suffix = question.toString('latin1', offset, end).toLowerCase();
    if (!names.has(suffix)) names.set(suffix, base + offset);
  }
  return names;
}

/** A name on the wire: labels until what is in the message already, then a pointer there. */
function ownerOf(name: string, names: Map<string, number>, at: number): Buffer {
  const labels = name === '' || name === '.' ? [] : name.replace(/\.$/, '').split('.');
  const whole = Buffer.concat([
    ...labels.map((label) => Buffer.concat([Buffer.of(Buffer.byteLength(label)), Buffer.from(label)])),
    Buffer.of(0),
  ]);
  for (let offset = 0; whole[offset] !== 0; offset += whole[offset]! + 1) {
    const suffix = whole.toString('latin1', offset).toLowerCase();
    const known = names.get(suffix);
    if (known !== undefined) {
      const pointer = Buffer.alloc(2);
      pointer.writeUInt16BE(POINTER | known);
      return Buffer.concat([whole.subarray(0, offset), pointer]);
    }
    if (at + offset <= LAST_POINTER) names.set(suffix, at + offset);
  }
  return whole;
}

/** Bytes of an OPT record without options. */
export const OPT_BYTES = 11;

function optRecord(rcode: number, edns: Edns): Buffer {
  const record = Buffer.alloc(OPT_BYTES);
  record.writeUInt16BE(41, 1);
  record.writeUInt16BE(SAFE_UDP, 3);
  record.writeUInt8(rcode >> 4, 5);
  if (edns.dnssecOk) record.writeUInt16BE(0x8000, 7);
  return record;
}

/**
 * The message that is sent: not longer than `limit`, and with an OPT record if the query had one. What does not fit is
 * left out from the end, and TC says so unless only additional records are missing (RFC 2181, 9).
 *
 * @param message - without OPT record; is not changed
 * @param rcode - the upper bits of it go into the OPT record
 */
export function finish(message: Buffer, edns: Edns | undefined, limit: number, rcode = 0): Buffer {
  const opt = edns ? optRecord(rcode, edns) : undefined;
  const room = limit - (opt?.length ?? 0);
  const body = message.length <= room ? message : shortened(message, room);
  if (!opt) return body;
  const whole = Buffer.concat([body, opt]);
  whole.writeUInt16BE(whole.readUInt16BE(10) + 1, 10);
  return whole;
}

function shortened(message: Buffer, room: number): Buffer {
  const places = recordsOf(message);
  const kept = places.filter(({ end }) => end <= room);
  const cut = kept.at(-1)?.end ?? places[0]!.start;
  const short = Buffer.from(message.subarray(0, cut));
  const count = (section: string): number => kept.filter((place) => place.section === section).length;
  short.writeUInt16BE(count('answer'), 6);
  short.writeUInt16BE(count('authority'), 8);
  short.writeUInt16BE(count('additional'), 10);
  if (places.some(({ section, end }) => end > room && section !== 'additional'))
    short.writeUInt16BE(short.readUInt16BE(2) | FLAG.TRUNCATED, 2);
  return short;
}

/** An answer that says only what went wrong. */
export function errorMessage(to: Query | Refusal, rcode: number, flags = 0): Buffer {
  const message = writeMessage(to, to.flags | flags, rcode);
  return finish(message, to.edns, LONGEST, rcode);
}
