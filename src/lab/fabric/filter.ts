import { createHash } from 'node:crypto';
import {
  accept,
  counter,
  ct,
  drop,
  type Expression,
  type HookSpec,
  inSet,
  ip,
  masquerade,
  match,
  meta,
  notInSet,
  priorities,
  type SetSpec,
  snat,
  type TableRef,
  Transaction,
  udp,
} from '../../kernel/nft/index.ts';
import type { FilterPlan } from './plan.ts';
import { DNS_ADDRESS } from './ranges.ts';

/** The table that every router of the fabric has. */
export const FABRIC_TABLE: TableRef = { family: 'ip', name: 'fabric' };

/** Counters of refused packets, by why. `flyover status` shows them. */
export const REFUSALS = {
  spoofed: 'a source that the port may not send from',
  outside_to_pod: 'a pod address as destination, from outside the cluster',
  unmasked: 'a pod address as source, on its way out of the routing domain',
  transit: 'from one peer or site to another: peering is not transitive',
  private: 'a private destination, on the internet',
  to_machine: 'a new connection towards the machine that the lab runs on',
  unsolicited: 'to a public address, and no answer to anything',
  inbound: 'a new connection from the uplink',
} as const;

const SOURCES: SetSpec = {
  table: FABRIC_TABLE,
  name: 'sources',
  key: ['ifname', 'ipv4_addr'],
  interval: true,
  comment: 'port and source addresses that it may send from',
};
const rangeSet = (name: string, comment: string): SetSpec => ({
  table: FABRIC_TABLE,
  name,
  key: 'ipv4_addr',
  interval: true,
  comment,
});
const SETS: Record<string, SetSpec> = {
  sources: SOURCES,
  pods: rangeSet('pods', 'pod CIDRs'),
  private: rangeSet('private', 'what the internet does not route'),
  machine: rangeSet('machine', 'addresses of the machine that the lab runs on'),
};

interface ChainPlan {
  name: string;
  hook: HookSpec;
  rules: Expression[][];
}

/** Sources are checked before conntrack sees the packet: what is spoofed leaves no state behind. */
const INGRESS: HookSpec = { type: 'filter', hook: 'prerouting', priority: priorities.raw };
const FORWARD: HookSpec = { type: 'filter', hook: 'forward', priority: priorities.filter };
const SOURCE_NAT: HookSpec = { type: 'nat', hook: 'postrouting', priority: priorities.srcnat };

const from = (port: string): Expression => match(meta('iifname'), port);
const to = (port: string): Expression => match(meta('oifname'), port);
const refuse = (why: keyof typeof REFUSALS): Expression[] => [counter(why), drop()];
const spoofedFrom = (port: string): Expression[] => [
  from(port),
  notInSet([meta('iifname'), ip('saddr')], SOURCES),
  ...refuse('spoofed'),
];
const toPods = inSet(ip('daddr'), 'pods');
const fromPods = inSet(ip('saddr'), 'pods');

