import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ASSURED, ConntrackSocket } from '../../../kernel/conntrack/index.ts';
import type { Frontend, ServiceTranslation } from '../../../service/types.ts';
import { backendsOf, frontend, service } from './testing.ts';
import { TestCluster } from './testing-cluster.ts';
import { SctpHosts } from './testing-sctp.ts';
import { crc32c } from './testing-sctp-packet.ts';

const WEB = '10.0.0.10';
const WEB6 = 'fd00:99::10';
const EXTERNAL = '198.19.0.7';
const PATIENT_MS = 120_000;

let cluster: TestCluster;
const hosts = new SctpHosts();
const associate = (from: string, address: string, port: number): Promise<string> =>
  hosts.associate(cluster.net.namespace(from), address, port);
const sctp = (change: Partial<Frontend>, ...backends: string[]): ServiceTranslation =>
  service('web', frontend({ protocol: 'SCTP', backends: backendsOf(...backends), ...change }));
const counter = (name: string): number => Number(cluster.a.table.counters().get(name)?.packets ?? 0);

beforeAll(async () => {
  cluster = await TestCluster.start();
  for (const name of ['a4', 'a5', 'b4']) hosts.listen(name, cluster.net.namespace(name), 8080);
});
afterAll(async () => {
  hosts.close();
  await cluster.close();
});
beforeEach(() => cluster.sync());

it('has the checksum of the specification', () => {
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
});

describe('an association', { timeout: PATIENT_MS }, () => {
  it('to a cluster address ends at a backend, and its answers are translated back', async () => {
    cluster.sync(sctp({}, '10.244.1.4:8080'));
    expect(await associate('a4', WEB, 80)).toBe('b4 10.244.0.4');
    expect(await associate('a', WEB, 80)).toBe('b4 10.0.1.4');
    expect(await associate('b4', WEB, 80)).toBe('b4 10.0.2.4');
    cluster.sync(sctp({}, '10.244.0.5:8080'));
    expect(await associate('a4', WEB, 80)).toBe('a5 10.244.0.4');
  });

  it('is followed by conntrack through its handshake', async () => {
    cluster.sync(sctp({}, '10.244.1.4:8080'));
    using conntrack = ConntrackSocket.open({ netns: cluster.net.namespace('a') });
    const before = new Set(conntrack.list({ protocol: 132 }).map(({ id }) => id));
    expect(await associate('a4', WEB, 80)).toBe('b4 10.244.0.4');
    const [connection, ...others] = conntrack.list({ protocol: 132 }).filter(({ id }) => !before.has(id));
    expect(others).toEqual([]);
    expect(connection).toMatchObject({
      original: { source: '10.244.0.4', destination: WEB, destinationPort: 80 },
      reply: { source: '10.244.1.4', sourcePort: 8080, destination: '10.244.0.4' },
    });
    expect(connection!.status & ASSURED).toBe(ASSURED);
  });

  it('is spread over all backends', async () => {
    cluster.sync(sctp({}, '10.244.0.5:8080', '10.244.1.4:8080'));
    const found = new Set<string>();
    for (let i = 0; i < 64 && found.size < 2; i++) found.add(await associate('a4', WEB, 80));
    expect([...found].toSorted()).toEqual(['a5 10.244.0.4', 'b4 10.244.0.4']);
  });

  it('to a node port wears the address of the node', async () => {
    cluster.sync(sctp({ kind: 'node-port', port: 30080 }, '10.244.1.4:8080'));
    expect(await associate('c', '10.0.1.4', 30080)).toBe('b4 10.0.1.4');
    expect(await associate('c', '10.0.2.4', 30080)).toBe('b4 10.0.2.4');
    expect(await associate('a', '10.0.1.4', 30080)).toBe('b4 10.0.1.4');
    expect(await associate('a4', '10.0.1.4', 30080)).toBe('b4 10.244.0.4');
  });

  it("to a balanced address with the policy Local sees the client's", async () => {
    const backends = backendsOf('10.244.0.4:8080');
    const local = { masquerade: false, backends, insideBackends: backends, empty: 'drop' } as const;
    cluster.sync(sctp({ kind: 'load-balancer', address: EXTERNAL, ...local }));
    expect(await associate('c', EXTERNAL, 80)).toBe('a4 203.0.113.9');
    expect(await associate('a5', EXTERNAL, 80)).toBe('a4 10.244.0.5');
  });

  it('works over IPv6', async () => {
    cluster.sync(sctp({ address: WEB6 }, '[fd12::104]:8080'));
    expect(await associate('a4', WEB6, 80)).toBe('b4 fd12::4');
    expect(await associate('a', WEB6, 80)).toBe('b4 fd00:1::4');
  });

  it('between two pods is left alone, also to the port of a backend', async () => {
    cluster.sync(sctp({}, '10.244.1.4:8080'));
    const translated = counter('translated');
    expect(await associate('a4', '10.244.1.4', 8080)).toBe('b4 10.244.0.4');
    expect(await associate('b4', '10.244.0.5', 8080)).toBe('a5 10.244.1.4');
    expect(counter('translated')).toBe(translated);
  });
});

describe('without backends', { timeout: PATIENT_MS }, () => {
  // Anything but a Service is told another error, protocol unreachable: no kernel here speaks SCTP.
  it.each([
    ['cluster address', { address: WEB }, WEB, ['a', 'a4']],
    ['IPv6 cluster address', { address: WEB6 }, WEB6, ['a', 'a4']],
    ['node port', { kind: 'node-port' }, '10.0.1.4', ['a', 'a4', 'c']],
    ['balanced address', { kind: 'load-balancer', address: EXTERNAL }, EXTERNAL, ['a', 'a4', 'c']],
  ] as const)('a %s answers that the port is unreachable', async (_, way, address, clients) => {
    cluster.sync(sctp({ ...way, port: 30080 }));
    const refused = counter('refused');
    for (const client of clients) expect(await associate(client, address, 30080)).toBe('ECONNREFUSED');
    expect(counter('refused')).toBeGreaterThanOrEqual(refused + clients.length);
  });

  it('other ports of a cluster address are unreachable too', async () => {
    cluster.sync(sctp({}, '10.244.1.4:8080'));
    expect(await associate('a4', WEB, 81)).toBe('ECONNREFUSED');
  });
});

// Translated, it would get a right one on the way. Conntrack calls it invalid instead, which no rule of NAT ever sees.
it(
  'a packet with a wrong checksum is never translated',
  async () => {
    cluster.sync(sctp({}, '10.244.1.4:8080'));
    const port = hosts.sendCorrupt(cluster.net.namespace('a4'), WEB, 80);
    expect(await associate('a4', WEB, 80)).toBe('b4 10.244.0.4');
    expect(hosts.hasHeard('10.244.0.4', port)).toBe(false);
    expect(hosts.hasHeard('10.244.0.4', port + 1)).toBe(true);
  },
  PATIENT_MS,
);
