import { encode } from 'dns-packet';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { queryPacket, rcodeOf, read, shown } from '../testing.ts';
import { FakeUpstream } from '../testing-upstream.ts';
import { RCODE, TYPE } from '../wire/constants.ts';
import { isQuery, type Query, readQuery } from '../wire/query.ts';
import { Forwarder, type ForwarderOptions } from './forwarder.ts';
import { nameServers } from './resolv-conf.ts';
import { StoredAnswer } from './stored-answer.ts';

let upstream: FakeUpstream;
beforeEach(async () => {
  upstream = await FakeUpstream.start();
});
afterEach(() => upstream.close());

function forwarder(options: Partial<ForwarderOptions> = {}): Forwarder {
  return new Forwarder({ upstreams: () => [upstream.server], timeoutMs: 20_000, ...options });
}

function query(name: string, type: keyof typeof TYPE | number = 'A', asked = {}): Query {
  const found = readQuery(queryPacket(name, type, asked));
  if (!found || !isQuery(found)) throw new Error('is no query');
  return found;
}

const A = (name: string, data: string, ttl = 300) => ({ name, type: 'A' as const, ttl, data });
const soa = (minimum: number, ttl = 300) => ({
  name: 'example.com',
  type: 'SOA' as const,
  ttl,
  data: { mname: 'ns', rname: 'x', serial: 1, refresh: 1, retry: 1, expire: 1, minimum },
});

test('an answer is passed on with our id, our spelling and what is left of its time, and kept', async () => {
  upstream.answer = (name) => ({ answers: [A(name, '192.0.2.1', 300), A(name, '192.0.2.2', 20)] });
  const asking = forwarder();
  const first = await asking.message(query('Example.COM', 'A', { id: 77 }));
  expect(shown(first)).toEqual(['Example.COM A 192.0.2.1', 'Example.COM A 192.0.2.2']);
  expect(first.readUInt16BE(0)).toBe(77);
  const second = await asking.message(query('exAMPLE.com', 'A', { id: 78 }));
  expect(read(second).questions?.[0]?.name).toBe('exAMPLE.com');
  expect(second.readUInt16BE(0)).toBe(78);
  expect(upstream.asked).toEqual(['udp Example.COM']);
  expect(asking.counts).toEqual({ hits: 1, misses: 1, failures: 0 });
  // Another type, or with signatures, is another question.
  await asking.message(query('example.com', 'AAAA'));
  await asking.message(query('example.com', 'A', { edns: 1232, dnssecOk: true }));
  expect(upstream.asked).toHaveLength(3);
});

test('the time that is left counts down, and ends', () => {
  const message = (): Buffer => {
    const packet = queryPacket('example.com', 'A');
    packet.writeUInt16BE(0x8180, 2);
    const record = Buffer.from('c00c00010001000000140004c0000201', 'hex');
    packet.writeUInt16BE(1, 6);
    return Buffer.concat([packet, record]);
  };
  const stored = new StoredAnswer(message(), 1000);
  const ttl = (now: number): number | undefined => {
    const [record] = read(stored.messageFor(query('example.com'), now)).answers ?? [];
    return record && 'ttl' in record ? record.ttl : undefined;
  };
  expect([1000, 6900, 60_000].map(ttl)).toEqual([20, 15, 0]);
  expect(stored.isFresh(20_999)).toBe(true);
  expect(stored.isFresh(21_000)).toBe(false);
});

