/** Answers that are kept. One takes some hundred bytes. */
const MOST_ANSWERS = 4096;
/** Bytes of queries and answers worth keeping: the usual ones. */
const LONGEST_QUERY = 300;
const LONGEST_ANSWER = 4096;

interface About {
  /** Of the zone that it was made from. */
  readonly generation: number;
  /** How many different answers to the same query are worth having. */
  readonly orders: number;
  readonly type: number;
  readonly rcode: number;
}

interface Entry extends About {
  readonly messages: Buffer[];
  next: number;
}

/**
 * Whole answers by whole queries: what a zone says depends on nothing but the query's bytes behind its id, so that the
 * answer's bytes are the same too, but for the id. An answer of several records is kept in several orders, of which
 * each query gets another one.
 */
export class AnswerCache {
  readonly #entries = new Map<string, Entry>();

  /** A copy of the answer with the id of this packet; nothing when it has to be made (also: to have one order more). */
  find(packet: Buffer, generation: number): { message: Buffer; type: number; rcode: number } | undefined {
    if (packet.length > LONGEST_QUERY || packet.length < 2) return undefined;
    const entry = this.#entries.get(keyOf(packet));
    if (!entry || entry.generation !== generation || entry.messages.length < entry.orders) return undefined;
    const message = Buffer.from(entry.messages[entry.next]!);
    entry.next = (entry.next + 1) % entry.messages.length;
    message[0] = packet[0]!;
    message[1] = packet[1]!;
    return { message, type: entry.type, rcode: entry.rcode };
  }

  add(packet: Buffer, message: Buffer, about: About): void {
    if (packet.length > LONGEST_QUERY || message.length > LONGEST_ANSWER) return;
    const key = keyOf(packet);
    const entry = this.#entries.get(key);
    if (entry?.generation === about.generation) {
      entry.messages.push(message);
      return;
    }
    if (!entry && this.#entries.size >= MOST_ANSWERS) {
      const [oldest] = this.#entries.keys();
      this.#entries.delete(oldest!);
    }
    // The query's text must not keep the memory block alive that it came in; the answer is a block of its own.
    this.#entries.set(key, { ...about, messages: [message], next: 0 });
  }
}

/** Everything behind the id; each byte a character. */
function keyOf(packet: Buffer): string {
  return packet.toString('latin1', 2);
}
