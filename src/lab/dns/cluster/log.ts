import type { Client, Transport } from '../server/responder.ts';
import { FLAG, rcodeName, typeName } from '../wire/constants.ts';
import type { Query } from '../wire/query.ts';

/** Lines about failures in a second; those beyond are counted. */
const MOST_ERRORS = 10;

/** Lines in the form that people know from CoreDNS, and that their tools read. */
export class DnsLog {
  readonly #write: (line: string) => void;
  #errors = { since: 0, count: 0 };

  constructor(write: (line: string) => void = (line) => void process.stdout.write(`${line}\n`)) {
    this.#write = write;
  }

  plain(text: string): void {
    this.#write(text);
  }

  info(text: string): void {
    this.#write(`[INFO] ${text}`);
  }

  warning(text: string): void {
    this.#write(`[WARNING] ${text}`);
  }

  error(text: string): void {
    this.#write(`[ERROR] ${text}`);
  }

  /** What could not be answered, as far as it can be read: a flood of it must not become one of lines. */
  failure({ name, type }: Query, error: Error): void {
    const now = Date.now();
    if (now - this.#errors.since >= 1000) {
      const left = this.#errors.count - MOST_ERRORS;
      if (left > 0) this.error(`plugin/errors: ${left} more like these`);
      this.#errors = { since: now, count: 0 };
    }
    if (++this.#errors.count <= MOST_ERRORS)
      this.error(`plugin/errors: 2 ${shown(name)} ${typeName(type)}: ${error.message}`);
  }

  /** CoreDNS's common log format. */
  query(query: Query, client: Client, transport: Transport, answer: Buffer, ms: number): void {
    const word = answer.readUInt16BE(2);
    const flags = [
      'qr',
      ...(word & FLAG.AUTHORITATIVE ? ['aa'] : []),
      ...(word & FLAG.TRUNCATED ? ['tc'] : []),
      ...(word & FLAG.RECURSION_DESIRED ? ['rd'] : []),
      ...(word & FLAG.RECURSION_AVAILABLE ? ['ra'] : []),
    ];
    const address = client.address.includes(':') ? `[${client.address}]` : client.address;
    const size = 12 + query.question.length + (query.edns ? 11 : 0);
    const asked = `${typeName(query.type)} IN ${shown(query.name)} ${transport} ${size} ${query.edns?.dnssecOk ?? false} ${query.edns?.size ?? 512}`;
    const seconds = (ms / 1000).toFixed(9);
    this.info(
      `${address}:${client.port} - ${query.id} "${asked}" ${rcodeName(word & 0xf)} ${flags.join(',')} ${answer.length} ${seconds}s`,
    );
  }
}

/** A name with its last dot. Who asks chooses the bytes: none of them ends a line or moves a terminal's cursor. */
function shown(name: string): string {
  const safe = name.replaceAll(
    /[^\x21-\x7e]|["\\]/g,
    (character) => `\\${String(character.codePointAt(0)).padStart(3, '0')}`,
  );
  return `${safe}.`;
}
