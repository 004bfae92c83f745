import { FLAG, RCODE, TYPE } from '../wire/constants.ts';
import { errorMessage, finish, type ResourceRecord, writeMessage } from '../wire/message.ts';
import { answerLimit, isQuery, type Query, readQuery } from '../wire/query.ts';
import type { Lookup, Zone } from '../zone/lookup.ts';
import { AnswerCache, type Others } from './answer-cache.ts';
import type { DnsMetrics } from './metrics.ts';
import { shuffled } from './shuffle.ts';

export type Transport = 'udp' | 'tcp';

/** Who asks. */
export interface Client {
  readonly address: string;
  readonly port: number;
}

/** Who answers what is in no zone of ours. */
export interface Outside {
  /** A whole message for this client, without OPT record. @throws Error when nobody answers */
  message(query: Query): Buffer | Promise<Buffer>;
  /** The records of a name, for who follows an alias. @throws Error when nobody answers */
  records(name: string, type: number): Promise<{ rcode: number; records: ResourceRecord[] }>;
  /** Told each name that is asked for, lest a question of our own comes back to us. */
  seen(name: string, type: number): void;
}

export interface ResponderOptions {
  readonly zone: Zone;
  readonly outside: Outside;
  readonly metrics: DnsMetrics;
  /** Whether the zone knows its names: until then the answer is SERVFAIL, for a denial would be kept. */
  readonly ready: () => boolean;
  /** Told of each answer; absent when nobody wants to know. */
  readonly onQuery?: (query: Query, client: Client, transport: Transport, answer: Buffer, ms: number) => void;
  /** Told of questions that could not be answered. */
  readonly onFailure?: (query: Query, error: Error) => void;
}

/** Aliases of aliases that are followed. */
const MOST_ALIASES = 8;
/** Orders of a list of addresses that are kept ready. */
const MOST_ORDERS = 8;
/** How often these are used where the list is longer, so that not every address comes first in one of them. */
const MOST_USES = 32;

/** An answer before it is cut to what the client takes. */
interface Outcome {
  readonly message: Buffer;
  /** What may be kept: this alone, or others that say the same. Absent when it must not be. */
  readonly keep?: 'alone' | Others;
}

/** Makes the answer to one packet. It never throws: whatever comes in, the next packet is answered, too. */
export class Responder {
  readonly #options: ResponderOptions;
  readonly #caches: Record<Transport, AnswerCache> = { udp: new AnswerCache(), tcp: new AnswerCache() };

  constructor(options: ResponderOptions) {
    this.#options = options;
  }

  /** @returns nothing for what deserves no answer; a promise only when somebody else has to be asked */
  answer(
    packet: Buffer,
    transport: Transport,
    client: Client,
  ): Buffer | undefined | Promise<Buffer | undefined> {
    const { zone, metrics, onQuery } = this.#options;
    const started = performance.now();
    const cache = this.#caches[transport];
    if (!onQuery) {
      const known = cache.find(packet, zone.generation);
      if (known) {
        metrics.answered(known.type, transport, known.rcode, performance.now() - started);
        return known.message;
      }
    }
    const read = readQuery(packet);
    if (!read) {
      metrics.dropped++;
      return undefined;
    }
    if (!isQuery(read)) {
      metrics.answered(0, transport, read.rcode, performance.now() - started);
      return errorMessage(read, read.rcode);
    }
    const done = ({ message, keep }: Outcome): Buffer => {
      const cut = (whole: Buffer): Buffer => finish(whole, read.edns, answerLimit(read.edns, transport));
      const sent = cut(message);
      const rcode = sent.readUInt16BE(2) & 0xf;
      if (keep) {
        const kept = { generation: zone.generation, type: read.type, rcode };
        const others = keep !== 'alone' && { ...keep, make: (order: number) => cut(keep.make(order)) };
        cache.add(packet, sent, others ? { ...kept, others } : kept);
      }
      const ms = performance.now() - started;
      metrics.answered(read.type, transport, rcode, ms);
      onQuery?.(read, client, transport, sent, ms);
      return sent;
    };
    const failed = (error: unknown): Buffer => {
      this.#options.onFailure?.(read, error instanceof Error ? error : new Error(String(error)));
      return done({ message: refuse(read, RCODE.SERVFAIL) });
    };
    try {
      const outcome = this.#resolve(read);
      return outcome instanceof Promise ? outcome.then(done).catch(failed) : done(outcome);
    } catch (error) {
      return failed(error);
    }
  }

