import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { queryPacket, rcodeOf, read, shown } from '../testing.ts';
import { FLAG, HEADER, RCODE } from './constants.ts';
import { errorMessage, finish, type ResourceRecord, writeMessage } from './message.ts';
import { answerLimit, isQuery, type Query, readQuery } from './query.ts';
import { MalformedMessage, recordsOf } from './walk.ts';

function query(packet: Buffer): Query {
  const found = readQuery(packet);
  if (!found || !isQuery(found)) throw new Error(`is none: ${JSON.stringify(found)}`);
  return found;
}

/** A packet with some bytes changed. */
function patched(packet: Buffer, at: number, ...bytes: number[]): Buffer {
  const copy = Buffer.from(packet);
  copy.set(bytes, at);
  return copy;
}

const WEB = queryPacket('web.default', 'A', { edns: 1232 });

describe('a query', () => {
  test('is read as it was asked', () => {
    const found = query(
      queryPacket('WeB.Default.', 'AAAA', { id: 7, edns: 4096, dnssecOk: true, flags: 0x0110 }),
    );
    expect(found).toMatchObject({
      id: 7,
      name: 'web.default',
      type: 28,
      plain: true,
      flags: 0x0110,
      edns: { size: 4096, version: 0, dnssecOk: true },
    });
    expect(found.question.toString('latin1')).toContain('WeB');
    expect(query(queryPacket('.', 'NS'))).toMatchObject({ name: '', plain: true, edns: undefined });
  });

  test.each<[string, Buffer, number]>([
    ['two questions', patched(WEB, 5, 2), RCODE.FORMERR],
    ['no question', patched(WEB, 5, 0), RCODE.FORMERR],
    ['a question cut short', WEB.subarray(0, HEADER + 8), RCODE.FORMERR],
    ['a name that points at itself', patched(WEB, HEADER, 0xc0, HEADER), RCODE.FORMERR],
    ['a label of an unknown type', patched(WEB, HEADER, 0x40), RCODE.FORMERR],
    ['more answers than it has', patched(WEB, 7, 1), RCODE.FORMERR],
    ['sixty thousand answers', patched(WEB, 6, 0xff, 0xff), RCODE.FORMERR],
    ['two OPT records', Buffer.concat([patched(WEB, 11, 2), WEB.subarray(-11)]), RCODE.FORMERR],
    ['another opcode', patched(WEB, 2, 0x28 | 0x01), RCODE.NOTIMP],
    ['another class', patched(queryPacket('web', 'A'), HEADER + 7, 0, 3), RCODE.REFUSED],
    ['a zone transfer', queryPacket('cluster.local', 'AXFR'), RCODE.REFUSED],
    ['a version of EDNS to come', queryPacket('web', 'A', { edns: 512, version: 1 }), RCODE.BADVERS],
  ])('with %s is refused', (_, packet, rcode) => {
    const found = readQuery(packet);
    expect(found).toMatchObject({ rcode });
    const message = errorMessage(found as Query, rcode);
    expect(message.readUInt16BE(0)).toBe(4711);
    expect(rcodeOf(message)).toBe(rcode & 15);
    expect(read(message).additionals?.[0]).toEqual(
      rcode === RCODE.BADVERS
        ? expect.objectContaining({ type: 'OPT', extendedRcode: 1, ednsVersion: 0 })
        : undefined,
    );
  });

  test.each([
    ['an answer', patched(WEB, 2, 0x81)],
    ['less than a header', WEB.subarray(0, HEADER - 1)],
    ['nothing', Buffer.alloc(0)],
  ])('%s is none', (_, packet) => {
    expect(readQuery(packet)).toBeUndefined();
  });

  test('names that look alike and are not are told from others', () => {
    const dotted = Buffer.from(queryPacket('a-b.default', 'A'));
    dotted[HEADER + 2] = '.'.charCodeAt(0);
    expect(query(dotted)).toMatchObject({ name: 'a.b.default', plain: false });
    const binary = Buffer.from(queryPacket('a-b.default', 'A'));
    binary[HEADER + 2] = 0xff;
    expect(query(binary).plain).toBe(false);
  });
});

function address(last: number, name = 'web.default'): ResourceRecord {
  return { name, type: 'A', ttl: 30, data: `10.0.${last >> 8}.${last & 255}` };
}

