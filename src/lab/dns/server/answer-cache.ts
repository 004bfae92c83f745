/** Answers that are kept. One takes some hundred bytes. */
const MOST_ANSWERS = 16_384;
/** Bytes of queries and answers worth keeping: the usual ones. */
const LONGEST_QUERY = 300;
const LONGEST_ANSWER = 4096;

export interface Kept {
  /** Of the zone that it was made from. */
  readonly generation: number;
  readonly type: number;
  readonly rcode: number;
  /** Absent when there is one answer alone. */
  readonly others?: Others;
}

/** Different answers to the same query: each query in turn gets another one. */
export interface Others {
  /** How many there are, with the one that is given. */
  readonly orders: number;
  /** How often they may be used, before they are made anew. */
  readonly uses: number;
  /** @param order - 1 .. `orders` - 1 */
  readonly make: (order: number) => Buffer;
}

interface Entry extends Kept {
  /** Each byte a character: a small buffer holds, or is, a piece of memory many times its size. */
  readonly messages: string[];
  used: number;
}

/**
 * Whole answers by whole queries: what a zone says depends on nothing but the query's bytes behind its id, so that the
 * answer's bytes are the same too, but for the id.
 */
export class AnswerCache {
  readonly #entries = new Map<string, Entry>();

  /** A copy of the answer with the id of this packet; nothing when it has to be made. */
  find(packet: Buffer, generation: number): { message: Buffer; type: number; rcode: number } | undefined {
    if (packet.length > LONGEST_QUERY || packet.length < 2) return undefined;
    const entry = this.#entries.get(keyOf(packet));
    if (!entry || entry.generation !== generation) return undefined;
    const { others } = entry;
    let order = 0;
    if (others) {
      if (entry.used >= others.uses) return undefined;
      order = entry.used++ % others.orders;
      entry.messages[order] ??= others.make(order).toString('latin1');
    }
    const message = Buffer.from(entry.messages[order]!, 'latin1');
    message[0] = packet[0]!;
    message[1] = packet[1]!;
    return { message, type: entry.type, rcode: entry.rcode };
  }

  /** @param message - the answer that is sent to this packet */
  add(packet: Buffer, message: Buffer, kept: Kept): void {
    if (packet.length > LONGEST_QUERY || message.length > LONGEST_ANSWER) return;
    const key = keyOf(packet);
    if (!this.#entries.has(key) && this.#entries.size >= MOST_ANSWERS) {
      const [oldest] = this.#entries.keys();
      this.#entries.delete(oldest!);
    }
    this.#entries.set(key, { ...kept, messages: [message.toString('latin1')], used: 1 });
  }
}

/** Everything behind the id; each byte a character. */
function keyOf(packet: Buffer): string {
  return packet.toString('latin1', 2);
}
