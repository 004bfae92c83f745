import { describe, expect, test } from 'vitest';
import {
  bitwise,
  compare,
  counter,
  counterFrom,
  ct,
  dnat,
  drop,
  FakeNft,
  icmp,
  inSet,
  ip,
  ip6,
  jhash,
  limit,
  log,
  mapped,
  match,
  meta,
  NftInputError,
  numgen,
  type Statement,
  setMark,
  setPayload,
  snat,
  type TableRef,
  Transaction,
  tcp,
  udp,
  updateSet,
  vmap,
} from './index.ts';
import { surroundings } from './testing-rules.ts';

const table: TableRef = { family: 'inet', name: 't' };

function commit(rule: Statement[], family: TableRef['family'] = 'inet'): void {
  const own = { family, name: 't' };
  new FakeNft().commit(surroundings(own).addRule({ table: own, chain: 'other', rule }));
}

describe('rules that no kernel takes', () => {
  test.each<[string, Statement[], string]>([
    [
      'two network protocols',
      [match(ip('saddr'), '10.0.0.1'), match(ip6('saddr'), 'fd00::1')],
      'no packet is both',
    ],
    ['two transport protocols', [match(tcp('dport'), 1), match(udp('dport'), 1)], 'no packet is both'],
    ['ICMP of IPv6', [match(ip6('saddr'), 'fd00::1'), match(icmp('type'), 0)], 'no packet is both'],
    ['a prefix with host bits', [match(ip('saddr'), '10.0.0.1/8')], 'ip saddr: "10.0.0.1/8": has bits set'],
    ['everything', [match(meta('iifname'), '*')], 'matches everything; leave it out'],
    ['a long name', [match(meta('iifname'), 'a-name-too-long-')], 'meta iifname: "a-name-too-long-"'],
    [
      'an order of several',
      [{ kind: 'match', of: tcp('dport'), op: '<', to: [1, 2] }],
      'cannot be compared by <',
    ],
    [
      'an unknown state',
      [match(ct('state'), 'open')],
      'must be a number 0..4294967295 or one of invalid, established',
    ],
    ['no direction', [match(ct('proto-dst'), 80)], "needs a direction: 'original' or 'reply'"],
    [
      'the wrong types',
      [inSet([ip('saddr'), meta('iifname')], 'pods')],
      'must be of type ifname . ipv4_addr',
    ],
    ['too few parts', [inSet(ip('saddr'), 'pods')], 'must be of type ifname . ipv4_addr'],
    ['a map as a set', [inSet(meta('iifname'), 'verdicts')], 'must be a set; use vmap'],
    ['a set of verdicts', [vmap(ip('saddr'), 'nets')], 'must be a map of verdicts'],
    ['a set of counters', [counterFrom(meta('iifname'), 'verdicts')], 'must be a map of counters'],
    ['verdicts as values', [setMark(mapped(meta('iifname'), 'verdicts', 'mark'))], 'must hold values'],
    [
      'values of another type',
      [setMark(mapped(ip('saddr'), 'to_mark', 'ipv4_addr'))],
      'must be of type mark',
    ],
    ['nothing to look up', [inSet([], 'nets')], 'needs at least one value'],
    ['a static set', [updateSet(ip('saddr'), 'nets')], 'must be made with dynamic: true'],
    [
      'a verdict in an element',
      [updateSet(ip('saddr'), 'recent', { statements: [drop()] })],
      'elements carry counter()',
    ],
    [
      'a named counter in an element',
      [updateSet(ip('saddr'), 'recent', { statements: [counter('hits')] })],
      'elements carry counter()',
    ],
    ['translation to nothing', [dnat({})], 'needs an address (to), a port, or both'],
    ['translation to a name', [snat({ to: 'gateway' })], 'must be an IPv4 address'],
    ['translation to a prefix', [snat({ to: '10.0.0.0/8' })], 'must be an address or a range'],
    [
      'translation between families',
      [match(ip6('saddr'), 'fd00::1'), snat({ to: '10.0.0.1' })],
      'but the rule says ip6',
    ],
    [
      'two ports',
      [
        dnat({
          to: mapped([meta('mark'), meta('mark')], 'endpoints', ['ipv4_addr', 'inet_service']),
          port: 1,
        }),
      ],
      'the map gives the port already',
    ],
    ['translation to a mark', [dnat({ to: meta('mark') })], 'must be an IP address'],
    ['bits of an address of IPv6', [match(bitwise(ip6('saddr'), 1), '::1')], 'numbers of up to 32 bits only'],
    ['a mark of two bytes', [setMark(tcp('dport'))], 'must be as wide as what it is written to'],
    ['modulus zero', [setMark(numgen('inc', 0))], 'must be a whole number from 1'],
    ['modulus zero of a hash', [setMark(jhash(ip('saddr'), 0))], 'must be a whole number from 1'],
    ['a rate of nothing', [limit({ rate: 0 })], 'must be a whole number from 1'],
    ['a group and a level', [log({ group: 1, level: 1 })], 'either a group or a level'],
    ['a wide group', [log({ group: 70_000 })], 'must be a whole number from 0 to 65535'],
    ['a written meta value', [setPayload(meta('mark'), 1)], 'must write a header field'],
    [
      'a big key',
      [inSet([ip6('saddr'), ip6('daddr'), meta('iifname'), meta('oifname'), meta('mark')], [])],
      'more than 64 bytes',
    ],
    [
      'what is no statement',
      [{ kind: 'nonsense' } as unknown as Statement],
      'must be made by the functions of rule.ts',
    ],
    ['a bad number to compare with', [compare(tcp('dport'), '<', 70_000)], 'must be a number 0..65535'],
  ])('%s', (_, rule, message) => {
    expect(() => commit(rule)).toThrow(message);
    expect(() => commit(rule)).toThrow(NftInputError);
  });

  test('families differ in how they refuse', () => {
    expect(() => commit([{ kind: 'reject', reason: 'prot-unreachable' }], 'ip')).not.toThrow();
    expect(() => commit([{ kind: 'reject', reason: 'prot-unreachable' }])).toThrow('in family inet');
  });
});

