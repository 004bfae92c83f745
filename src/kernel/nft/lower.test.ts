import { describe, expect, test } from 'vitest';
import {
  drop,
  FakeNft,
  type Family,
  icmp,
  inSet,
  ip,
  mapped,
  match,
  meta,
  notInSet,
  type Statement,
  snat,
  tcp,
  th,
} from './index.ts';
import { surroundings } from './testing-rules.ts';

/** The rule as the kernel would list it. */
function lowered(family: Family, ...rule: Statement[]): readonly string[] {
  const table = { family, name: 't' };
  const fake = new FakeNft();
  fake.commit(surroundings(table).addRule({ table, chain: 'other', rule }));
  return fake.listRules(table, 'other')[0]!.expressions;
}

const ipv4 = ['meta key 15 dreg 8', 'cmp sreg 8 op 0 data 0x02'];
const isTcp = ['meta key 16 dreg 8', 'cmp sreg 8 op 0 data 0x06'];
const source = 'payload base 1 offset 12 len 4 dreg 8';
const port = 'payload base 2 offset 2 len 2 dreg 8';

describe('what a rule checks before it reads a header', () => {
  test('in inet: the network protocol, once', () => {
    const rule = [match(ip('saddr'), '10.0.0.1'), match(ip('saddr'), '10.0.0.0/8')];
    expect(lowered('inet', ...rule)).toEqual([
      ...ipv4,
      source,
      'cmp sreg 8 op 0 data 0x0a000001',
      source,
      'bitwise sreg 8 dreg 8 op 0 len 4 mask 0xff000000 xor 0x00000000',
      'cmp sreg 8 op 0 data 0x0a000000',
    ]);
  });

  test('in ip: nothing, since there is nothing else', () => {
    expect(lowered('ip', match(ip('saddr'), '10.0.0.1'))).toEqual([
      source,
      'cmp sreg 8 op 0 data 0x0a000001',
    ]);
  });

  test('in bridge: the type of the frame', () => {
    expect(lowered('bridge', match(ip('saddr'), '10.0.0.1')).slice(0, 2)).toEqual([
      'meta key 1 dreg 8',
      'cmp sreg 8 op 0 data 0x0800',
    ]);
  });

  test('nothing that the rule has checked itself', () => {
    expect(lowered('inet', match(meta('l4proto'), 'tcp'), match(tcp('dport'), 80))).toEqual([
      ...isTcp,
      port,
      'cmp sreg 8 op 0 data 0x0050',
    ]);
    expect(lowered('inet', match(meta('nfproto'), 'ipv4'), match(ip('saddr'), '10.0.0.1'))).toEqual([
      ...ipv4,
      source,
      'cmp sreg 8 op 0 data 0x0a000001',
    ]);
  });

  test('what was excluded is not taken for checked', () => {
    const rule: Statement[] = [
      { kind: 'match', of: meta('l4proto'), op: '!=', to: 'udp' },
      match(tcp('dport'), 80),
    ];
    expect(lowered('inet', ...rule)).toEqual([
      'meta key 16 dreg 8',
      'cmp sreg 8 op 1 data 0x11',
      ...isTcp,
      port,
      'cmp sreg 8 op 0 data 0x0050',
    ]);
  });

  test('nothing for a port of any protocol', () => {
    expect(lowered('inet', match(th('dport'), 53))).toEqual([port, 'cmp sreg 8 op 0 data 0x0035']);
  });
});

describe('keys', () => {
  test('lie in registers one behind the other, after all checks', () => {
    expect(lowered('inet', notInSet([meta('iifname'), ip('saddr')], 'pods'))).toEqual([
      ...ipv4,
      'meta key 6 dreg 8',
      'payload base 1 offset 12 len 4 dreg 12',
      'lookup set "pods" sreg 8 flags 1',
    ]);
  });

  test('of interval sets are in network order', () => {
    expect(lowered('ip', inSet([meta('mark'), tcp('dport')], 'marked'))).toEqual([
      ...isTcp,
      'meta key 3 dreg 8',
      'byteorder sreg 8 dreg 8 op 1 len 4 size 4',
      'payload base 2 offset 2 len 2 dreg 9',
      'lookup set "marked" sreg 8 flags 0',
    ]);
  });

  test('get nameless sets with the lowest free number', () => {
    const rule = [inSet(ip('saddr'), ['10.0.0.1']), inSet(ip('daddr'), ['10.0.0.2']), drop()];
    expect(lowered('ip', ...rule).filter((line) => line.startsWith('lookup'))).toEqual([
      'lookup set "__set0" sreg 8 flags 0',
      'lookup set "__set1" sreg 8 flags 0',
    ]);
  });
});

describe('translation', () => {
  test('two values are the first and the last port of a range', () => {
    const port = mapped(ip('saddr'), 'to_port', 'inet_service');
    expect(lowered('ip', snat({ to: '10.0.0.4', port: [port, port] }))).toEqual([
      'immediate dreg 8 data 0x0a000004',
      'payload base 1 offset 12 len 4 dreg 9',
      'lookup set "to_port" sreg 9 dreg 9 flags 0',
      'payload base 1 offset 12 len 4 dreg 10',
      'lookup set "to_port" sreg 10 dreg 10 flags 0',
      'nat type 0 family 2 addrMin 8 addrMax 8 protoMin 9 protoMax 10 flags 3',
    ]);
  });

  test('what a port needs to know of the packet is checked before the address has its register', () => {
    const port = mapped(ip('saddr'), 'to_port', 'inet_service');
    expect(lowered('inet', snat({ to: '10.0.0.4', port })).slice(0, 3)).toEqual([
      ...ipv4,
      'immediate dreg 8 data 0x0a000004',
    ]);
  });

  test('of an ICMP error, the packet that it quotes can be read', () => {
    expect(lowered('ip', match(icmp('quoted daddr'), '10.0.0.1')).slice(-2)).toEqual([
      'payload base 2 offset 24 len 4 dreg 8',
      'cmp sreg 8 op 0 data 0x0a000001',
    ]);
  });
});
