import {
  accept,
  arp,
  bitwise,
  clampMss,
  compare,
  connections,
  continueRules,
  counter,
  counterFrom,
  ct,
  dnat,
  drop,
  ether,
  type Family,
  fib,
  goto,
  type HookSpec,
  icmp,
  icmpv6,
  inSet,
  ip,
  ip6,
  jhash,
  jump,
  limit,
  log,
  logGroup,
  mapped,
  masked,
  masquerade,
  match,
  meta,
  notInSet,
  notMatch,
  notrack,
  numgen,
  redirect,
  reject,
  returnToCaller,
  type Statement,
  sctp,
  setCtMark,
  setMark,
  setMeta,
  setPayload,
  snat,
  type TableRef,
  Transaction,
  tcp,
  th,
  udp,
  updateSet,
  vmap,
  withBits,
} from './index.ts';

/** One rule, where it stands, and how nft 1.0.6 lists it. For the tests of the imitation and of the kernel. */
export interface RuleCase {
  readonly rule: readonly Statement[];
  readonly text: string;
  readonly family?: Family;
  readonly hook?: HookSpec;
}

const pre: HookSpec = { type: 'filter', hook: 'prerouting', priority: -300 };
const forward: HookSpec = { type: 'filter', hook: 'forward', priority: 0 };
const dst: HookSpec = { type: 'nat', hook: 'prerouting', priority: -100 };
const src: HookSpec = { type: 'nat', hook: 'postrouting', priority: 100 };

/** The objects that the rules refer to, in a table of their family. */
export function surroundings(table: TableRef): Transaction {
  const tx = new Transaction().addTable(table).addChain({ table, name: 'other' });
  tx.addCounter({ table, name: 'hits' });
  tx.addSet({ table, name: 'pods', key: ['ifname', 'ipv4_addr'] });
  tx.addSet({ table, name: 'nets', key: 'ipv4_addr', interval: true });
  tx.addSet({ table, name: 'marks', key: 'mark', interval: true });
  tx.addSet({ table, name: 'marked', key: ['mark', 'inet_service'], interval: true });
  tx.addSet({ table, name: 'recent', key: 'ipv4_addr', dynamic: true, timeout: 10_000, size: 100 });
  tx.addMap({ table, name: 'verdicts', key: 'ifname', data: 'verdict' });
  tx.addMap({ table, name: 'counted', key: 'ipv4_addr', data: 'counter' });
  tx.addMap({ table, name: 'to_mark', key: 'ipv4_addr', data: 'mark' });
  tx.addMap({ table, name: 'to_address', key: ['ipv4_addr', 'inet_service'], data: 'ipv4_addr' });
  tx.addMap({ table, name: 'to_address6', key: 'ipv6_addr', data: 'ipv6_addr' });
  tx.addMap({ table, name: 'to_port', key: 'ipv4_addr', data: 'inet_service' });
  tx.addMap({
    table,
    name: 'services',
    key: ['ipv4_addr', 'inet_proto', 'inet_service'],
    data: ['ipv4_addr', 'inet_service'],
  });
  tx.addMap({ table, name: 'endpoints', key: ['mark', 'mark'], data: ['ipv4_addr', 'inet_service'] });
  return tx;
}

const isTcp = match(meta('l4proto'), 'tcp');

