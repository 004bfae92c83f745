import { Problems } from '../manifest/problem.ts';
import type { Direction } from './decision.ts';
import type { Finding } from './finding.ts';
import type { NetworkPolicy, NetworkPolicyPeer } from './objects.ts';
import { without } from './partition.ts';
import type { Policy, PortRange, Rule } from './policy.ts';
import { listOf, present, rangeIn } from './read-parts.ts';

const DNS = 53;

/** What can be seen from a NetworkPolicy alone. */
export function lintNetworkPolicy({ spec }: NetworkPolicy, policy: Policy): readonly Finding[] {
  const found: Finding[] = [...dnsByTcpOnly(policy)];
  for (const direction of ['ingress', 'egress'] as const) {
    const name = direction === 'ingress' ? 'from' : 'to';
    const rules: readonly Partial<Record<'from' | 'to', readonly NetworkPolicyPeer[] | null>>[] =
      listOf<object>(spec?.[direction]);
    for (const [i, rule] of rules.entries()) {
      const peers = listOf(rule[name]);
      const at = `${policy.key} spec.${direction}[${i}].${name}`;
      found.push(...alternatives(peers, at, direction), ...exceptions(peers, at));
    }
  }
  return found;
}

function dnsByTcpOnly({ key, egress }: Policy): readonly Finding[] {
  const reaches = (rule: Rule, protocol: PortRange['protocol']): boolean =>
    rule.ports === 'any' ||
    rule.ports.ranges.some((range) => range.protocol === protocol && range.first <= DNS && DNS <= range.last);
  if ((egress ?? []).some((rule) => reaches(rule, 'UDP'))) return [];
  const rule = (egress ?? []).find(
    ({ ports }) => ports !== 'any' && ports.ranges.some((one) => one.first === DNS && one.last === DNS),
  );
  if (!rule || !reaches(rule, 'TCP')) return [];
  return [
    {
      check: 'dns-tcp-only',
      field: `${key} spec.egress[${rule.ref.index}].ports`,
      value: 'TCP 53',
      rule: 'allows DNS by TCP only, but names are asked by UDP first: no name will resolve',
      fix: 'add { protocol: UDP, port: 53 }',
    },
  ];
}

function alternatives(
  peers: readonly NetworkPolicyPeer[],
  at: string,
  direction: Direction,
): readonly Finding[] {
  const namespaces = peers.findIndex((one) => present(one.namespaceSelector) && !present(one.podSelector));
  const pods = peers.findIndex((one) => present(one.podSelector) && !present(one.namespaceSelector));
  if (namespaces < 0 || pods < 0) return [];
  const who = direction === 'ingress' ? 'from' : 'to';
  return [
    {
      check: 'alternatives',
      field: at,
      value: `items ${namespaces} and ${pods}`,
      rule: `allows traffic ${who} every pod of those namespaces, and also ${who} those pods of this namespace`,
      fix: 'if pods in those namespaces are meant, put both selectors into one item (no dash before the second)',
    },
  ];
}

function exceptions(peers: readonly NetworkPolicyPeer[], at: string): readonly Finding[] {
  return peers.flatMap(({ ipBlock }, i) => {
    const unread = new Problems('');
    const block = ipBlock && rangeIn(ipBlock.cidr, '', unread);
    if (!block) return [];
    return listOf(ipBlock.except).flatMap((text, k): Finding[] => {
      const hole = rangeIn(text, '', unread);
      if (!hole) return [];
      const field = `${at}[${i}].ipBlock.except[${k}]`;
      const outside = hole.family !== block.family || hole.last < block.first || hole.first > block.last;
      if (outside)
        return [
          {
            check: 'except',
            field,
            value: text,
            rule: `is outside of ${ipBlock.cidr}, and takes nothing from it`,
            fix: `name a range within ${ipBlock.cidr}, or leave it out`,
          },
        ];
      if (without(block, [hole]).length > 0) return [];
      return [
        {
          check: 'except',
          field,
          value: text,
          rule: `covers ${ipBlock.cidr}, so that the item matches nothing`,
          fix: `name a part of ${ipBlock.cidr}, or leave the item out`,
        },
      ];
    });
  });
}
