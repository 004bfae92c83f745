import type { MessageWriter } from '../netlink/attributes.ts';
import { ELEMENT, ELEMENT_CATCHALL, ELEMENT_INTERVAL_END, ELEMENTS } from './constants.ts';
import { encodeElement } from './element.ts';
import { writeData } from './instruction.ts';
import { successor } from './range.ts';
import type { SetSchema } from './schema.ts';
import type { SetElement } from './spec.ts';
import { elementData } from './userdata.ts';

const NFTA_LIST_ELEM = 1;
const NFTA_DATA_VALUE = 1;
/** An attribute holds at most 65,535 bytes, so long lists are spread over messages; an element needs some hundred. */
const FULL = 64_000;

/** Writes elements into as many messages as needed; `begin` starts one. */
export class ElementWriter {
  readonly #w: MessageWriter;
  readonly #schema: SetSchema | undefined;
  readonly #field: string;
  readonly #deleting: boolean;
  readonly #begin: () => void;
  #list: number | undefined;

  constructor(
    writer: MessageWriter,
    schema: SetSchema | undefined,
    field: string,
    deleting: boolean,
    begin: () => void,
  ) {
    this.#w = writer;
    this.#schema = schema;
    this.#field = field;
    this.#deleting = deleting;
    this.#begin = begin;
  }

  add(element: SetElement): void {
    const schema = this.#schema!;
    const { key, end, data } = encodeElement(schema, element, this.#field, this.#deleting);
    this.#open();
    const w = this.#w;
    // In a plain interval set an interval is two elements: its first value, and the first one behind it.
    const plain = end !== undefined && schema.key.length === 1;
    const behind = plain ? successor(end) : undefined;
    const nest = w.openNest(NFTA_LIST_ELEM);
    if (key === undefined) w.attrBe32(ELEMENT.flags, ELEMENT_CATCHALL);
    else writeKey(w, ELEMENT.key, key);
    if (end !== undefined && !plain) writeKey(w, ELEMENT.keyEnd, end);
    if (data !== undefined && !this.#deleting) {
      if (typeof data === 'string') w.attrString(ELEMENT.object, data);
      else writeData(w, ELEMENT.data, data);
    }
    if (!this.#deleting) {
      if (element.timeout !== undefined) w.attrBe64(ELEMENT.timeout, BigInt(element.timeout));
      const userdata = elementData(element.comment, plain && behind === undefined);
      if (userdata !== undefined) w.attrBytes(ELEMENT.userdata, userdata);
    }
    w.closeNest(nest);
    if (behind !== undefined) {
      const last = w.openNest(NFTA_LIST_ELEM);
      w.attrBe32(ELEMENT.flags, ELEMENT_INTERVAL_END);
      writeKey(w, ELEMENT.key, behind);
      w.closeNest(last);
    }
    if (w.offset > FULL) this.#close();
  }

  /** Ends the last message; there is one even without elements. */
  finish(): void {
    if (this.#list === undefined && this.#schema === undefined) this.#open();
    this.#close();
  }

  #open(): void {
    if (this.#list !== undefined) return;
    this.#begin();
    this.#list = this.#w.openNest(ELEMENTS.list);
  }

  #close(): void {
    if (this.#list !== undefined) this.#w.closeNest(this.#list);
    this.#list = undefined;
  }
}

function writeKey(w: MessageWriter, attribute: number, key: Buffer): void {
  const nest = w.openNest(attribute);
  w.attrBytes(NFTA_DATA_VALUE, key);
  w.closeNest(nest);
}