test.each([
  ['as long as its SOA record says', { rcode: RCODE.NXDOMAIN, authorities: [soa(7)] }, 7],
  ['not longer than half a minute', { rcode: RCODE.NXDOMAIN, authorities: [soa(3600, 3600)] }, 30],
  ['not at all without SOA record', { rcode: RCODE.NXDOMAIN }, 0],
  ['also for a type that is not there', { authorities: [soa(9)] }, 9],
  ['not at all when it is a failure', { rcode: RCODE.SERVFAIL, authorities: [soa(9)] }, 0],
  ['not at all when it is cut', { truncated: true, answers: [A('example.com', '192.0.2.1')] }, 0],
  ['as short as its shortest record', { answers: [A('a', '192.0.2.1', 9), A('b', '192.0.2.2', 4)] }, 4],
])('an answer is kept %s', (_, answer, lifetime) => {
  const { rcode = 0, truncated = false, ...sections } = { rcode: 0, truncated: false, ...answer };
  const flags = 0x0180 | rcode | (truncated ? 0x0200 : 0);
  const stored = new StoredAnswer(
    encode({ type: 'response', flags, questions: [{ name: 'example.com', type: 'A' }], ...sections }),
    0,
  );
  expect(stored.lifetime).toBe(lifetime);
});

test('what says something about the way is not passed on', async () => {
  const opt = {
    type: 'OPT' as const,
    ...{
      name: '.',
      udpPayloadSize: 4096,
      extendedRcode: 0,
      ednsVersion: 0,
      flags: 0,
      flag_do: false,
      options: [],
    },
  };
  upstream.answer = (name) => ({
    answers: [A(name, '192.0.2.1')],
    additionals: [A('glue', '192.0.2.9'), opt],
  });
  const message = await forwarder().message(query('example.com'));
  expect(read(message).additionals?.map(({ name }) => name)).toEqual(['glue']);
});

test('an answer that is cut is asked for by TCP', async () => {
  upstream.answer = (name, transport) =>
    transport === 'udp'
      ? { truncated: true }
      : { answers: Array.from({ length: 200 }, (_, last) => A(name, `192.0.2.${last}`)) };
  const message = await forwarder().message(query('example.com'));
  expect(read(message).answers).toHaveLength(200);
  expect(upstream.asked).toEqual(['udp example.com', 'tcp example.com']);
});

test('answers to other questions, with other ids, and no answers at all are not taken', async () => {
  upstream.onUdp = (packet, { port, address }, socket) => {
    const forged = (change: (copy: Buffer) => void): void => {
      const copy = Buffer.concat([
        packet.subarray(0, 29),
        Buffer.from('c00c000100010000012c0004c0000263', 'hex'),
      ]);
      copy.writeUInt16BE(0x8180, 2);
      copy.writeUInt16BE(1, 6);
      copy.writeUInt16BE(0, 10);
      change(copy);
      socket.send(copy, port, address);
    };
    forged((copy) => copy.writeUInt16BE(copy.readUInt16BE(0) ^ 1, 0));
    forged((copy) => copy.write('f', 13));
    forged((copy) => copy.writeUInt16BE(0x0100, 2));
    socket.send(Buffer.from('junk'), port, address);
    socket.send(Buffer.alloc(0), port, address);
  };
  upstream.answer = (name) => ({ answers: [A(name, '192.0.2.1')] });
  expect(shown(await forwarder().message(query('example.com')))).toEqual(['example.com A 192.0.2.1']);
});

test('ids and ports differ from question to question', async () => {
  const asking = forwarder();
  await Promise.all(Array.from({ length: 40 }, (_, i) => asking.message(query(`host-${i}.example.com`))));
  expect(upstream.ids.size).toBeGreaterThan(30);
  expect(upstream.ports.size).toBeGreaterThan(30);
});

test('one question is asked once, however many want to know', async () => {
  upstream.answer = (name) => ({ answers: [A(name, '192.0.2.1')] });
  const asking = forwarder();
  await Promise.all(Array.from({ length: 50 }, () => asking.message(query('example.com'))));
  expect(upstream.asked).toHaveLength(1);
});