describe('an answer', () => {
  test('keeps the case that was asked, and writes names once', () => {
    const asked = query(queryPacket('WEB.Default', 'A'));
    const message = writeMessage(asked, 0, 0, {
      answers: [address(1), address(2), address(3, 'other.default')],
    });
    expect(shown(message)).toEqual([
      'WEB.Default A 10.0.0.1',
      'WEB.Default A 10.0.0.2',
      'other.Default A 10.0.0.3',
    ]);
    expect(message.length).toBe(HEADER + asked.question.length + 2 * 16 + 16 + 6);
  });

  test.each([
    ['by UDP without EDNS', undefined, 'udp', 512],
    ['by UDP with less than anybody has to take', 100, 'udp', 512],
    ['by UDP with EDNS', 800, 'udp', 800],
    ['by UDP with more than networks carry', 4096, 'udp', 1232],
    ['by TCP', undefined, 'tcp', 65_535],
  ] as const)('%s has its room', (_, size, transport, limit) => {
    const packet = queryPacket('web.default', 'A', size === undefined ? {} : { edns: size });
    expect(answerLimit(query(packet).edns, transport)).toBe(limit);
  });

  test('that is too long is cut between two records, and says so', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 120 }),
        fc.option(fc.integer({ min: 0, max: 2000 })),
        (count, size) => {
          const asked = query(queryPacket('web.default', 'A', size === null ? {} : { edns: size }));
          const answers = Array.from({ length: count }, (_, last) => address(last));
          const limit = answerLimit(asked.edns, 'udp');
          const sent = finish(writeMessage(asked, 0, 0, { answers }), asked.edns, limit);
          expect(sent.length).toBeLessThanOrEqual(limit);
          const found = read(sent);
          expect(found.answers?.length).toBe(
            Math.min(count, Math.floor((limit - (size === null ? 29 : 40)) / 16)),
          );
          expect((sent.readUInt16BE(2) & FLAG.TRUNCATED) !== 0).toBe((found.answers?.length ?? 0) < count);
          expect(found.additionals?.length).toBe(size === null ? 0 : 1);
        },
      ),
    );
  });

  test('without some of its additional records is whole', () => {
    const asked = query(queryPacket('web.default', 'A'));
    const additionals = Array.from({ length: 60 }, (_, last) => address(last, 'other'));
    const sent = finish(writeMessage(asked, 0, 0, { answers: [address(1)], additionals }), undefined, 512);
    expect(sent.readUInt16BE(2) & FLAG.TRUNCATED).toBe(0);
    expect(read(sent).additionals?.length).toBeGreaterThan(20);
  });

  test('beyond all that a message can have is cut, too', () => {
    const asked = query(queryPacket('web.default', 'A', { edns: 1232 }));
    const answers = Array.from({ length: 5000 }, (_, last) => address(last));
    const sent = finish(writeMessage(asked, 0, 0, { answers }), asked.edns, answerLimit(asked.edns, 'tcp'));
    expect(sent.length).toBeLessThanOrEqual(65_535);
    expect(sent.readUInt16BE(2) & FLAG.TRUNCATED).not.toBe(0);
    expect(read(sent).answers?.length).toBeGreaterThan(4000);
  });
});

describe('whatever bytes come', () => {
  const valid = fc.constantFrom(
    WEB,
    queryPacket('a.b.c.d.e', 'SRV', { edns: 4096 }),
    writeMessage(query(WEB), 0, 0, { answers: [address(1), { name: 'x', type: 'CNAME', data: 'y.z' }] }),
  );
  const mutated = fc
    .tuple(valid, fc.array(fc.tuple(fc.nat(80), fc.nat(255)), { maxLength: 6 }), fc.nat(100))
    .map(([packet, changes, cut]) => {
      const copy = Buffer.from(packet.subarray(0, Math.max(0, packet.length - (cut > 60 ? cut - 60 : 0))));
      for (const [at, byte] of changes) if (at < copy.length) copy[at] = byte;
      return copy;
    });
  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    mutated,
  );

  test('a query is read or refused', () => {
    fc.assert(
      fc.property(anything, (packet) => {
        const found = readQuery(packet);
        if (!found) return;
        const message = isQuery(found) ? writeMessage(found, 0, 0) : errorMessage(found, found.rcode);
        expect(message.readUInt16BE(0)).toBe(packet.readUInt16BE(0));
        expect(() => read(message)).not.toThrow();
      }),
      { numRuns: 3000 },
    );
  });

  test('the records of a message are found or the message is malformed', () => {
    fc.assert(
      fc.property(anything, (packet) => {
        try {
          const places = recordsOf(packet);
          for (const { start, data, end } of places) expect(start < data && data <= end).toBe(true);
          expect(places.at(-1)?.end ?? 0).toBeLessThanOrEqual(packet.length);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedMessage);
        }
      }),
      { numRuns: 3000 },
    );
  });
});