describe('objects that no kernel takes', () => {
  const tx = (): Transaction => new Transaction();
  const set = { table, name: 's' } as const;
  test.each<[string, () => unknown, string]>([
    ['an empty name', () => tx().addTable({ family: 'ip', name: '' }), 'must be 1 to 255 letters'],
    ['a name with a space', () => tx().addChain({ table, name: 'a b' }), 'must be 1 to 255 letters'],
    ['a long name', () => tx().addChain({ table, name: 'a'.repeat(256) }), 'must be 1 to 255 letters'],
    [
      'a long comment',
      () => tx().addTable({ ...table, comment: 'é'.repeat(64) }),
      'must be at most 127 bytes',
    ],
    [
      'a priority of half',
      () => tx().addChain({ table, name: 'c', hook: { type: 'filter', hook: 'input', priority: 0.5 } }),
      'must be a whole number from -2147483648 to 2147483647',
    ],
    ['no type', () => tx().addSet({ ...set, key: [] }), 'must be one to five types'],
    [
      'six types',
      () => tx().addSet({ ...set, key: ['mark', 'mark', 'mark', 'mark', 'mark', 'mark'] }),
      'must be one to five types',
    ],
    [
      'a big key',
      () => tx().addSet({ ...set, key: ['ipv6_addr', 'ipv6_addr', 'ifname', 'ifname', 'mark'] }),
      'more than 64 bytes',
    ],
    ['a type without a name', () => tx().addSet({ ...set, key: 'integer' }), 'numbers: mark'],
    [
      'a type that is none',
      () => tx().addSet({ ...set, key: 'ip' as 'mark' }),
      'must be a type that nft can name',
    ],
    [
      'a size of none',
      () => tx().addSet({ ...set, key: 'mark', size: 0 }),
      'size of set s: 0: must be a whole number from 1',
    ],
    ['a negative timeout', () => tx().addSet({ ...set, key: 'mark', timeout: -1 }), 'timeout of set s: -1'],
    ['a fraction of a packet', () => tx().addCounter({ ...set, packets: 0.1 }), 'packets of counter s: 0.1'],
    [
      'dynamic intervals',
      () => tx().addSet({ ...set, key: 'mark', interval: true, dynamic: true }),
      'cannot be both',
    ],
  ])('%s', (_, act, message) => {
    expect(act).toThrow(message);
    expect(act).toThrow(NftInputError);
  });

  test('a hook that the family or the type does not have', () => {
    const nat = tx()
      .addTable(table)
      .addChain({ table, name: 'c', hook: { type: 'nat', hook: 'forward', priority: 0 } });
    expect(() => new FakeNft().commit(nat)).toThrow(
      'a nat chain of family inet can be in prerouting, input, output, postrouting',
    );
    const netdev: TableRef = { family: 'netdev', name: 't' };
    const input = tx()
      .addTable(netdev)
      .addChain({ table: netdev, name: 'c', hook: { type: 'filter', hook: 'input', priority: 0 } });
    expect(() => new FakeNft().commit(input)).toThrow('family netdev can be in ingress, egress');
  });
});