  #resolve(query: Query): Outcome | Promise<Outcome> {
    const { zone, outside, ready } = this.#options;
    outside.seen(query.name, query.type);
    const found = zone.lookup(query.name, query.type === TYPE.ANY ? TYPE.HINFO : query.type);
    if (!ready()) {
      // Whatever is in the zone now may be half of it, and what is not may be there in a moment.
      if (found.kind !== 'elsewhere' || query.type === TYPE.PTR)
        return { message: refuse(query, RCODE.SERVFAIL) };
    }
    if (query.type === TYPE.ANY && found.kind !== 'nxdomain')
      return { message: this.#write(query, RCODE.NOERROR, [anyRecord(query.name)]), keep: 'alone' };
    if (found.kind === 'elsewhere') {
      const message = outside.message(query);
      return message instanceof Promise ? message.then((buffer) => ({ message: buffer })) : { message };
    }
    if (!query.plain) return this.#deny(query, RCODE.NXDOMAIN);
    if (found.kind === 'alias') return this.#follow(query, found);
    return this.#own(query, found);
  }

  #own(query: Query, found: Exclude<Lookup, { kind: 'alias' | 'elsewhere' }>): Outcome {
    if (found.kind === 'nxdomain') return this.#deny(query, RCODE.NXDOMAIN);
    if (found.kind === 'nodata') return this.#deny(query, RCODE.NOERROR);
    const records = shuffled(found.records);
    const orders = Math.min(records.length, MOST_ORDERS);
    // Turned on by the same steps: with few addresses each is first equally often.
    const make = (order: number): Buffer => {
      const first = Math.floor((order * records.length) / orders);
      const turned = [...records.slice(first), ...records.slice(0, first)];
      return this.#write(query, RCODE.NOERROR, turned, found.additionals);
    };
    const uses = records.length > MOST_ORDERS ? MOST_USES : Number.POSITIVE_INFINITY;
    return { message: make(0), keep: orders === 1 ? 'alone' : { orders, uses, make } };
  }

  #deny(query: Query, rcode: number): Outcome {
    return { message: this.#write(query, rcode, []), keep: 'alone' };
  }

  /** Follows an alias until its addresses, in the zone or outside; all of the way is in the answer. */
  async #follow(query: Query, first: Extract<Lookup, { kind: 'alias' }>): Promise<Outcome> {
    const { zone, outside } = this.#options;
    const answers: ResourceRecord[] = [first.record];
    let target = first.target;
    if (query.type === TYPE.CNAME)
      return { message: this.#write(query, RCODE.NOERROR, answers), keep: 'alone' };
    while (answers.length <= MOST_ALIASES) {
      const next = zone.lookup(target, query.type);
      if (next.kind === 'elsewhere') {
        const { rcode, records } = await outside.records(target, query.type);
        return { message: this.#write(query, rcode, [...answers, ...records]) };
      }
      if (next.kind === 'nxdomain') return { message: this.#write(query, RCODE.NXDOMAIN, answers) };
      if (next.kind !== 'alias') {
        const records = next.kind === 'records' ? shuffled(next.records) : [];
        return { message: this.#write(query, RCODE.NOERROR, [...answers, ...records]) };
      }
      answers.push(next.record);
      target = next.target;
    }
    throw new Error(`more than ${MOST_ALIASES} aliases, one after another`);
  }

  #write(
    query: Query,
    rcode: number,
    answers: readonly ResourceRecord[],
    additionals: readonly ResourceRecord[] = [],
  ): Buffer {
    const flags = query.flags | FLAG.AUTHORITATIVE | FLAG.RECURSION_AVAILABLE;
    const authorities = answers.length === 0 ? [this.#options.zone.authority(query.name)] : [];
    return writeMessage(query, flags, rcode, { answers, authorities, additionals });
  }
}

function refuse(query: Query, rcode: number): Buffer {
  return writeMessage(query, query.flags | FLAG.RECURSION_AVAILABLE, rcode);
}

/** What who asks for everything gets (RFC 8482, 4.2). */
function anyRecord(name: string): ResourceRecord {
  return { name, type: 'HINFO', ttl: 3600, data: { cpu: 'RFC8482', os: '' } };
}
