import { describe, expect, test } from 'vitest';
import { AttributeReader, HEADER_LENGTH, MessageWriter } from '../netlink/attributes.ts';
import { ELEMENTS, MSG, NFGEN_LENGTH, SUBSYSTEM } from './constants.ts';
import { type RawElement, readElements } from './decode-element.ts';
import { BatchEncoder, type SchemaSource } from './encode.ts';
import { inSet, ip, type SetSpec, type TableRef, Transaction } from './index.ts';
import { schemaOf } from './schema.ts';

const T: TableRef = { family: 'inet', name: 't' };
const plain: SetSpec = { table: T, name: 's', key: 'ipv4_addr' };

interface Message {
  type: number;
  flags: number;
  bytes: Buffer;
}

function encode(
  tx: Transaction,
  source: SchemaSource = () => undefined,
): { messages: Message[]; encoder: BatchEncoder } {
  const writer = new MessageWriter();
  const encoder = new BatchEncoder(writer, source);
  encoder.encode(tx);
  const datagram = writer.finish(1);
  const messages: Message[] = [];
  for (let at = 0; at < datagram.length; ) {
    const length = datagram.readUInt32LE(at);
    messages.push({
      type: datagram.readUInt16LE(at + 4),
      flags: datagram.readUInt16LE(at + 6),
      bytes: datagram.subarray(at, at + length),
    });
    at += (length + 3) & ~3;
  }
  return { messages, encoder };
}

function elementsIn({ bytes }: Message): RawElement[] {
  const list: RawElement[] = [];
  readElements(AttributeReader.over(bytes.subarray(HEADER_LENGTH + NFGEN_LENGTH)), list);
  return list;
}

const types = (messages: readonly Message[]): number[] =>
  messages.slice(1, -1).map(({ type }) => type & 0xff);

describe('a transaction as a batch', () => {
  test('is framed, and each message knows its operation', () => {
    const tx = new Transaction().addTable(T).addSet(plain);
    const { messages, encoder } = encode(tx);
    expect(messages.map(({ type }) => type)).toEqual([0x10, SUBSYSTEM, SUBSYSTEM | MSG.newSet, 0x11]);
    expect(encoder.origins).toEqual([undefined, ...tx.operations, undefined]);
  });

  test('spreads long lists over messages, with nothing lost and none too long', () => {
    const elements = Array.from({ length: 10_000 }, (_, i) => ({
      key: `10.0.${i >> 8}.${i & 255}`,
      comment: 'c'.repeat(127),
    }));
    const tx = new Transaction().addSet(plain).addElements({ table: T, set: 's', elements });
    const { messages, encoder } = encode(tx);
    const lists = messages.filter(({ type }) => type === (SUBSYSTEM | MSG.newElement));
    expect(lists.length).toBeGreaterThan(20);
    expect(encoder.origins).toHaveLength(messages.length);
    const keys: string[] = [];
    for (const message of lists) {
      expect(message.bytes.length).toBeLessThan(65_535);
      expect(encoder.origins[messages.indexOf(message)]).toBe(tx.operations[1]);
      for (const { key } of elementsIn(message)) keys.push([...key!].join('.'));
    }
    expect(keys).toEqual(elements.map(({ key }) => key));
  });

  test('keeps both halves of an interval in one message', () => {
    const set = { ...plain, interval: true };
    const elements = Array.from({ length: 5000 }, (_, i) => ({ key: `10.${i >> 8}.${i & 255}.0/25` }));
    const { messages } = encode(new Transaction().addElements({ table: T, set, elements }));
    const lists = messages.slice(1, -1).map(elementsIn);
    expect(lists.length).toBeGreaterThan(1);
    for (const list of lists) expect(list.filter(({ flags }) => flags === 1)).toHaveLength(list.length / 2);
  });

  test('puts the nameless sets of a rule before it', () => {
    const rule = [inSet(ip('saddr'), ['10.0.0.1', '10.0.0.2'])];
    const { messages } = encode(new Transaction().addRule({ table: T, chain: 'c', rule }));
    expect(types(messages)).toEqual([MSG.newSet, MSG.newElement, MSG.newRule]);
  });

  test('asks for a set only when it does not know it', () => {
    const asked: string[] = [];
    const source: SchemaSource = (_, name) => {
      asked.push(name);
      return schemaOf(plain);
    };
    const add = (set: string | SetSpec) => ({ table: T, set, elements: [{ key: '10.0.0.1' }] });
    encode(new Transaction().addSet(plain).addElements(add('s')), source);
    encode(new Transaction().addElements(add(plain)), source);
    expect(asked).toEqual([]);
    encode(new Transaction().addElements(add('other')), source);
    expect(asked).toEqual(['other']);
    // What the transaction deletes is gone for what follows, whatever the kernel has until then.
    const { encoder } = encode(new Transaction().deleteTable(T).addElements(add('s')), source);
    expect(asked).toEqual(['other']);
    expect([...encoder.removedTables]).toEqual(['inet t']);
  });

  test('deletes a table that may be missing by making it first', () => {
    const { messages } = encode(new Transaction().deleteTable(T, { ifMissing: 'ignore' }));
    expect(types(messages)).toEqual([MSG.newTable, MSG.deleteTable]);
  });

  test('sends an empty list to a set that nobody knows, for the kernel to refuse', () => {
    const tx = new Transaction().addElements({ table: T, set: 'missing', elements: [{ key: '10.0.0.1' }] });
    const { messages } = encode(tx);
    expect(types(messages)).toEqual([MSG.newElement]);
    expect(elementsIn(messages[1]!)).toEqual([]);
    const reader = AttributeReader.over(messages[1]!.bytes.subarray(HEADER_LENGTH + NFGEN_LENGTH));
    const seen: number[] = [];
    while (reader.next()) seen.push(reader.type);
    expect(seen).toContain(ELEMENTS.list);
  });
});