export const ruleCases: readonly RuleCase[] = [
  // Metadata
  { rule: [match(meta('iifname'), 'eth0'), drop()], text: 'iifname "eth0" drop' },
  { rule: [match(meta('iifname'), 'azv*')], text: 'iifname "azv*"' },
  { rule: [notMatch(meta('oifname'), 'azv*')], text: 'oifname != "azv*"', hook: forward },
  { rule: [match(meta('iif'), 1)], text: 'iif "lo"' },
  { rule: [match(meta('oif'), 1)], text: 'oif "lo"', hook: forward },
  { rule: [match(meta('iifgroup'), 7)], text: 'iifgroup 7' },
  { rule: [match(meta('mark'), 5)], text: 'meta mark 0x00000005' },
  { rule: [compare(meta('mark'), '<', 7)], text: 'meta mark < 0x00000007' },
  { rule: [match(meta('mark'), '5-9')], text: 'meta mark 0x00000005-0x00000009' },
  { rule: [match(masked(meta('mark'), 0xff), 5)], text: 'meta mark & 0x000000ff == 0x00000005' },
  { rule: [setMark(5)], text: 'meta mark set 0x00000005' },
  { rule: [setMark(withBits(meta('mark'), 0x10))], text: 'meta mark set meta mark | 0x00000010' },
  { rule: [setMark(bitwise(meta('mark'), 0xffffffff, 1))], text: 'meta mark set meta mark ^ 0x00000001' },
  { rule: [setMark(ct('mark'))], text: 'meta mark set ct mark' },
  { rule: [setMeta('priority', 0x10002)], text: 'meta priority set 1:2', hook: forward },
  { rule: [setMeta('nftrace', 1)], text: 'meta nftrace set 1' },
  { rule: [match(meta('nfproto'), 'ipv6')], text: 'meta nfproto ipv6' },
  { rule: [match(meta('l4proto'), ['tcp', 'udp'])], text: 'meta l4proto { tcp, udp }' },
  { rule: [notMatch(meta('pkttype'), 'host')], text: 'meta pkttype != host' },
  { rule: [compare(meta('length'), '>', 1000)], text: 'meta length > 1000' },
  // Headers
  { rule: [match(ip('saddr'), '10.0.0.1')], text: 'ip saddr 10.0.0.1' },
  { rule: [match(ip('saddr'), '10.0.0.0/24')], text: 'ip saddr 10.0.0.0/24' },
  { rule: [match(ip('saddr'), '10.0.0.0/9')], text: 'ip saddr 10.0.0.0/9' },
  { rule: [match(ip('saddr'), '10.0.0.1/32')], text: 'ip saddr 10.0.0.1' },
  { rule: [notMatch(ip('daddr'), '10.0.0.1-10.0.0.5')], text: 'ip daddr != 10.0.0.1-10.0.0.5' },
  { rule: [match(ip('daddr'), '10.0.0.1-10.0.0.5')], text: 'ip daddr 10.0.0.1-10.0.0.5' },
  { rule: [match(ip('protocol'), 'udp')], text: 'ip protocol udp' },
  { rule: [compare(ip('ttl'), '<=', 1)], text: 'ip ttl <= 1' },
  { rule: [match(ip6('saddr'), 'fd00::/8')], text: 'ip6 saddr fd00::/8' },
  { rule: [notMatch(ip6('daddr'), 'fd00::1')], text: 'ip6 daddr != fd00::1' },
  { rule: [match(ip6('hoplimit'), 255)], text: 'ip6 hoplimit 255' },
  { rule: [match(tcp('dport'), 80)], text: 'tcp dport 80' },
  { rule: [match(tcp('dport'), '80-90')], text: 'tcp dport 80-90' },
  { rule: [notMatch(udp('sport'), '1000-2000')], text: 'udp sport != 1000-2000' },
  { rule: [match(tcp('dport'), [80, 443])], text: 'tcp dport { 80, 443 }' },
  { rule: [notMatch(tcp('dport'), [80, '90-99'])], text: 'tcp dport != { 80, 90-99 }' },
  { rule: [match(sctp('dport'), 5060)], text: 'sctp dport 5060' },
  {
    rule: [match(meta('l4proto'), ['tcp', 'udp']), match(th('dport'), 53)],
    text: 'meta l4proto { tcp, udp } th dport 53',
  },
  { rule: [match(tcp('flags'), 'syn')], text: 'tcp flags syn' },
  { rule: [match(masked(tcp('flags'), 0x12), 'syn')], text: 'tcp flags syn / syn,ack' },
  { rule: [match(icmp('type'), 'echo-request')], text: 'icmp type echo-request' },
  { rule: [match(icmpv6('type'), 'nd-neighbor-solicit')], text: 'icmpv6 type nd-neighbor-solicit' },
  { rule: [match(ether('saddr'), '02:00:00:00:00:01')], text: 'ether saddr 02:00:00:00:00:01' },
  { rule: [match(ip('saddr'), '10.0.0.1'), match(tcp('dport'), 80)], text: 'ip saddr 10.0.0.1 tcp dport 80' },
  { rule: [setPayload(ip('daddr'), '10.0.0.1')], text: 'ip daddr set 10.0.0.1' },
  { rule: [setPayload(ip('ttl'), 64)], text: 'ip ttl set 64' },
  { rule: [setPayload(tcp('dport'), 81)], text: 'tcp dport set 81' },
  // Connections
  {
    rule: [match(ct('state'), ['established', 'related']), accept()],
    text: 'ct state established,related accept',
  },
  { rule: [match(ct('state'), 'new')], text: 'ct state new' },
  { rule: [notMatch(ct('state'), 'invalid')], text: 'ct state ! invalid' },
  { rule: [match(ct('status'), 'dnat')], text: 'ct status dnat' },
  { rule: [match(ct('mark'), 9)], text: 'ct mark 0x00000009' },
  { rule: [setCtMark(meta('mark'))], text: 'ct mark set meta mark' },
  { rule: [setCtMark(3)], text: 'ct mark set 0x00000003' },
  { rule: [match(ct('direction'), 'original')], text: 'ct direction original' },
  { rule: [match(ct('ip saddr', 'original'), '10.0.0.1')], text: 'ct original ip saddr 10.0.0.1' },
  {
    rule: [isTcp, match(ct('proto-dst', 'original'), 80)],
    text: 'meta l4proto tcp ct original proto-dst 80',
  },
  { rule: [connections(5, { over: true }), drop()], text: 'ct count over 5 drop' },
  { rule: [notrack()], text: 'notrack' },
  // Routes
  { rule: [match(fib(['daddr'], 'type'), 'local')], text: 'fib daddr type local' },
  {
    rule: [match(fib(['saddr', 'iif'], 'check'), false), drop()],
    text: 'fib saddr . iif oif missing drop',
  },
  { rule: [match(fib(['saddr', 'iif'], 'check'), true)], text: 'fib saddr . iif oif exists' },
  { rule: [match(fib(['saddr'], 'oifname'), 'eth0')], text: 'fib saddr oifname "eth0"' },
  // Sets and maps
  {
    rule: [notInSet([meta('iifname'), ip('saddr')], 'pods'), counter('hits'), drop()],
    text: 'iifname . ip saddr != @pods counter name "hits" drop',
  },
  { rule: [inSet(ip('daddr'), 'nets')], text: 'ip daddr @nets' },
  { rule: [inSet(meta('mark'), 'marks')], text: 'meta mark @marks' },
  { rule: [inSet([meta('mark'), tcp('dport')], 'marked')], text: 'meta mark . tcp dport @marked' },
  {
    rule: [inSet(ip('daddr'), ['10.0.0.0/8', '192.168.0.1'])],
    text: 'ip daddr { 10.0.0.0/8, 192.168.0.1 }',
  },
  {
    rule: [inSet([ip('daddr'), tcp('dport')], [['10.0.0.0/8', '80-90'] as const])],
    text: 'ip daddr . tcp dport { 10.0.0.0/8 . 80-90 }',
  },
  { rule: [vmap(meta('iifname'), 'verdicts')], text: 'iifname vmap @verdicts' },
  {
    rule: [
      vmap(tcp('dport'), [
        [22, accept()],
        [80, jump('other')],
      ]),
    ],
    text: 'tcp dport vmap { 22 : accept, 80 : jump other }',
  },
  { rule: [counterFrom(ip('saddr'), 'counted')], text: 'counter name ip saddr map @counted' },
  { rule: [setMark(mapped(ip('saddr'), 'to_mark', 'mark'))], text: 'meta mark set ip saddr map @to_mark' },
  {
    rule: [setMark(mapped(ip('saddr'), { entries: [['10.0.0.1', 7]] }, 'mark'))],
    text: 'meta mark set ip saddr map { 10.0.0.1 : 0x00000007 }',
  },
  { rule: [setMark(numgen('inc', 3, 1))], text: 'meta mark set numgen inc mod 3 offset 1' },
  {
    rule: [setMark(jhash([ip('saddr'), tcp('dport')], 3, { seed: 5 }))],
    text: 'meta mark set jhash ip saddr . tcp dport mod 3 seed 0x5',
  },
  {
    rule: [updateSet(ip('saddr'), 'recent', { timeout: 5000, statements: [counter()] })],
    text: 'update @recent { ip saddr timeout 5s counter }',
  },
  { rule: [updateSet(ip('saddr'), 'recent', { operation: 'add' })], text: 'add @recent { ip saddr }' },
  {
    rule: [updateSet(ip('saddr'), 'recent', { statements: [counter(), limit({ rate: 5 })] })],
    text: 'update @recent { ip saddr counter limit rate 5/second }',
  },
  // Statements
  { rule: [counter(), accept()], text: 'counter accept' },
  { rule: [counter('hits')], text: 'counter name "hits"' },
  { rule: [jump('other')], text: 'jump other' },
  { rule: [goto('other')], text: 'goto other' },
  { rule: [returnToCaller()], text: 'return' },
  { rule: [continueRules()], text: 'continue' },
  { rule: [limit({ rate: 5 })], text: 'limit rate 5/second' },
  { rule: [limit({ rate: 9, per: 'hour', burst: 7 })], text: 'limit rate 9/hour burst 7 packets' },
  { rule: [limit({ rate: 5120, unit: 'bytes', over: true })], text: 'limit rate over 5 kbytes/second' },
  { rule: [log()], text: 'log' },
  { rule: [log({ prefix: 'x', level: 6 })], text: 'log prefix "x" level info' },
  { rule: [logGroup(5, 'drop: ')], text: 'log prefix "drop: " group 5' },
  {
    rule: [log({ group: 5, snaplen: 64, queueThreshold: 3 })],
    text: 'log group 5 snaplen 64 queue-threshold 3',
  },
  { rule: [reject()], text: 'reject', hook: forward },
  { rule: [reject('admin-prohibited')], text: 'reject with icmpx admin-prohibited', hook: forward },
  { rule: [reject('tcp-reset')], text: 'meta l4proto tcp reject with tcp reset', hook: forward },
  {
    rule: [match(tcp('dport'), 5), reject('tcp-reset')],
    text: 'tcp dport 5 reject with tcp reset',
    hook: forward,
  },
  { rule: [clampMss()], text: 'tcp option maxseg size set rt mtu', hook: forward },
  { rule: [clampMss(1400)], text: 'tcp option maxseg size set 1400', hook: forward },
  // Translation
  {
    rule: [match(ip('saddr'), '10.244.0.0/16'), snat({ to: '10.0.1.4' })],
    text: 'ip saddr 10.244.0.0/16 snat ip to 10.0.1.4',
    hook: src,
  },
  { rule: [snat({ to: 'fd00::4' })], text: 'snat ip6 to fd00::4', hook: src },
  {
    rule: [isTcp, snat({ to: '10.0.0.4', port: '1000-2000', random: true, persistent: true })],
    text: 'meta l4proto tcp snat ip to 10.0.0.4:1000-2000 random,persistent',
    hook: src,
  },
  {
    rule: [snat({ to: '10.0.0.4-10.0.0.7', fullyRandom: true })],
    text: 'snat ip to 10.0.0.4/30 fully-random',
    hook: src,
  },
  { rule: [masquerade()], text: 'masquerade', hook: src },
  {
    rule: [isTcp, masquerade({ port: '1-3', fullyRandom: true })],
    text: 'meta l4proto tcp masquerade to :1-3 fully-random',
    hook: src,
  },
  {
    rule: [isTcp, dnat({ to: 'fd00::1', port: 80 })],
    text: 'meta l4proto tcp dnat ip6 to [fd00::1]:80',
    hook: dst,
  },
  {
    rule: [match(tcp('dport'), 80), redirect({ port: 99 })],
    text: 'tcp dport 80 redirect to :99',
    hook: dst,
  },
  {
    rule: [
      isTcp,
      snat({
        to: '10.0.0.4',
        port: [
          mapped(ip('saddr'), 'to_port', 'inet_service'),
          mapped(ip('daddr'), 'to_port', 'inet_service'),
        ],
      }),
    ],
    text: 'meta l4proto tcp snat to 10.0.0.4:ip saddr map @to_port-ip daddr map @to_port',
    family: 'ip',
    hook: src,
  },
  {
    rule: [dnat({ to: mapped([ip('daddr'), tcp('dport')], 'to_address', 'ipv4_addr') })],
    text: 'dnat ip to ip daddr . tcp dport map @to_address',
    hook: dst,
  },
  {
    rule: [dnat({ to: mapped(ip6('daddr'), 'to_address6', 'ipv6_addr') })],
    text: 'dnat ip6 to ip6 daddr map @to_address6',
    hook: dst,
  },
  {
    rule: [
      match(meta('l4proto'), ['tcp', 'udp']),
      dnat({
        to: mapped([ip('daddr'), meta('l4proto'), th('dport')], 'services', ['ipv4_addr', 'inet_service']),
      }),
    ],
    text: 'meta l4proto { tcp, udp } dnat ip to ip daddr . meta l4proto . th dport map @services',
    hook: dst,
  },
  {
    rule: [
      isTcp,
      dnat({ to: mapped([meta('mark'), numgen('random', 2)], 'endpoints', ['ipv4_addr', 'inet_service']) }),
    ],
    text: 'meta l4proto tcp dnat ip to meta mark . numgen random mod 2 map @endpoints',
    hook: dst,
  },
  {
    rule: [
      dnat({
        to: mapped(
          numgen('random', 2),
          {
            entries: [
              [0, '10.0.0.1'],
              [1, '10.0.0.2'],
            ],
          },
          'ipv4_addr',
        ),
      }),
    ],
    text: 'dnat ip to numgen random mod 2 map { 0 : 10.0.0.1, 1 : 10.0.0.2 }',
    hook: dst,
  },
  // Other families
  {
    family: 'ip',
    rule: [match(ip('saddr'), '10.0.0.1'), match(icmp('type'), 'echo-reply'), reject('host-unreachable')],
    text: 'ip saddr 10.0.0.1 icmp type echo-reply reject with icmp host-unreachable',
    hook: forward,
  },
  { family: 'ip', rule: [snat({ to: '10.0.1.4' })], text: 'snat to 10.0.1.4', hook: src },
  {
    family: 'ip6',
    rule: [match(ip6('saddr'), 'fd00::1'), match(udp('dport'), 53), reject('no-route')],
    text: 'ip6 saddr fd00::1 udp dport 53 reject with icmpv6 no-route',
    hook: forward,
  },
  {
    family: 'bridge',
    rule: [match(ip('saddr'), '10.0.0.1'), match(ether('saddr'), '02:00:00:00:00:01'), drop()],
    text: 'ip saddr 10.0.0.1 ether saddr 02:00:00:00:00:01 drop',
    hook: forward,
  },
  {
    family: 'netdev',
    rule: [match(ip('daddr'), '10.0.0.1'), match(tcp('dport'), 5), drop()],
    text: 'ip daddr 10.0.0.1 tcp dport 5 drop',
    hook: { type: 'filter', hook: 'ingress', priority: 0, device: 'lo' },
  },
  {
    family: 'arp',
    rule: [match(arp('operation'), 'request'), match(arp('saddr ip'), '10.0.0.1'), drop()],
    text: 'arp operation request arp saddr ip 10.0.0.1 drop',
    hook: { type: 'filter', hook: 'input', priority: 0 },
  },
];

/** A transaction with the case's rule as the only one of chain `rules`. */
export function caseTransaction(
  { family = 'inet', hook = pre, rule }: RuleCase,
  comment?: string,
): Transaction {
  const table: TableRef = { family, name: 'case' };
  return surroundings(table)
    .addChain({ table, name: 'rules', hook })
    .addRule({ table, chain: 'rules', rule, ...(comment === undefined ? {} : { comment }) });
}
