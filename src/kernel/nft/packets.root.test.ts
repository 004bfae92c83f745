import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Rtnl } from '../netlink/index.ts';
import { TestNamespaces } from '../test-namespaces.ts';
import {
  counter,
  counterFrom,
  ct,
  dnat,
  drop,
  fib,
  inSet,
  ip,
  ip6,
  jump,
  mapped,
  masked,
  match,
  meta,
  NftSocket,
  notInSet,
  notMatch,
  numgen,
  type Statement,
  setMark,
  snat,
  type TableRef,
  Transaction,
  tcp,
  udp,
  updateSet,
  vmap,
} from './index.ts';

// Two namespaces, a node and a pod, and real packets between them: what the rules do, not how they read.
const namespaces = new TestNamespaces();
const node = namespaces.make('node');
const pod = namespaces.make('pod');
const T: TableRef = { family: 'inet', name: 'packets' };
let nft: NftSocket;

beforeAll(() => {
  using atNode = Rtnl.open({ netns: node });
  using atPod = Rtnl.open({ netns: pod });
  atNode.createVeth({ name: 'azvtest', peer: { name: 'eth0', netns: pod } });
  atNode.setLink('azvtest', { up: true });
  atNode.addAddress('azvtest', { address: '10.1.0.1', prefixLength: 24 });
  atNode.addAddress('azvtest', { address: 'fd00::1', prefixLength: 64 });
  atNode.setLink('lo', { up: true });
  atPod.setLink('eth0', { up: true });
  for (const address of ['10.1.0.2', '10.1.0.3']) atPod.addAddress('eth0', { address, prefixLength: 24 });
  atPod.addRoute({ dst: 'default', via: '10.1.0.1' });
  nft = NftSocket.open({ netns: node });
});

beforeEach(() => {
  const tx = new Transaction().resetTable(T);
  for (const name of ['hit', 'miss', 'one', 'two']) tx.addCounter({ table: T, name });
  tx.addChain({ table: T, name: 'pre', hook: { type: 'filter', hook: 'prerouting', priority: -150 } });
  nft.commit(tx);
});

afterAll(() => {
  nft?.close();
  namespaces.cleanup();
});

interface Packet {
  from?: string;
  to?: string;
  port?: number;
  fromPort?: number;
}

/** Sends UDP packets from the pod; when it returns they have been through the node's tables. */
function send(...packets: Packet[]): void {
  const script = `
    const { createSocket } = require('node:dgram');
    (async () => {
      for (const { from = '10.1.0.2', to = '10.1.0.1', port = 7000, fromPort = 0 } of ${JSON.stringify(packets)}) {
        const socket = createSocket('udp4');
        await new Promise((done) => socket.bind(fromPort, from, done));
        await new Promise((done, fail) => socket.send('x', port, to, (error) => error ? fail(error) : done()));
        socket.close();
      }
    })();`;
  namespaces.run(pod, process.execPath, '-e', script);
}

function rule(...rule: Statement[]): void {
  nft.commit(new Transaction().addRule({ table: T, chain: 'pre', rule }));
}

function counted(): Record<string, number> {
  return Object.fromEntries([...nft.counters(T)].map(([name, { packets }]) => [name, packets]));
}

/** Only the UDP packets of the tests, not what the system says by itself. */
const mine = match(udp('dport'), '7000-7999');

