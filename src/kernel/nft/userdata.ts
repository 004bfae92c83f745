/**
 * What the kernel keeps for nft without looking at it: comments and how to print types. A list of one-byte types
 * and lengths, as libnftnl writes them (libnftnl/udata.h).
 */

/** The number of the comment's entry differs by object. */
export const COMMENT = { table: 0, chain: 0, rule: 0, element: 0, object: 0, set: 7 } as const;
const SET_KEY_ORDER = 0;
const SET_DATA_ORDER = 1;
const ELEMENT_FLAGS = 1;
const INTERVAL_OPEN = 1;

const orders = { bytes: 1, host: 1, network: 2, none: 0 } as const;
export type PrintOrder = keyof typeof orders;

export function commentData(comment: string, type: number = COMMENT.rule): Buffer {
  return entry(type, Buffer.from(`${comment}\0`));
}

/** A set's userdata: without the byte order nft would print numbers wrongly. */
export function setData(key: PrintOrder, data: PrintOrder | undefined, comment: string | undefined): Buffer {
  const parts = [number(SET_KEY_ORDER, orders[key])];
  if (data !== undefined) parts.push(number(SET_DATA_ORDER, orders[data]));
  if (comment !== undefined) parts.push(commentData(comment, COMMENT.set));
  return Buffer.concat(parts);
}

/** The userdata of an element, if it needs any; `open`: an interval without an end. */
export function elementData(comment: string | undefined, open: boolean): Buffer | undefined {
  if (comment === undefined && !open) return undefined;
  const parts = comment === undefined ? [] : [commentData(comment, COMMENT.element)];
  if (open) parts.push(number(ELEMENT_FLAGS, INTERVAL_OPEN));
  return Buffer.concat(parts);
}

/** The comment in an object's userdata. */
export function commentIn(userdata: Uint8Array, type: number = COMMENT.rule): string | undefined {
  for (let at = 0; at + 2 <= userdata.length; ) {
    const length = userdata[at + 1]!;
    if (userdata[at] === type) {
      const bytes = Buffer.from(userdata.subarray(at + 2, at + 2 + length));
      return bytes.toString('utf8', 0, bytes.at(-1) === 0 ? length - 1 : length);
    }
    at += 2 + length;
  }
  return undefined;
}

function number(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return entry(type, bytes);
}

function entry(type: number, value: Buffer): Buffer {
  return Buffer.concat([Buffer.from([type, value.length]), value]);
}
