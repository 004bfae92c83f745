import { Problems } from '../manifest/problem.ts';
import type { Direction } from './decision.ts';
import { type NetworkPolicy, type NetworkPolicyPeer, type NetworkPolicyPort, policyKey } from './objects.ts';
import type { Peer, Policy, Rule } from './policy.ts';
import {
  allPortsOf,
  listOf,
  type PortMatch,
  portNameIn,
  portsIn,
  present,
  protocolIn,
  rangeIn,
  sorted,
} from './read-parts.ts';
import { EVERYTHING, readSelector } from './selector.ts';

type RawRule = {
  readonly from?: readonly NetworkPolicyPeer[] | null | undefined;
  readonly to?: readonly NetworkPolicyPeer[] | null | undefined;
  readonly ports?: readonly NetworkPolicyPort[] | null | undefined;
};

/** Reads a NetworkPolicy. What cannot be read allows nothing, and is named. */
export function readNetworkPolicy(policy: NetworkPolicy): {
  readonly policy: Policy;
  readonly problems: Problems;
} {
  const key = policyKey('NetworkPolicy', policy);
  const problems = new Problems(key);
  const namespace = policy.metadata?.namespace ?? '';
  const { spec } = policy;
  const pods = readSelector(spec?.podSelector, 'spec.podSelector', problems);
  const rules = (direction: Direction): readonly Rule[] => {
    const all: readonly RawRule[] = listOf<RawRule>(spec?.[direction]);
    return all.map((rule, index): Rule => {
      const field = `spec.${direction}[${index}]`;
      return {
        ref: { tier: 'network-policy', policy: key, direction, index },
        action: 'accept',
        peers: peersIn(direction, rule, namespace, field, problems),
        ports: portsOf(rule, field, problems),
      };
    });
  };
  const affects = affectedBy(policy, problems);
  // Who cannot be told from a selector that cannot be read: then the whole namespace is isolated, and nothing allowed
  const of = (direction: Direction) =>
    affects(direction) ? (pods === undefined ? [] : rules(direction)) : undefined;
  return {
    policy: {
      key,
      tier: 'network-policy',
      priority: 0,
      subject: { kind: 'pods', namespaces: namespace, pods: pods ?? EVERYTHING },
      ingress: of('ingress'),
      egress: of('egress'),
    },
    problems,
  };
}

function affectedBy({ spec }: NetworkPolicy, problems: Problems): (direction: Direction) => boolean {
  const types = listOf(spec?.policyTypes);
  if (types.length === 0) return (direction) => direction === 'ingress' || listOf(spec?.egress).length > 0;
  let unknown = false;
  for (const [i, type] of types.entries()) {
    if (type === 'Ingress' || type === 'Egress') continue;
    problems.add(`spec.policyTypes[${i}]`, type, 'is unknown, and taken for both', 'use Ingress or Egress');
    unknown = true;
  }
  return (direction) => unknown || types.includes(direction === 'ingress' ? 'Ingress' : 'Egress');
}

function peersIn(
  direction: Direction,
  rule: RawRule,
  namespace: string,
  at: string,
  problems: Problems,
): Rule['peers'] {
  const name = direction === 'ingress' ? 'from' : 'to';
  const peers = listOf(rule[name]);
  if (peers.length === 0) return 'any';
  return peers.flatMap((peer, i) => peerIn(peer, namespace, `${at}.${name}[${i}]`, problems) ?? []);
}

function peerIn(
  { ipBlock, podSelector, namespaceSelector }: NetworkPolicyPeer,
  namespace: string,
  at: string,
  problems: Problems,
): Peer | undefined {
  const selects = present(podSelector) || present(namespaceSelector);
  if (present(ipBlock) === selects) {
    const what = selects ? 'has both an ipBlock and a selector' : 'names nobody';
    problems.add(at, selects ? 'ipBlock and selector' : '', what, 'give either selectors or an ipBlock');
    return undefined;
  }
  if (present(ipBlock)) {
    const block = rangeIn(ipBlock.cidr, `${at}.ipBlock.cidr`, problems);
    const given = listOf(ipBlock.except);
    const except = given.flatMap((one, i) => rangeIn(one, `${at}.ipBlock.except[${i}]`, problems) ?? []);
    // An exception that cannot be read may be any address of the block
    return block && except.length === given.length ? { kind: 'block', block, except } : undefined;
  }
  const namespaces = present(namespaceSelector)
    ? readSelector(namespaceSelector, `${at}.namespaceSelector`, problems)
    : namespace;
  const pods = readSelector(podSelector, `${at}.podSelector`, problems);
  return namespaces === undefined || pods === undefined ? undefined : { kind: 'pods', namespaces, pods };
}

function portsOf(rule: RawRule, at: string, problems: Problems): Rule['ports'] {
  const ports = listOf(rule.ports);
  if (ports.length === 0) return 'any';
  return sorted(ports.flatMap((port, i) => portIn(port, `${at}.ports[${i}]`, problems) ?? []));
}

function portIn(
  { protocol: given, port, endPort }: NetworkPolicyPort,
  at: string,
  problems: Problems,
): PortMatch | undefined {
  const protocol = protocolIn(given, `${at}.protocol`, problems);
  if (protocol === undefined) return undefined;
  if (typeof port === 'number')
    return portsIn(protocol, port, endPort ?? port, [`${at}.port`, `${at}.endPort`], problems);
  if (present(endPort)) {
    problems.add(`${at}.endPort`, endPort, 'needs a first port', 'give port as a number');
    return undefined;
  }
  if (!present(port)) return allPortsOf(protocol);
  const name = portNameIn(port, `${at}.port`, problems);
  return name === undefined ? undefined : { name, protocol };
}
