import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { queryPacket, rcodeOf, read, service, shown, slice } from '../testing.ts';
import { askUdp, TcpClient } from '../testing-client.ts';
import { FLAG, RCODE } from '../wire/constants.ts';
import { writeMessage } from '../wire/message.ts';
import type { Query } from '../wire/query.ts';
import { ClusterZone } from '../zone/cluster-zone.ts';
import { ServiceDirectory } from '../zone/directory.ts';
import { DnsServer } from './dns-server.ts';
import { DnsMetrics } from './metrics.ts';
import { type Outside, Responder } from './responder.ts';

const S = 'default.svc.cluster.local';
const directory = new ServiceDirectory();
const metrics = new DnsMetrics();
const failures: string[] = [];
const errors: Error[] = [];
let ready = true;

/** Others, as a test has them. */
const outside: Outside & { message: Outside['message'] } = {
  message: () => {
    throw new Error('nobody there');
  },
  records: async (name, type) => {
    if (name === 'gone.example.com') return { rcode: RCODE.NXDOMAIN, records: [] };
    if (name !== 'www.example.com') throw new Error('nobody there');
    return { rcode: 0, records: type === 1 ? [{ name, type: 'A', ttl: 5, data: '192.0.2.1' }] : [] };
  },
  seen: () => undefined,
};
const responder = new Responder({
  zone: new ClusterZone(directory, { domain: 'cluster.local', ttl: 30, nameServer: 'kube-system/kube-dns' }),
  outside,
  metrics,
  ready: () => ready,
  onFailure: ({ name }, error) => failures.push(`${name}: ${error.message}`),
});
let server: DnsServer;

beforeAll(async () => {
  directory.setNamespace({ metadata: { name: 'default' } });
  directory.setService(service('default/web', { clusterIP: '10.0.0.20', ports: ['http:80'] }));
  directory.setService(service('default/away', { externalName: 'www.example.com' }));
  directory.setService(service('default/gone', { externalName: 'gone.example.com' }));
  directory.setService(service('default/lost', { externalName: 'lost.example.com' }));
  directory.setService(service('default/inside', { externalName: `web.${S}` }));
  directory.setService(service('default/chain', { externalName: `away.${S}` }));
  directory.setService(service('default/ring', { externalName: `ring.${S}` }));
  directory.setService(service('default/dead', { externalName: `nobody.${S}` }));
  directory.setService(service('default/many', { clusterIP: 'None', ports: ['p:1'] }));
  const endpoints = Array.from({ length: 100 }, (_, last) => ({ addresses: [`10.244.0.${last + 1}`] }));
  directory.setSlice(slice('default/many', endpoints, [{ name: 'p', port: 1 }]));
  directory.setService(service('default/few', { clusterIP: 'None', ports: ['p:1'] }));
  directory.setSlice(slice('default/few', endpoints.slice(0, 3), [{ name: 'p', port: 1 }]));
  server = await DnsServer.listen({ host: '127.0.0.1', port: 0 }, responder, (error) => errors.push(error));
});
afterAll(async () => {
  await server.close();
  expect(errors).toEqual([]);
});

const ask = (name: string, type: Parameters<typeof queryPacket>[1] = 'A', asked = {}): Promise<Buffer> =>
  askUdp(server.port, queryPacket(name, type, asked));

