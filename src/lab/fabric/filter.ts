import { createHash } from 'node:crypto';
import {
  accept,
  ct,
  inSet,
  ip,
  type MapSpec,
  masquerade,
  match,
  notInSet,
  type SetSpec,
  Transaction,
  udp,
  type VerdictText,
} from '../../kernel/nft/index.ts';
import { BALANCING_INGRESS, balancingChains } from './filter-balance.ts';
import { OUTBOUND_FORWARD, outboundChains } from './filter-outbound.ts';
import {
  type ChainPlan,
  FORWARD,
  from,
  INGRESS,
  REFUSALS,
  refuse,
  SOURCE_NAT,
  spoofedFrom,
  to,
} from './filter-parts.ts';
import { FABRIC_TABLE, SETS, specsOf } from './filter-sets.ts';
import type { FilterPlan, MapElement } from './plan.ts';
import { DNS_ADDRESS } from './ranges.ts';

export { REFUSALS } from './filter-parts.ts';
export { FABRIC_TABLE } from './filter-sets.ts';

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
            ...(filter.balances ? BALANCING_INGRESS.answers : []),
            spoofedFrom('n-*'),
            spoofedFrom('control'),
            ...(filter.balances ? BALANCING_INGRESS.requests : []),
          ],
        },
        { name: 'forward', hook: FORWARD, rules: [[to('vnet'), fromPods, ...refuse('unmasked')]] },
        ...(filter.balances ? balancingChains() : []),
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
            .concat([[from('internet'), to('internet'), ...refuse('unsolicited')]], OUTBOUND_FORWARD),
        },
        ...outboundChains(filter),
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
    case 'appliance': {
      const outside = [notInSet(ip('daddr'), SETS.inside), masquerade()];
      return [{ name: 'source_nat', hook: SOURCE_NAT, rules: filter.masquerades ? [outside] : [] }];
    }
  }
}

/** What tells tables of this kind and make from those of another version of this program. */
export function commentOf(filter: FilterPlan): string {
  const make = JSON.stringify([chainsOf(filter), specsOf(filter), Object.keys(REFUSALS)]);
  return `flyover ${filter.kind} ${createHash('sha256').update(make).digest('hex').slice(0, 12)}`;
}

/** The whole table but for the elements of its sets and maps, where there is none. */
export function tableTransaction(filter: FilterPlan): Transaction {
  const tx = new Transaction();
  tx.addTable({ ...FABRIC_TABLE, comment: commentOf(filter) });
  for (const name of Object.keys(REFUSALS)) tx.addCounter({ table: FABRIC_TABLE, name });
  for (const spec of specsOf(filter)) {
    if ('data' in spec) tx.addMap(spec);
    else tx.addSet(spec);
  }
  const chains = chainsOf(filter);
  // Chains lead to one another: all of them come before any rule.
  for (const { name, hook } of chains) tx.addChain({ table: FABRIC_TABLE, name, ...(hook ? { hook } : {}) });
  for (const { name, rules } of chains) {
    for (const rule of rules) tx.addRule({ table: FABRIC_TABLE, chain: name, rule });
  }
  return tx;
}

/** The changes that bring sets and maps from what they hold to what they should; other elements are not touched. */
export function elementChanges(filter: FilterPlan, present: (set: string) => MapElement[]): Transaction {
  const tx = new Transaction();
  const change = (spec: SetSpec | MapSpec, elements: MapElement[]): void => {
    const text = ({ key, data }: MapElement): string => `${key.join(' ')} : ${data.join(' ')}`;
    const is = new Map(present(spec.name).map((element) => [text(element), element]));
    const want = new Map(elements.map((element) => [text(element), element]));
    const extra = [...is].filter(([id]) => !want.has(id)).map(([, { key }]) => ({ key }));
    const missing = [...want].filter(([id]) => !is.has(id)).map(([, element]) => elementOf(spec, element));
    if (extra.length > 0) tx.deleteElements({ table: FABRIC_TABLE, set: spec, elements: extra });
    if (missing.length > 0) tx.addElements({ table: FABRIC_TABLE, set: spec, elements: missing });
  };
  for (const spec of specsOf(filter)) {
    if (!spec.dynamic) change(spec, plannedElements(filter, spec.name));
  }
  return tx;
}

function elementOf(spec: SetSpec | MapSpec, { key, data }: MapElement) {
  if (!('data' in spec)) return { key };
  return { key, data: spec.data === 'verdict' ? (data[0] as VerdictText) : data };
}

/** The kernel gives a single address back without its /32. */
function plain(part: string): string {
  return part.endsWith('/32') ? part.slice(0, -3) : part;
}

/** The elements that a plan has, as `elementChanges` compares them. */
export function plannedElements(filter: FilterPlan, name: string): MapElement[] {
  return filter.sets[name]?.map((key) => ({ key: key.map(plain), data: [] })) ?? filter.maps?.[name] ?? [];
}
