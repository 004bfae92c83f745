import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AttributeReader, HEADER_LENGTH, MessageWriter, NLM_F_ACK, NLM_F_REQUEST } from './attributes.ts';

type Value =
  | { kind: 'u8' | 'u16' | 'u32' | 's32' | 'be16' | 'be32'; type: number; value: number }
  | { kind: 'u64' | 'be64'; type: number; value: bigint }
  | { kind: 'string'; type: number; value: string }
  | { kind: 'bytes'; type: number; value: Uint8Array }
  | { kind: 'flag'; type: number }
  | { kind: 'nest'; type: number; value: Value[] };

const type = fc.integer({ min: 0, max: 0x3fff });
const sized = (kind: 'u8' | 'u16' | 'u32' | 'be16' | 'be32', max: number): fc.Arbitrary<Value> =>
  fc.record({ kind: fc.constant(kind), type, value: fc.nat(max) });

const { attributes } = fc.letrec<{ attributes: Value[]; attribute: Value }>((tie) => ({
  attributes: fc.array(tie('attribute'), { maxLength: 6 }),
  attribute: fc.oneof(
    { depthSize: 'small' },
    sized('u8', 0xff),
    sized('u16', 0xffff),
    sized('u32', 0xffffffff),
    sized('be16', 0xffff),
    sized('be32', 0xffffffff),
    fc.record({ kind: fc.constant('s32' as const), type, value: fc.integer() }),
    fc.record({
      kind: fc.constantFrom('u64' as const, 'be64' as const),
      type,
      value: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    }),
    fc.record({
      kind: fc.constant('string' as const),
      type,
      value: fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0')),
    }),
    fc.record({ kind: fc.constant('bytes' as const), type, value: fc.uint8Array({ maxLength: 40 }) }),
    fc.record({ kind: fc.constant('flag' as const), type }),
    fc.record({ kind: fc.constant('nest' as const), type, value: tie('attributes') }),
  ),
}));

function write(writer: MessageWriter, values: Value[]): void {
  for (const entry of values) {
    if (entry.kind === 'nest') writer.nest(entry.type, () => write(writer, entry.value));
    else if (entry.kind === 'u8') writer.attrU8(entry.type, entry.value);
    else if (entry.kind === 'u16') writer.attrU16(entry.type, entry.value);
    else if (entry.kind === 'u32') writer.attrU32(entry.type, entry.value);
    else if (entry.kind === 's32') writer.attrS32(entry.type, entry.value);
    else if (entry.kind === 'be16') writer.attrBe16(entry.type, entry.value);
    else if (entry.kind === 'be32') writer.attrBe32(entry.type, entry.value);
    else if (entry.kind === 'u64') writer.attrU64(entry.type, entry.value);
    else if (entry.kind === 'be64') writer.attrBe64(entry.type, entry.value);
    else if (entry.kind === 'string') writer.attrString(entry.type, entry.value);
    else if (entry.kind === 'bytes') writer.attrBytes(entry.type, entry.value);
    else writer.attrFlag(entry.type);
  }
}

/** Reads with the shape of what was written, since attributes do not say what they are. */
function read(reader: AttributeReader, shape: Value[]): Value[] {
  return shape.map((entry) => {
    expect(reader.next()).toBe(true);
    const { kind } = entry;
    const at = reader.type;
    if (kind === 'flag') return { kind, type: at };
    if (kind === 'nest') return { kind, type: at, value: read(reader.nested(), entry.value) };
    if (kind === 'bytes') return { kind, type: at, value: new Uint8Array(reader.bytes()) };
    if (kind === 'string') return { kind, type: at, value: reader.string() };
    if (kind === 'u64') return { kind, type: at, value: reader.u64() };
    if (kind === 'be64') return { kind, type: at, value: reader.be64() };
    return { kind, type: at, value: reader[kind]() };
  });
}

const PAYLOAD = HEADER_LENGTH + 4;

