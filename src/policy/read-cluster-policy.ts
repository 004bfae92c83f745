import { Problems } from '../manifest/problem.ts';
import type { Direction, Protocol, RuleRef } from './decision.ts';
import {
  type AdminPort,
  type ClusterPeer,
  type ClusterPolicy,
  type ClusterPolicyKind,
  type ClusterProtocol,
  type ClusterRule,
  type ClusterSubject,
  type Maybe,
  policyKey,
} from './objects.ts';
import type { Peer, PodPeer, Policy, Rule } from './policy.ts';
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

const ACTIONS: Readonly<Record<string, Rule['action']>> = {
  Allow: 'accept',
  Accept: 'accept',
  Deny: 'deny',
  Pass: 'pass',
};

/** Reads a cluster-wide policy of any kind. What cannot be read fails closed, as the API demands, and is named. */
export function readClusterPolicy(
  kind: ClusterPolicyKind,
  object: ClusterPolicy,
): { readonly policy: Policy; readonly problems: Problems } {
  const key = policyKey(kind, object);
  const problems = new Problems(key);
  const { spec } = object;
  const tier = tierOf(kind, spec?.tier, problems);
  const rules = (direction: Direction): readonly Rule[] =>
    listOf(spec?.[direction]).flatMap((rule, index) => {
      const ref: RuleRef = { tier: tier ?? 'admin', policy: key, direction, index };
      return ruleIn(rule, ref, problems) ?? [];
    });
  const policy: Policy = {
    key,
    tier: tier ?? 'admin',
    priority: kind === 'BaselineAdminNetworkPolicy' ? Number.MAX_SAFE_INTEGER : (spec?.priority ?? 0),
    subject: tier && subjectIn(spec?.subject, problems),
    ingress: rules('ingress'),
    egress: rules('egress'),
  };
  return { policy, problems };
}

function tierOf(
  kind: ClusterPolicyKind,
  given: unknown,
  problems: Problems,
): 'admin' | 'baseline' | undefined {
  if (kind === 'AdminNetworkPolicy') return 'admin';
  if (kind === 'BaselineAdminNetworkPolicy') return 'baseline';
  if (given === 'Admin') return 'admin';
  if (given === 'Baseline') return 'baseline';
  problems.add('spec.tier', given, 'is unknown, so that the policy does nothing', 'use Admin or Baseline');
  return undefined;
}

function subjectIn(subject: Maybe<ClusterSubject>, problems: Problems): PodPeer | undefined {
  const found = podsIn(subject ?? {}, 'spec.subject', problems);
  if (found === undefined)
    problems.add('spec.subject', subject, 'cannot be read, so that the policy is about nobody', 'correct it');
  return found;
}

function podsIn({ namespaces, pods }: ClusterSubject, at: string, problems: Problems): PodPeer | undefined {
  if (present(namespaces) && !present(pods)) {
    const found = readSelector(namespaces, `${at}.namespaces`, problems);
    return found && { kind: 'pods', namespaces: found, pods: EVERYTHING };
  }
  if (!present(pods) || present(namespaces) || !present(pods.podSelector)) {
    problems.add(at, '', 'does not name exactly one of namespaces and pods', 'give one of them');
    return undefined;
  }
  const byNamespace = readSelector(pods.namespaceSelector, `${at}.pods.namespaceSelector`, problems);
  const byPod = readSelector(pods.podSelector, `${at}.pods.podSelector`, problems);
  return byNamespace && byPod && { kind: 'pods', namespaces: byNamespace, pods: byPod };
}

/** Undefined: an allowing rule that cannot be read in full. */
function ruleIn(rule: ClusterRule, ref: RuleRef, problems: Problems): Rule | undefined {
  const at = `spec.${ref.direction}[${ref.index}]`;
  const before = problems.found.length;
  const name = ref.direction === 'ingress' ? 'from' : 'to';
  const action = Object.hasOwn(ACTIONS, rule.action ?? '') ? ACTIONS[rule.action ?? ''] : undefined;
  if (!action) problems.add(`${at}.action`, rule.action, 'is unknown', 'use Accept (or Allow), Deny or Pass');
  const given = listOf(rule[name]);
  if (given.length === 0) problems.add(`${at}.${name}`, '', 'is empty', 'name at least one peer');
  const peers = given.flatMap((peer, i) => peersIn(peer, ref.direction, `${at}.${name}[${i}]`, problems));
  const ports = [
    ...listOf(rule.ports).map((port, i) => adminPortIn(port, `${at}.ports[${i}]`, problems)),
    ...listOf(rule.protocols).map((one, i) => protocolMatchIn(one, `${at}.protocols[${i}]`, problems)),
  ].filter(present);
  if (problems.found.length === before && action)
    return { ref, action, peers, ports: portsOrAny(rule, ports) };
  return action === 'accept' ? undefined : { ref, action: 'deny', peers: 'any', ports: 'any' };
}