describe('an answer', () => {
  test('has the id, the case and the flags of its query', async () => {
    for (const id of [1, 65_535]) {
      const message = await ask(`WEB.${S}`, 'A', { id });
      expect(message.readUInt16BE(0)).toBe(id);
      expect(shown(message)).toEqual([`WEB.${S} A 10.0.0.20`]);
      const flags = message.readUInt16BE(2);
      expect(flags).toBe(
        FLAG.RESPONSE | FLAG.AUTHORITATIVE | FLAG.RECURSION_DESIRED | FLAG.RECURSION_AVAILABLE,
      );
    }
    expect((await ask(`web.${S}`, 'A', { flags: 0 })).readUInt16BE(2) & FLAG.RECURSION_DESIRED).toBe(0);
  });

  test('that denies names the zone', async () => {
    const denied = await ask(`nobody.${S}`);
    expect(rcodeOf(denied)).toBe(RCODE.NXDOMAIN);
    expect(read(denied).authorities).toMatchObject([{ name: 'cluster.local', type: 'SOA' }]);
    const empty = await ask(`web.${S}`, 'AAAA');
    expect(rcodeOf(empty)).toBe(RCODE.NOERROR);
    expect(read(empty)).toMatchObject({ answers: [], authorities: [{ type: 'SOA' }] });
  });

  test('says of EDNS what the query said', async () => {
    expect(read(await ask(`web.${S}`)).additionals).toEqual([]);
    expect(read(await ask(`web.${S}`, 'A', { edns: 4096, dnssecOk: true })).additionals).toMatchObject([
      { type: 'OPT', udpPayloadSize: 1232, flag_do: true },
    ]);
  });

  test('to who asks for anything says nothing of it', async () => {
    expect(read(await ask(`web.${S}`, 'ANY')).answers).toMatchObject([
      { type: 'HINFO', data: { cpu: 'RFC8482', os: '' } },
    ]);
    expect(rcodeOf(await ask(`nobody.${S}`, 'ANY'))).toBe(RCODE.NXDOMAIN);
  });

  test('of several addresses has each of them first equally often', async () => {
    const firsts = new Map<string, number>();
    for (let i = 0; i < 30; i++) {
      const [first] = shown(await ask(`few.${S}`));
      firsts.set(first!, (firsts.get(first!) ?? 0) + 1);
    }
    expect([...firsts.values()]).toEqual([10, 10, 10]);
  });

  test('of many addresses has more of them first than are kept ready', () => {
    const packet = queryPacket(`many.${S}`, 'A', { edns: 1232 });
    const client = { address: '127.0.0.1', port: 1 };
    const firsts = new Set<string>();
    for (let i = 0; i < 2000; i++) firsts.add(shown(responder.answer(packet, 'udp', client) as Buffer)[0]!);
    expect(firsts.size).toBeGreaterThan(80);
  });

  test('follows changes at once', async () => {
    directory.setService(service('default/moving', { clusterIP: '10.0.0.30' }));
    expect(shown(await ask(`moving.${S}`))).toEqual([`moving.${S} A 10.0.0.30`]);
    directory.setService(service('default/moving', { clusterIP: '10.0.0.31' }));
    expect(shown(await ask(`moving.${S}`))).toEqual([`moving.${S} A 10.0.0.31`]);
    directory.removeService(service('default/moving'));
    expect(rcodeOf(await ask(`moving.${S}`))).toBe(RCODE.NXDOMAIN);
  });

  test('that is too long for UDP is cut, and whole by TCP', async () => {
    const cut = await ask(`many.${S}`);
    expect(cut.length).toBeLessThanOrEqual(512);
    expect(cut.readUInt16BE(2) & FLAG.TRUNCATED).not.toBe(0);
    expect(read(cut).answers?.length).toBeGreaterThan(20);
    const larger = await ask(`many.${S}`, 'A', { edns: 4096 });
    expect(larger.length).toBeGreaterThan(1100);
    expect(larger.length).toBeLessThanOrEqual(1232);
    const client = new TcpClient(server.port);
    client.send(queryPacket(`many.${S}`, 'A'));
    const [whole] = await client.answers(1);
    expect(read(whole!).answers).toHaveLength(100);
    expect(whole!.readUInt16BE(2) & FLAG.TRUNCATED).toBe(0);
    client.socket.destroy();
  });
});

describe('another name', () => {
  test.each([
    ['outside', 'away', [`away.${S} CNAME www.example.com`, 'www.example.com A 192.0.2.1'], RCODE.NOERROR],
    ['of a Service', 'inside', [`inside.${S} CNAME web.${S}`, `web.${S} A 10.0.0.20`], RCODE.NOERROR],
    [
      'of another name',
      'chain',
      [`chain.${S} CNAME away.${S}`, `away.${S} CNAME www.example.com`, 'www.example.com A 192.0.2.1'],
      RCODE.NOERROR,
    ],
    ['of nobody inside', 'dead', [`dead.${S} CNAME nobody.${S}`], RCODE.NXDOMAIN],
    ['of nobody outside', 'gone', [`gone.${S} CNAME gone.example.com`], RCODE.NXDOMAIN],
    ['that cannot be found out', 'lost', [], RCODE.SERVFAIL],
    ['of itself', 'ring', [], RCODE.SERVFAIL],
  ])('%s', async (_, name, answers, rcode) => {
    const message = await ask(`${name}.${S}`);
    expect(shown(message)).toEqual(answers);
    expect(rcodeOf(message)).toBe(rcode);
  });

  test('is told to who asks for it alone', async () => {
    expect(shown(await ask(`away.${S}`, 'CNAME'))).toEqual([`away.${S} CNAME www.example.com`]);
  });
});

test('a failure outside is told, and SERVFAIL', async () => {
  expect(rcodeOf(await ask('example.com'))).toBe(RCODE.SERVFAIL);
  expect(failures).toContain('example.com: nobody there');
});

test('before it knows its names it denies nothing', async () => {
  ready = false;
  try {
    for (const name of [`early.${S}`, `late.${S}`, '1.2.3.10.in-addr.arpa'])
      expect(rcodeOf(await ask(name, name.endsWith('arpa') ? 'PTR' : 'A'))).toBe(RCODE.SERVFAIL);
  } finally {
    ready = true;
  }
  expect(rcodeOf(await ask(`early.${S}`))).toBe(RCODE.NXDOMAIN);
});