describe('MessageWriter and AttributeReader', () => {
  test('what was written is read back, whatever the writer held before', () => {
    const writer = new MessageWriter(16);
    fc.assert(
      fc.property(attributes, (values) => {
        writer.reset().begin(16, 0).u32(0xdeadbeef);
        write(writer, values);
        const datagram = writer.finish(1);
        expect(datagram.readUInt32LE(0)).toBe(datagram.length);
        expect(datagram.length % 4).toBe(0);
        const reader = AttributeReader.over(datagram.subarray(PAYLOAD));
        expect(read(reader, values)).toEqual(values);
        expect(reader.next()).toBe(false);
      }),
    );
  });

  test('padding is zero although the memory was used before', () => {
    const writer = new MessageWriter(64);
    writer.begin(1, 0).raw(Buffer.alloc(200, 0xff));
    writer.finish(1);
    writer
      .reset()
      .begin(1, 0)
      .attrU8(1, 7)
      .attrString(2, 'a')
      .attrBytes(3, Buffer.from([1, 2, 3, 4, 5]));
    expect(writer.finish(1).subarray(HEADER_LENGTH).toString('hex')).toBe(
      ['0500010007000000', '0600020061000000', '090003000102030405000000'].join(''),
    );
  });

  test('several messages in one datagram: aligned, each with its length, flags and number', () => {
    const writer = new MessageWriter();
    writer.begin(20, NLM_F_ACK).u8(1).begin(21, 0).u16(2).be16(0x1234).begin(22, 0);
    const datagram = writer.finish(0xfffffff0);
    expect(writer.count).toBe(3);
    const headers = [0, 20, 40].map((at) => [
      datagram.readUInt32LE(at),
      datagram.readUInt16LE(at + 4),
      datagram.readUInt16LE(at + 6),
      datagram.readUInt32LE(at + 8),
    ]);
    expect(headers).toEqual([
      [17, 20, NLM_F_REQUEST | NLM_F_ACK, 0xfffffff0],
      [20, 21, NLM_F_REQUEST, 0xfffffff1],
      [16, 22, NLM_F_REQUEST, 0xfffffff2],
    ]);
    expect(datagram.subarray(36, 40).toString('hex')).toBe('02001234');
  });

  test('the last message can be taken back', () => {
    const writer = new MessageWriter();
    writer.begin(1, 0).u32(1);
    const before = Buffer.from(writer.finish(5));
    writer.begin(2, 0).attrString(1, 'half a mes');
    writer.dropLast();
    expect(writer.finish(5)).toEqual(before);
    expect(writer.count).toBe(1);
  });

  test('flags can be added to a message afterwards', () => {
    const writer = new MessageWriter();
    writer.begin(1, 0).begin(2, 0);
    writer.addFlags(1, NLM_F_ACK);
    expect([writer.flags(0), writer.flags(1)]).toEqual([NLM_F_REQUEST, NLM_F_REQUEST | NLM_F_ACK]);
  });

  test('what does not fit is refused, not cut', () => {
    const writer = new MessageWriter().begin(1, 0);
    expect(() => writer.attrBytes(1, new Uint8Array(65_532))).toThrow(/65532 bytes, more than 65531/);
    expect(() => writer.attrBytes(1, new Uint8Array(65_531))).not.toThrow();
    expect(() =>
      writer.nest(9, () => {
        for (let i = 0; i < 3; i++) writer.attrBytes(1, new Uint8Array(30_000));
      }),
    ).toThrow(/attribute 9: 90012 bytes/);
    expect(() => writer.attrString(1, 'a\0b')).toThrow(/NUL/);
    expect(() => writer.attrU8(1, 256)).toThrow(/256 is not a whole number from 0 to 255/);
    expect(() => writer.attrU16(1, -1)).toThrow(RangeError);
    expect(() => writer.attrU32(1, 2 ** 32)).toThrow(RangeError);
    expect(() => writer.attrU32(1, 1.5)).toThrow(RangeError);
    expect(() => writer.attrU32(1, Number.NaN)).toThrow(RangeError);
  });

  test('the reader stops at an attribute that is longer than its surroundings', () => {
    expect(AttributeReader.over(Buffer.from('0500010007', 'hex')).next()).toBe(true);
    expect(AttributeReader.over(Buffer.from('0900010007', 'hex')).next()).toBe(false);
    expect(AttributeReader.over(Buffer.from('03000100', 'hex')).next()).toBe(false);
    expect(AttributeReader.over(Buffer.from('0400', 'hex')).next()).toBe(false);
  });

  test('the reader refuses to read past an attribute into the next', () => {
    const reader = AttributeReader.over(Buffer.from('05000100070000000800020001000000', 'hex'));
    reader.next();
    expect(() => reader.u32()).toThrow(/attribute 1: 1 bytes where 4 were expected/);
    expect(reader.u8()).toBe(7);
  });

  test('random bytes never make the reader leave its payload or loop', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const reader = AttributeReader.over(bytes);
        let total = 0;
        while (reader.next()) total += reader.bytes().length + 4;
        expect(total).toBeLessThanOrEqual(bytes.length);
      }),
    );
  });

  test('counters are exact up to 2^53', () => {
    const writer = new MessageWriter().begin(1, 0).attrU64(1, 2n ** 53n - 1n);
    const reader = AttributeReader.over(writer.finish(1).subarray(HEADER_LENGTH));
    reader.next();
    expect(reader.counter()).toBe(Number.MAX_SAFE_INTEGER);
  });
});
