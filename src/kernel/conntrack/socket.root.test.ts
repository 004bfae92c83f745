import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Rtnl } from '../netlink/rtnl.ts';
import { dnat, ip, match, setCtMark, Transaction, udp } from '../nft/index.ts';
import { NftSocket } from '../nft/socket.ts';
import { TestNamespaces } from '../test-namespaces.ts';
import { DESTINATION_TRANSLATED } from './conntrack.ts';
import { ConntrackSocket } from './socket.ts';

const UDP = 17;
const TCP = 6;
let spaces: TestNamespaces;
let netns: string;
let conntrack: ConntrackSocket;

/** Sends a datagram from each of the ports; nobody answers. */
function send(port: number, address: string, ...sources: number[]): void {
  const type = address.includes(':') ? 'udp6' : 'udp4';
  const program = `const next=([port,...rest])=>{if(port===undefined)return;
    const s=require('node:dgram').createSocket('${type}');
    s.bind(port,()=>s.send('x',${port},'${address}',()=>{s.close();next(rest)}))};next(${JSON.stringify(sources)})`;
  spaces.run(netns, process.execPath, '-e', program);
}

beforeAll(() => {
  spaces = new TestNamespaces();
  netns = spaces.make('node');
  const other = spaces.make('other');
  using rtnl = Rtnl.open({ netns });
  using far = Rtnl.open({ netns: other });
  rtnl.setLink('lo', { up: true });
  rtnl.createVeth({ name: 'eth0', mtu: 1500, peer: { name: 'eth0', mtu: 1500, netns: other } });
  for (const [one, last] of [
    [rtnl, 1],
    [far, 2],
  ] as const) {
    one.setLink('eth0', { up: true });
    one.addAddress('eth0', { address: `10.9.0.${last}`, prefixLength: 24 });
    one.addAddress('eth0', { address: `fd09::${last}`, prefixLength: 64 });
  }
  const table = { family: 'inet', name: 'test' } as const;
  using nft = NftSocket.open({ netns });
  nft.commit(
    new Transaction()
      .addTable(table)
      .addChain({ table, name: 'output', hook: { type: 'nat', hook: 'output', priority: -100 } })
      .addRule({
        table,
        chain: 'output',
        rule: [
          match(ip('daddr'), '10.96.0.10'),
          match(udp('dport'), 53),
          setCtMark(7),
          dnat({ to: '10.9.0.2', port: 5353 }),
        ],
      }),
  );
  rtnl.addRoute({ dst: 'default', via: '10.9.0.2' });
  conntrack = ConntrackSocket.open({ netns });
});
afterAll(() => {
  conntrack.close();
  spaces.cleanup();
});

describe('connections', () => {
  it('are listed with both directions, translated or not, of both families', () => {
    send(53, '10.96.0.10', 4000, 4001);
    send(99, '10.9.0.2', 4002);
    send(99, 'fd09::2', 4003);
    expect(conntrack.count()).toBe(conntrack.list().length);
    const [one, ...others] = conntrack.list({ status: DESTINATION_TRANSLATED });
    expect(others).toHaveLength(1);
    expect(one).toMatchObject({
      family: 4,
      mark: 7,
      zone: 0,
      original: { source: '10.9.0.1', destination: '10.96.0.10', protocol: UDP, destinationPort: 53 },
      reply: { source: '10.9.0.2', destination: '10.9.0.1', protocol: UDP, sourcePort: 5353 },
    });
    expect(one?.timeout).toBeGreaterThan(0);
    expect(conntrack.list({ family: 6, protocol: UDP })).toMatchObject([
      { family: 6, original: { source: 'fd09::1', destination: 'fd09::2', sourcePort: 4003 } },
    ]);
    expect(conntrack.list({ protocol: UDP })).toHaveLength(4);
    expect(conntrack.list({ protocol: TCP })).toEqual([]);
    expect(conntrack.list({ mark: { value: 7, mask: 0xff } })).toHaveLength(2);
    expect(conntrack.list({ mark: { value: 6, mask: 0xff } })).toEqual([]);
  });

  it('are deleted one by one, and only themselves', () => {
    const before = conntrack.count();
    const translated = conntrack.list({ status: DESTINATION_TRANSLATED });
    expect(conntrack.delete(translated[0]!)).toBe(true);
    expect(conntrack.delete(translated[0]!)).toBe(false);
    expect(conntrack.count()).toBe(before - 1);
    // The same tuple as another connection: the number tells that it is not the one that was meant.
    expect(conntrack.delete({ ...translated[1]!, id: translated[1]!.id ^ 1 })).toBe(false);
    expect(conntrack.delete(conntrack.list({ family: 6, protocol: UDP })[0]!)).toBe(true);
    expect(conntrack.list({ family: 6, protocol: UDP })).toEqual([]);
  });

  it('are given one at a time, however many there are', () => {
    const ports = Array.from({ length: 3000 }, (_, i) => 20_000 + i);
    send(53, '10.96.0.10', ...ports);
    const seen = new Set<number>();
    conntrack.each({ protocol: UDP, status: DESTINATION_TRANSLATED }, ({ original }) =>
      seen.add(original.sourcePort!),
    );
    expect(ports.every((port) => seen.has(port))).toBe(true);
  });

  it('also of ICMP', () => {
    try {
      spaces.run(netns, 'ping', '-c', '1', '-W', '1', '10.9.0.2');
    } catch {}
    const [ping] = conntrack.list({ protocol: 1 });
    expect(ping?.original.icmp).toMatchObject({ type: 8, code: 0 });
    expect(conntrack.delete(ping!)).toBe(true);
  });
});