describe('by TCP', () => {
  test('many queries on one connection get their answers, also those in pieces', async () => {
    const client = new TcpClient(server.port);
    const queries = Array.from({ length: 300 }, (_, id) => queryPacket(`web.${S}`, 'A', { id }));
    client.send(...queries);
    const ids = (await client.answers(300)).map((message) => message.readUInt16BE(0));
    expect(ids.sort((a, b) => a - b)).toEqual(queries.map((_, id) => id));
    const packet = Buffer.concat([Buffer.of(0, queries[0]!.length), queries[0]!]);
    for (const byte of packet) client.socket.write(Buffer.of(byte));
    await client.answers(301);
    client.socket.end();
    await client.closed;
  });

  test('who has ended its side still gets what it asked for', async () => {
    const before = outside.message;
    let answer: () => void = () => undefined;
    outside.message = (query: Query) =>
      new Promise((resolve) => {
        answer = () => resolve(writeMessage(query, 0, RCODE.NXDOMAIN));
      });
    try {
      const client = new TcpClient(server.port);
      client.send(queryPacket(`web.${S}`, 'A', { id: 1 }), queryPacket('slow.example.com', 'A', { id: 2 }));
      await client.answers(1);
      client.socket.end();
      answer();
      const [, second] = await client.answers(2);
      expect(second?.readUInt16BE(0)).toBe(2);
      await client.closed;
    } finally {
      outside.message = before;
    }
  });

  test('limits: idle connections end, too many push out the idle one, too much is not for us', async () => {
    const small = await DnsServer.listen({ host: '127.0.0.1', port: 0 }, responder, () => undefined, {
      connections: 2,
      idleMs: 1500,
      pipeline: 4,
    });
    const first = new TcpClient(small.port);
    first.send(queryPacket(`web.${S}`, 'A'));
    await first.answers(1);
    const second = new TcpClient(small.port);
    second.send(queryPacket(`web.${S}`, 'A'));
    await second.answers(1);
    const third = new TcpClient(small.port);
    third.send(...Array.from({ length: 50 }, () => queryPacket(`web.${S}`, 'A')));
    await third.answers(50);
    await first.closed;
    // Nothing more comes from these.
    await Promise.all([second.closed, third.closed]);
    const greedy = new TcpClient(small.port);
    greedy.socket.write(Buffer.of(0xff, 0xff, 1));
    await greedy.closed;
    await small.close();
  });
});

describe('whatever bytes come', () => {
  const valid = queryPacket(`web.${S}`, 'A', { edns: 1232 });
  const junk = fc.oneof(
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    fc
      .tuple(
        fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { maxLength: 5 }),
        fc.nat(valid.length),
      )
      .map(([changes, cut]) => {
        const copy = Buffer.from(valid);
        for (const [at, byte] of changes) copy[at] = byte;
        return copy.subarray(0, cut % 3 === 0 ? cut : undefined);
      }),
  );

  test('by UDP, the next query is answered', async () => {
    const { createSocket } = await import('node:dgram');
    const hostile = createSocket('udp4');
    await fc.assert(
      fc.asyncProperty(fc.array(junk, { minLength: 20, maxLength: 40 }), async (packets) => {
        for (const packet of packets) hostile.send(packet, server.port, '127.0.0.1');
        expect(shown(await ask(`web.${S}`))).toEqual([`web.${S} A 10.0.0.20`]);
      }),
      { numRuns: 60 },
    );
    hostile.close();
  });

  test('by TCP, the next connection is answered', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(junk, { minLength: 1, maxLength: 10 }),
        fc.boolean(),
        async (packets, framed) => {
          const hostile = new TcpClient(server.port);
          if (framed) hostile.send(...packets);
          else hostile.socket.write(Buffer.concat([...packets, Buffer.of(1)]));
          const client = new TcpClient(server.port);
          client.send(queryPacket(`web.${S}`, 'A'));
          expect(shown((await client.answers(1))[0]!)).toEqual([`web.${S} A 10.0.0.20`]);
          client.socket.destroy();
          hostile.socket.destroy();
        },
      ),
      { numRuns: 60 },
    );
  });
});

test('everything was counted', () => {
  const text = metrics.render();
  expect(text).toMatch(/^coredns_dns_requests_total\{proto="udp",type="A"\} \d{2,}$/m);
  expect(text).toMatch(/^coredns_dns_requests_total\{proto="tcp",type="A"\} \d{3,}$/m);
  expect(text).toMatch(/^coredns_dns_responses_total\{rcode="SERVFAIL"\} \d+$/m);
  const count = Number(/^coredns_dns_request_duration_seconds_count (\d+)$/m.exec(text)?.[1]);
  expect(Number(/_bucket\{le="\+Inf"\} (\d+)$/m.exec(text)?.[1])).toBe(count);
  expect(count).toBe(metrics.answers);
  expect(text).not.toMatch(/undefined|NaN/);
});
