import { randomBytes } from 'node:crypto';
import { HEADER, TYPE } from '../wire/constants.ts';

/**
 * A question that nobody else asks: when it comes back to us, those whom we forward to forward to us, and each question
 * would go round until somebody loses it.
 */
export class LoopCheck {
  readonly name = `${randomBytes(8).toString('hex')}.${randomBytes(8).toString('hex')}.flyover-loop.invalid`;
  #found = false;

  get found(): boolean {
    return this.#found;
  }

  /** The question's bytes, as in a query behind its header. */
  get question(): Buffer {
    const labels = this.name.split('.').map((label) => Buffer.from([label.length, ...Buffer.from(label)]));
    return Buffer.concat([...labels, Buffer.of(0, 0, TYPE.HINFO, 0, 1)]);
  }

  /** @param name - in lower case */
  seen(name: string, type: number): void {
    if (type === TYPE.HINFO && name === this.name) this.#found = true;
  }

  forget(): void {
    this.#found = false;
  }
}

/** A query by itself. @param question - name, type and class */
export function queryMessage(id: number, flags: number, question: Buffer, opt?: Buffer): Buffer {
  const header = Buffer.alloc(HEADER);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(flags, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(opt ? 1 : 0, 10);
  return Buffer.concat(opt ? [header, question, opt] : [header, question]);
}