function portsOrAny(rule: ClusterRule, ports: readonly PortMatch[]): Rule['ports'] {
  return listOf(rule.ports).length + listOf(rule.protocols).length === 0 ? 'any' : sorted(ports);
}

function peersIn(peer: ClusterPeer, direction: Direction, at: string, problems: Problems): readonly Peer[] {
  const { namespaces, pods, nodes, networks, domainNames } = peer;
  if ([namespaces, pods, nodes, networks, domainNames].filter(present).length !== 1) {
    problems.add(at, '', 'does not name exactly one kind of peer that is known here', 'give one');
    return [];
  }
  if (present(namespaces) || present(pods)) return [podsIn(peer, at, problems)].filter(present);
  if (direction === 'ingress') {
    problems.add(at, '', 'is no peer of ingress rules', 'give namespaces or pods');
    return [];
  }
  if (present(nodes)) {
    const found = readSelector(nodes, `${at}.nodes`, problems);
    return found ? [{ kind: 'nodes', nodes: found }] : [];
  }
  if (present(domainNames)) {
    problems.add(`${at}.domainNames`, domainNames, 'is not supported', 'name networks instead');
    return [];
  }
  if (listOf(networks).length === 0) problems.add(`${at}.networks`, networks, 'is empty', 'name a range');
  return listOf(networks).flatMap((network, i) => {
    const block = rangeIn(network, `${at}.networks[${i}]`, problems);
    return block ? [{ kind: 'block', block, except: [] } as const] : [];
  });
}

function adminPortIn(port: AdminPort, at: string, problems: Problems): PortMatch | undefined {
  const { portNumber, namedPort, portRange } = port;
  if ([portNumber, namedPort, portRange].filter(present).length !== 1) {
    problems.add(at, '', 'does not give exactly one kind of port', 'give portNumber, namedPort or portRange');
    return undefined;
  }
  if (present(namedPort)) return named(namedPort, `${at}.namedPort`, problems);
  const field = present(portNumber) ? `${at}.portNumber` : `${at}.portRange`;
  const protocol = protocolIn((portNumber ?? portRange)?.protocol, `${field}.protocol`, problems);
  if (protocol === undefined) return undefined;
  return present(portNumber)
    ? portsIn(protocol, portNumber.port, portNumber.port, [`${field}.port`, `${field}.port`], problems)
    : portsIn(protocol, portRange?.start, portRange?.end, [`${field}.start`, `${field}.end`], problems);
}

function named(value: unknown, field: string, problems: Problems): PortMatch | undefined {
  const name = portNameIn(value, field, problems);
  return name === undefined ? undefined : { name };
}

function protocolMatchIn(match: ClusterProtocol, at: string, problems: Problems): PortMatch | undefined {
  const { tcp, udp, sctp, destinationNamedPort: name } = match;
  if ([tcp, udp, sctp, name].filter(present).length !== 1) {
    problems.add(at, '', 'does not give exactly one', 'give tcp, udp, sctp or destinationNamedPort');
    return undefined;
  }
  if (present(name)) return named(name, `${at}.destinationNamedPort`, problems);
  const protocol: Protocol = present(tcp) ? 'TCP' : present(udp) ? 'UDP' : 'SCTP';
  const port = (tcp ?? udp ?? sctp)?.destinationPort;
  if (!present(port)) return allPortsOf(protocol);
  const field = `${at}.${protocol.toLowerCase()}.destinationPort`;
  if (present(port.number) === present(port.range)) {
    problems.add(field, port, 'does not give exactly one of number and range', 'give one of them');
    return undefined;
  }
  return present(port.number)
    ? portsIn(protocol, port.number, port.number, [`${field}.number`, `${field}.number`], problems)
    : portsIn(
        protocol,
        port.range?.start,
        port.range?.end,
        [`${field}.range.start`, `${field}.range.end`],
        problems,
      );
}
