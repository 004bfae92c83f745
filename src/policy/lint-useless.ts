import type { Finding } from './finding.ts';
import type { PodPeer, Policy, Rule } from './policy.ts';
import { conditionKey } from './term.ts';

/**
 * NetworkPolicies and rules without which nothing would be different, because another selects the same pods (or all of
 * the namespace) and allows the same. Of two that say the same the later one, by name, is useless. Only what is certain
 * by the spelling is told: it may miss some, and never tells wrong.
 */
export function lintUseless(policy: Policy, all: readonly Policy[]): readonly Finding[] {
  if (policy.tier !== 'network-policy' || !policy.subject) return [];
  const others = all.filter(
    (other) =>
      other.key !== policy.key &&
      other.tier === 'network-policy' &&
      other.subject !== undefined &&
      selectsAll(other.subject, policy.subject!) &&
      !(covers(policy, other) && selectsAll(policy.subject!, other.subject) && policy.key < other.key),
  );
  const by = others.find((other) => covers(other, policy));
  if (by)
    return [
      {
        check: 'useless',
        field: `${policy.key} spec`,
        value: '',
        rule: `changes nothing: ${by.key} selects the same pods and allows the same`,
        fix: 'delete it, or correct its podSelector or its rules',
      },
    ];
  return (['ingress', 'egress'] as const).flatMap((direction) =>
    uselessRules(policy.key, policy[direction] ?? []),
  );
}

function uselessRules(key: string, rules: readonly Rule[]): readonly Finding[] {
  return rules.flatMap((rule, i): Finding[] => {
    const by = rules.find(
      (other, k) => k !== i && allowsAll(other, rule) && !(k > i && allowsAll(rule, other)),
    );
    if (!by) return [];
    const { direction, index } = rule.ref;
    return [
      {
        check: 'useless',
        field: `${key} spec.${direction}[${index}]`,
        value: '',
        rule: `changes nothing: ${direction}[${by.ref.index}] of the same policy allows all that it allows`,
        fix: `delete it, or narrow ${direction}[${by.ref.index}]; rules only ever add`,
      },
    ];
  });
}

function selectsAll(wide: PodPeer, narrow: PodPeer): boolean {
  const sameNamespace = typeof wide.namespaces === 'string' && wide.namespaces === narrow.namespaces;
  return sameNamespace && (wide.pods.text === '' || wide.pods.text === narrow.pods.text);
}

function covers(wide: Policy, narrow: Policy): boolean {
  return (['ingress', 'egress'] as const).every((direction) => {
    const rules = narrow[direction];
    if (rules === undefined) return true;
    const others = wide[direction];
    return others !== undefined && rules.every((rule) => others.some((other) => allowsAll(other, rule)));
  });
}

function allowsAll(wide: Rule, narrow: Rule): boolean {
  return peersCover(wide.peers, narrow.peers) && portsCover(wide.ports, narrow.ports);
}

function peersCover(wide: Rule['peers'], narrow: Rule['peers']): boolean {
  if (wide === 'any') return true;
  if (narrow === 'any') return false;
  const keys = new Set(wide.map(conditionKey));
  return narrow.every((peer) => keys.has(conditionKey(peer)));
}

function portsCover(wide: Rule['ports'], narrow: Rule['ports']): boolean {
  if (wide === 'any') return true;
  if (narrow === 'any') return false;
  return (
    narrow.ranges.every((range) =>
      wide.ranges.some(
        (other) =>
          other.protocol === range.protocol && other.first <= range.first && range.last <= other.last,
      ),
    ) &&
    narrow.named.every((port) =>
      wide.named.some((other) => other.name === port.name && other.protocol === port.protocol),
    )
  );
}