describe('when something is wrong', () => {
  test('the next server is asked: after silence, a failure, or nonsense', async () => {
    const second = await FakeUpstream.start();
    second.answer = (name) => ({ answers: [A(name, '192.0.2.2')] });
    const servers = [upstream.server, second.server];
    for (const [name, wrong] of [
      ['silence', undefined],
      ['failure', { rcode: RCODE.SERVFAIL }],
      ['refused', { rcode: RCODE.REFUSED }],
    ] as const) {
      upstream.answer = () => wrong;
      const asking = new Forwarder({ upstreams: () => servers, timeoutMs: 300 });
      expect(shown(await asking.message(query(`${name}.example.com`)))).toHaveLength(1);
    }
    upstream.answer = (_name, _transport, packet) => {
      const copy = Buffer.from(packet);
      copy.writeUInt16BE(0x8180, 2);
      copy.writeUInt16BE(900, 6);
      return copy;
    };
    expect(
      shown(await forwarder({ upstreams: () => servers }).message(query('nonsense.example.com'))),
    ).toHaveLength(1);
    await second.close();
  });

  test('the only server is tried twice when it is silent, and its failure is passed on', async () => {
    upstream.answer = () => undefined;
    const silent = forwarder({ timeoutMs: 100 });
    await expect(silent.message(query('example.com'))).rejects.toThrow(/no answer in 100 ms/);
    expect(upstream.asked).toHaveLength(2);
    // Remembered for a moment: who asks at once gets no other answer.
    await expect(silent.message(query('example.com'))).rejects.toThrow(/no answer/);
    expect(upstream.asked).toHaveLength(2);
    upstream.answer = () => ({ rcode: RCODE.SERVFAIL });
    expect(rcodeOf(await forwarder().message(query('example.com')))).toBe(RCODE.SERVFAIL);
  });

  test('nobody there is found out at once', async () => {
    const gone = await FakeUpstream.start();
    const { server } = gone;
    await gone.close();
    await expect(forwarder({ upstreams: () => [server] }).message(query('example.com'))).rejects.toThrow(
      /ECONNREFUSED/,
    );
    await expect(async () =>
      forwarder({ upstreams: () => [] }).message(query('example.com')),
    ).rejects.toThrow(/resolv.conf names none/);
  });

  test('an old server is asked without EDNS', async () => {
    upstream.answer = (name, _transport, packet) =>
      packet.readUInt16BE(10) > 0 ? { rcode: RCODE.FORMERR } : { answers: [A(name, '192.0.2.1')] };
    expect(shown(await forwarder().message(query('example.com')))).toHaveLength(1);
  });

  test('there is a limit to questions under way, and it is told', async () => {
    upstream.answer = () => undefined;
    const asking = forwarder({ mostUnderWay: 2, timeoutMs: 500 });
    const running = [query('a.example'), query('b.example')].map((one) => asking.message(one));
    await expect(async () => asking.message(query('c.example'))).rejects.toThrow(/2 questions are with/);
    expect((await Promise.allSettled(running)).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    upstream.answer = () => ({});
    await asking.message(query('d.example'));
  });

  test('no more answers are kept than may be', async () => {
    upstream.answer = (name) => ({ answers: [A(name, '192.0.2.1')] });
    const asking = forwarder({ mostAnswers: 3 });
    for (const name of ['a', 'b', 'c', 'd', 'e']) await asking.message(query(name));
    expect(asking.size).toBe(3);
    await asking.message(query('e'));
    expect(asking.counts.hits).toBe(1);
  });

  test('servers that ask us are found out, and asked no more until they do not', async () => {
    const asking = forwarder();
    upstream.answer = (name) => {
      asking.seen(name, TYPE.HINFO);
      return { rcode: RCODE.NXDOMAIN };
    };
    expect(await asking.checkLoop()).toBe(true);
    await expect(async () => asking.message(query('example.com'))).rejects.toThrow(/ask this one/);
    upstream.answer = () => ({ rcode: RCODE.NXDOMAIN });
    expect(await asking.checkLoop()).toBe(false);
    await asking.message(query('example.com'));
  });
});

test('the servers of a resolv.conf', () => {
  const text =
    '# nameserver 1.1.1.1\n nameserver 10.0.0.1 # first\nsearch x\nnameserver fd00::1\nnameserver x\nnameserver 10.0.0.3\nnameserver 10.0.0.4\n';
  expect(nameServers(text).map(({ address }) => address)).toEqual(['10.0.0.1', 'fd00::1', '10.0.0.3']);
});