describe('packets', () => {
  test('the source check: a pod sends under its own address only', () => {
    const sources = { table: T, name: 'pod_sources', key: ['ifname', 'ipv4_addr'] as const };
    nft.commit(
      new Transaction()
        .addSet(sources)
        .addElements({ table: T, set: sources, elements: [{ key: ['azvtest', '10.1.0.2'] }] }),
    );
    rule(
      mine,
      match(meta('iifname'), 'azv*'),
      notInSet([meta('iifname'), ip('saddr')], sources),
      counter('miss'),
      drop(),
    );
    rule(mine, counter('hit'));
    send({ from: '10.1.0.2' }, { from: '10.1.0.3' }, { from: '10.1.0.3' });
    expect(counted()).toMatchObject({ hit: 1, miss: 2 });
  });

  test('wildcards and prefixes match what they cover and nothing else', () => {
    rule(mine, match(meta('iifname'), 'azvt*'), counter('hit'));
    rule(mine, match(meta('iifname'), 'azvx*'), counter('miss'));
    rule(mine, match(ip('saddr'), '10.1.0.2/31'), counter('one'));
    rule(mine, match(ip('saddr'), '10.1.0.3-10.1.0.9'), counter('two'));
    rule(mine, match(ip6('saddr'), 'fd00::/8'), counter('miss'));
    send({ from: '10.1.0.2' }, { from: '10.1.0.3' });
    expect(counted()).toEqual({ hit: 2, miss: 0, one: 2, two: 1 });
  });

  test('ports, in the order of the network', () => {
    rule(match(udp('dport'), '7001-7002'), counter('hit'));
    rule(match(udp('dport'), [7002, '7010-7020']), counter('one'));
    rule(mine, notMatch(udp('dport'), '7001-7002'), counter('two'));
    rule(match(tcp('dport'), '7000-7999'), counter('miss'));
    send({ port: 7001 }, { port: 7002 }, { port: 7015 });
    expect(counted()).toEqual({ hit: 2, miss: 0, one: 2, two: 1 });
  });

  test('interval sets, plain and of several parts, with numbers of the host', () => {
    nft.commit(
      new Transaction()
        .addSet({ table: T, name: 'nets', key: 'ipv4_addr', interval: true })
        .addElements({ table: T, set: 'nets', elements: [{ key: '10.1.0.3/32' }, { key: '10.1.0.4/30' }] })
        .addSet({ table: T, name: 'marks', key: ['mark', 'inet_service'], interval: true })
        .addElements({ table: T, set: 'marks', elements: [{ key: ['250-300', '7000-7010'] }] }),
    );
    rule(mine, inSet(ip('saddr'), 'nets'), counter('one'));
    // 256 and 255 compare differently in the wrong byte order.
    rule(mine, setMark(256));
    rule(inSet([meta('mark'), udp('dport')], 'marks'), counter('hit'));
    rule(mine, setMark(1));
    rule(inSet([meta('mark'), udp('dport')], 'marks'), counter('miss'));
    send({ from: '10.1.0.2' }, { from: '10.1.0.3', port: 7010 }, { from: '10.1.0.3', port: 7011 });
    expect(counted()).toEqual({ hit: 2, miss: 0, one: 2, two: 0 });
  });

  test('verdict maps, counter maps and marks from maps', () => {
    nft.commit(
      new Transaction()
        .addChain({ table: T, name: 'counting' })
        .addRule({ table: T, chain: 'counting', rule: [counter('hit'), drop()] })
        .addMap({ table: T, name: 'verdicts', key: ['ipv4_addr', 'inet_service'], data: 'verdict' })
        .addElements({
          table: T,
          set: 'verdicts',
          elements: [{ key: ['10.1.0.2', 7000], data: jump('counting') }],
        })
        .addMap({ table: T, name: 'counters', key: 'ipv4_addr', data: 'counter' })
        .addElements({ table: T, set: 'counters', elements: [{ key: '10.1.0.3', data: 'one' }] }),
    );
    rule(mine, vmap([ip('saddr'), udp('dport')], 'verdicts'));
    rule(mine, counterFrom(ip('saddr'), 'counters'));
    rule(
      mine,
      setMark(mapped(udp('dport'), { entries: [[7001, 0x12]] }, 'mark')),
      match(masked(meta('mark'), 0xf), 2),
      counter('two'),
    );
    send({ port: 7000 }, { port: 7001 }, { from: '10.1.0.3', port: 7000 });
    expect(counted()).toEqual({ hit: 1, miss: 0, one: 1, two: 1 });
  });

  test('dynamic sets remember sources and count for each', () => {
    nft.commit(
      new Transaction().addSet({ table: T, name: 'seen', key: 'ipv4_addr', dynamic: true, timeout: 60_000 }),
    );
    rule(mine, updateSet(ip('saddr'), 'seen', { statements: [counter()] }));
    send({ from: '10.1.0.2' }, { from: '10.1.0.2' }, { from: '10.1.0.3' });
    const seen = nft.listElements(T, 'seen');
    expect(seen.map(({ key, counter: value }) => [key, value?.packets]).sort()).toEqual([
      ['10.1.0.2', 2],
      ['10.1.0.3', 1],
    ]);
    for (const { expires } of seen) {
      expect(expires).toBeGreaterThan(0);
      expect(expires).toBeLessThanOrEqual(60_000);
    }
  });

  test('elements of a set with counters count', () => {
    nft.commit(
      new Transaction()
        .addSet({ table: T, name: 'pods', key: 'ipv4_addr', counter: true })
        .addElements({ table: T, set: 'pods', elements: [{ key: '10.1.0.2', comment: 'p' }] }),
    );
    rule(mine, inSet(ip('saddr'), 'pods'));
    send({}, {}, { from: '10.1.0.3' });
    expect(nft.listElements(T, 'pods')).toMatchObject([
      { key: '10.1.0.2', comment: 'p', counter: { packets: 2 } },
    ]);
  });

  test('destinations from a map by a random number, and connections that know of it', () => {
    nft.commit(
      new Transaction()
        .addMap({ table: T, name: 'endpoints', key: ['mark', 'mark'], data: ['ipv4_addr', 'inet_service'] })
        .addElements({
          table: T,
          set: 'endpoints',
          elements: [0, 1].map((n) => ({ key: [5, n], data: ['10.1.0.1', 7100 + n] })),
        })
        .addChain({ table: T, name: 'dst', hook: { type: 'nat', hook: 'prerouting', priority: -100 } })
        .addRule({
          table: T,
          chain: 'dst',
          rule: [
            match(ip('daddr'), '10.99.0.1'),
            match(udp('dport'), 7000),
            setMark(5),
            dnat({
              to: mapped([meta('mark'), numgen('inc', 2)], 'endpoints', ['ipv4_addr', 'inet_service']),
            }),
          ],
        })
        .addChain({ table: T, name: 'in', hook: { type: 'filter', hook: 'input', priority: 0 } })
        .addRule({
          table: T,
          chain: 'in',
          rule: [match(ct('status'), 'dnat'), match(udp('dport'), 7100), counter('one')],
        })
        .addRule({
          table: T,
          chain: 'in',
          rule: [match(ct('ip daddr', 'original'), '10.99.0.1'), match(udp('dport'), 7101), counter('two')],
        }),
    );
    // Ports of their own: a port that the system happens to give twice is a connection that conntrack knows already.
    send(...Array.from({ length: 6 }, (_, n) => ({ to: '10.99.0.1', fromPort: 42000 + n })));
    expect(counted()).toMatchObject({ one: 3, two: 3 });
  });

  test('sources are translated to the address asked for', () => {
    nft.commit(
      new Transaction()
        .addChain({ table: T, name: 'src', hook: { type: 'nat', hook: 'input', priority: 100 } })
        .addRule({
          table: T,
          chain: 'src',
          rule: [match(udp('dport'), 7000), snat({ to: '10.77.0.7', port: '5000-5010' })],
        })
        .addChain({ table: T, name: 'after', hook: { type: 'filter', hook: 'input', priority: 200 } })
        .addRule({
          table: T,
          chain: 'after',
          rule: [match(ip('saddr'), '10.77.0.7'), match(udp('sport'), '5000-5010'), counter('hit')],
        }),
    );
    send({ port: 7000 });
    expect(counted()).toMatchObject({ hit: 1 });
  });

  test('route lookups', () => {
    rule(mine, match(fib(['daddr'], 'type'), 'local'), counter('one'));
    rule(mine, match(fib(['saddr', 'iif'], 'check'), true), counter('hit'));
    rule(mine, match(fib(['saddr', 'iif'], 'check'), false), counter('miss'));
    send({});
    expect(counted()).toEqual({ hit: 1, miss: 0, one: 1, two: 0 });
  });
});
