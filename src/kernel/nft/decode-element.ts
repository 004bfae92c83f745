import type { AttributeReader } from '../netlink/attributes.ts';
import { ELEMENT, ELEMENT_CATCHALL, ELEMENT_INTERVAL_END, ELEMENTS } from './constants.ts';
import { decodeCounterValue } from './decode.ts';
import { decodeData, decodeKey } from './element.ts';
import { readData, type VerdictData } from './instruction.ts';
import type { CounterValue, ElementInfo } from './nft.ts';
import { predecessor } from './range.ts';
import type { SetSchema } from './schema.ts';
import type { SetElement } from './spec.ts';
import { COMMENT, commentIn } from './userdata.ts';

const NFTA_DATA_VALUE = 1;
const NFTA_EXPR_NAME = 1;
const NFTA_EXPR_DATA = 2;

/** One element as the kernel dumps it. */
export interface RawElement {
  key?: Buffer;
  keyEnd?: Buffer;
  flags: number;
  data?: Uint8Array | VerdictData | string;
  timeout?: number;
  expires?: number;
  comment?: string;
  counter?: CounterValue;
}

/** The elements of one message of a dump. */
export function readElements(reader: AttributeReader, into: RawElement[]): void {
  while (reader.next()) {
    if (reader.type !== ELEMENTS.list) continue;
    const list = reader.nested();
    while (list.next()) into.push(readElement(list.nested()));
  }
}

export function readElement(reader: AttributeReader): RawElement {
  const element: RawElement = { flags: 0 };
  while (reader.next()) {
    switch (reader.type) {
      case ELEMENT.key:
        element.key = readValue(reader.nested());
        break;
      case ELEMENT.keyEnd:
        element.keyEnd = readValue(reader.nested());
        break;
      case ELEMENT.data:
        element.data = readData(reader.nested());
        break;
      case ELEMENT.object:
        element.data = reader.string();
        break;
      case ELEMENT.flags:
        element.flags = reader.be32();
        break;
      case ELEMENT.timeout:
        element.timeout = Number(reader.be64());
        break;
      case ELEMENT.expiration:
        element.expires = Number(reader.be64());
        break;
      case ELEMENT.userdata: {
        const comment = commentIn(reader.bytes(), COMMENT.element);
        if (comment !== undefined) element.comment = comment;
        break;
      }
      case ELEMENT.expression:
        readCounter(reader.nested(), element);
        break;
      case ELEMENT.expressions: {
        const list = reader.nested();
        while (list.next()) readCounter(list.nested(), element);
      }
    }
  }
  return element;
}

/**
 * Whether an element was read twice. While the kernel moves the elements of a hash set to a bigger table, which it
 * does some time after they were added, the parts of a dump overlap: then others were left out. Unlike changes by a
 * transaction the kernel does not tell.
 */
export function hasTwins(elements: readonly RawElement[]): boolean {
  const seen = new Set<string>();
  for (const { key, keyEnd, flags } of elements) {
    const id = `${flags}${key?.toString('latin1')}${keyEnd?.toString('latin1') ?? ''}`;
    if (seen.has(id)) return true;
    seen.add(id);
  }
  return false;
}

function readValue(reader: AttributeReader): Buffer {
  while (reader.next()) if (reader.type === NFTA_DATA_VALUE) return reader.bytes();
  return Buffer.alloc(0);
}

function readCounter(reader: AttributeReader, element: RawElement): void {
  let name = '';
  while (reader.next()) {
    if (reader.type === NFTA_EXPR_NAME) name = reader.string();
    else if (reader.type === NFTA_EXPR_DATA && name === 'counter')
      element.counter = decodeCounterValue(reader.nested());
  }
}

/** Elements in natural form, in the order of their keys where the set is one of plain intervals. */
export function decodeElements(schema: SetSchema, raw: readonly RawElement[]): ElementInfo[] {
  if (schema.interval && schema.key.length === 1) return decodeIntervals(schema, raw);
  return raw.map((element) => info(schema, element, element.key, element.keyEnd ?? element.key));
}

/**
 * A plain interval set holds first values and, marked as ends, first values behind: an interval goes up to the next
 * key of either sort.
 */
function decodeIntervals(schema: SetSchema, raw: readonly RawElement[]): ElementInfo[] {
  const whole = raw.filter((element) => element.flags & ELEMENT_CATCHALL);
  const sorted = raw.filter((element) => element.key !== undefined && !(element.flags & ELEMENT_CATCHALL));
  sorted.sort((a, b) => a.key!.compare(b.key!) || (b.flags & 1) - (a.flags & 1));
  const result: ElementInfo[] = [];
  for (let i = 0; i < sorted.length; i++) {
    const element = sorted[i]!;
    if (element.flags & ELEMENT_INTERVAL_END) continue;
    const next = sorted[i + 1]?.key;
    const end = next === undefined ? Buffer.alloc(element.key!.length, 255) : predecessor(next)!;
    result.push(info(schema, element, element.key, end));
  }
  for (const element of whole) result.push(info(schema, element, undefined, undefined));
  return result;
}

function info(
  schema: SetSchema,
  element: RawElement,
  key: Buffer | undefined,
  end: Buffer | undefined,
): ElementInfo {
  const { data, comment, timeout, expires, counter } = element;
  const isWhole = (element.flags & ELEMENT_CATCHALL) !== 0;
  return {
    key: decodeKey(schema, isWhole ? undefined : key, end),
    ...(data === undefined ? {} : { data: decodeData(schema, data) as NonNullable<SetElement['data']> }),
    ...(comment === undefined ? {} : { comment }),
    ...(timeout === undefined ? {} : { timeout }),
    ...(expires === undefined ? {} : { expires }),
    ...(counter === undefined ? {} : { counter }),
  };
}
