import { type Answer, decode } from 'dns-packet';
import { FLAG, HEADER, RCODE, RCODE_MASK, TYPE } from '../wire/constants.ts';
import type { ResourceRecord } from '../wire/message.ts';
import type { Query } from '../wire/query.ts';
import { MalformedMessage, type RecordPlace, recordsOf } from '../wire/walk.ts';

/** Seconds that an answer is kept at most, whatever its records allow: as AKS has it (`cache 30`). */
export const LONGEST_KEPT = 30;

/** What an upstream server said, ready to be said again. */
export class StoredAnswer {
  /** In milliseconds of `performance.now()`. */
  readonly storedAt: number;
  /** Seconds that it may be kept; 0 for what must be asked for again. */
  readonly lifetime: number;
  readonly rcode: number;
  readonly #message: Buffer;
  /** Offsets of the TTLs in it. */
  readonly #ttls: readonly number[];

  /**
   * @param message - as it came. What says something about the way it came (OPT) is left out, with what follows it.
   * @throws MalformedMessage
   */
  constructor(message: Buffer, storedAt: number) {
    const places = recordsOf(message);
    const whole = read(message);
    const opt = places.findIndex(({ type }) => type === TYPE.OPT);
    const kept = opt === -1 ? places : places.slice(0, opt);
    const end = kept.at(-1)?.end ?? places[0]?.start ?? message.length;
    // A copy: what it came in is a block that others have pieces of.
    this.#message = Buffer.from(message.subarray(0, end));
    this.#message.writeUInt16BE(kept.filter(({ section }) => section === 'additional').length, 10);
    this.#ttls = kept.map(({ ttl }) => ttl);
    this.rcode = message.readUInt16BE(2) & RCODE_MASK;
    this.storedAt = storedAt;
    this.lifetime = this.truncated ? 0 : lifetimeOf(this.rcode, message, kept, whole);
  }

  get truncated(): boolean {
    return (this.#message.readUInt16BE(2) & FLAG.TRUNCATED) !== 0;
  }

  isFresh(now: number): boolean {
    return now - this.storedAt < this.lifetime * 1000;
  }

  /** The message for one client: its id, its spelling of the name, and what is left of the time. */
  messageFor(query: Query, now: number): Buffer {
    const message = Buffer.from(this.#message);
    const age = Math.max(0, Math.floor((now - this.storedAt) / 1000));
    for (const offset of this.#ttls)
      message.writeUInt32BE(Math.max(0, message.readUInt32BE(offset) - age), offset);
    message.writeUInt16BE(query.id, 0);
    const truncated = this.truncated ? FLAG.TRUNCATED : 0;
    message.writeUInt16BE(FLAG.RESPONSE | FLAG.RECURSION_AVAILABLE | query.flags | truncated | this.rcode, 2);
    query.question.copy(message, HEADER);
    return message;
  }

  /** The records of its answer. @throws MalformedMessage */
  records(): ResourceRecord[] {
    return (read(this.#message).answers ?? []).filter(
      (record): record is ResourceRecord => record.type !== 'OPT',
    );
  }
}

function read(message: Buffer): { answers?: Answer[]; authorities?: Answer[] } {
  try {
    return decode(message) as { answers?: Answer[]; authorities?: Answer[] };
  } catch (error) {
    throw new MalformedMessage(error instanceof Error ? error.message : String(error));
  }
}

function lifetimeOf(
  rcode: number,
  message: Buffer,
  places: readonly RecordPlace[],
  whole: { authorities?: Answer[] },
): number {
  if (rcode !== RCODE.NOERROR && rcode !== RCODE.NXDOMAIN) return 0;
  const shortest = places.reduce((least, { ttl }) => Math.min(least, ttlAt(message, ttl)), LONGEST_KEPT);
  const answered = rcode === RCODE.NOERROR && places.some(({ section }) => section === 'answer');
  if (answered) return shortest;
  // RFC 2308: a denial is kept as long as its SOA record says, and not at all without one.
  const soa = whole.authorities?.find((record) => record.type === 'SOA');
  return soa?.type === 'SOA' ? Math.min(shortest, soa.data.minimum ?? 0) : 0;
}

/** RFC 2181, 8: with the highest bit set it is taken for 0. */
function ttlAt(message: Buffer, offset: number): number {
  const ttl = message.readUInt32BE(offset);
  return ttl >= 0x8000_0000 ? 0 : ttl;
}