/** The chains of each kind of router, as data. */
export function chainsOf(filter: FilterPlan): ChainPlan[] {
  switch (filter.kind) {
    case 'domain':
      return [
        {
          name: 'ingress',
          hook: INGRESS,
          rules: [
            [from('vnet'), toPods, ...refuse('outside_to_pod')],
            [from('vnet'), fromPods, ...refuse('spoofed')],
            spoofedFrom('n-*'),
            spoofedFrom('control'),
          ],
        },
        { name: 'forward', hook: FORWARD, rules: [[to('vnet'), fromPods, ...refuse('unmasked')]] },
      ];
    case 'vnet':
      return [
        {
          name: 'ingress',
          hook: INGRESS,
          rules: [[toPods, ...refuse('outside_to_pod')], ...['c-*', 'h-*', 'p-*', 's-*'].map(spoofedFrom)],
        },
        {
          name: 'forward',
          hook: FORWARD,
          rules: [
            ['p-*', 'p-*'],
            ['p-*', 's-*'],
            ['s-*', 'p-*'],
            ['p-*', 'internet'],
            ['s-*', 'internet'],
          ]
            .map(([one, other]) => [from(one!), to(other!), ...refuse('transit')])
            // Back where it came from, it would go round until its time to live is over.
            .concat([[from('internet'), to('internet'), ...refuse('unsolicited')]]),
        },
        {
          name: 'source_nat',
          hook: SOURCE_NAT,
          rules: filter.publicAddress ? [[to('internet'), snat({ to: filter.publicAddress })]] : [],
        },
      ];
    case 'internet':
      return [
        {
          name: 'ingress',
          hook: INGRESS,
          rules: [
            [inSet(ip('daddr'), 'private'), ...refuse('private')],
            ...['v-*', 'h-*', 'k-*', 'machine'].map(spoofedFrom),
          ],
        },
        {
          name: 'forward',
          hook: FORWARD,
          rules: [
            [match(ct('state'), ['established', 'related']), accept()],
            [to('machine'), ...refuse('to_machine')],
            // The uplink's sockets are the machine's own: to its own addresses they would reach all that listens there.
            [to('uplink'), inSet(ip('daddr'), 'machine'), ...refuse('to_machine')],
            // On a machine of Azure's own, all but names at this address is for root: the uplink's sockets are root's.
            [to('uplink'), match(ip('daddr'), DNS_ADDRESS), match(udp('dport'), 53), accept()],
            [to('uplink'), match(ip('daddr'), DNS_ADDRESS), ...refuse('to_machine')],
            [from('uplink'), ...refuse('inbound')],
          ],
        },
        { name: 'source_nat', hook: SOURCE_NAT, rules: [[to('uplink'), masquerade()]] },
      ];
    case 'site':
      return [{ name: 'ingress', hook: INGRESS, rules: [spoofedFrom('h-*')] }];
  }
}

/** What tells tables of this kind and make from those of another version of this program. */
export function commentOf(filter: FilterPlan): string {
  const sets = Object.keys(filter.sets).map((name) => SETS[name]);
  const make = JSON.stringify([chainsOf(filter), sets, Object.keys(REFUSALS)]);
  return `flyover ${filter.kind} ${createHash('sha256').update(make).digest('hex').slice(0, 12)}`;
}

/** The whole table but for the elements of its sets, where there is none. */
export function tableTransaction(filter: FilterPlan): Transaction {
  const tx = new Transaction();
  tx.addTable({ ...FABRIC_TABLE, comment: commentOf(filter) });
  for (const name of Object.keys(REFUSALS)) tx.addCounter({ table: FABRIC_TABLE, name });
  for (const name of Object.keys(filter.sets)) tx.addSet(SETS[name]!);
  for (const chain of chainsOf(filter)) {
    tx.addChain({ table: FABRIC_TABLE, name: chain.name, hook: chain.hook });
    for (const rule of chain.rules) tx.addRule({ table: FABRIC_TABLE, chain: chain.name, rule });
  }
  return tx;
}

/** The changes that bring the sets from what they hold to what they should; other elements are not touched. */
export function elementChanges(filter: FilterPlan, present: (set: string) => string[][]): Transaction {
  const tx = new Transaction();
  for (const [name, elements] of Object.entries(filter.sets)) {
    const is = new Map(present(name).map((key) => [key.join(' '), key]));
    const want = new Map(elements.map((key) => [key.map(plain).join(' '), key.map(plain)]));
    const extra = [...is].filter(([id]) => !want.has(id)).map(([, key]) => ({ key }));
    const missing = [...want].filter(([id]) => !is.has(id)).map(([, key]) => ({ key }));
    if (extra.length > 0) tx.deleteElements({ table: FABRIC_TABLE, set: SETS[name]!, elements: extra });
    if (missing.length > 0) tx.addElements({ table: FABRIC_TABLE, set: SETS[name]!, elements: missing });
  }
  return tx;
}

/** The kernel gives a single address back without its /32. */
function plain(part: string): string {
  return part.endsWith('/32') ? part.slice(0, -3) : part;
}
