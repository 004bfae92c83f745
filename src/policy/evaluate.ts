import type { Decision, Direction, Packet, PacketDecision, Tier, Verdict } from './decision.ts';
import { byPrecedence, compare, namespaceLabels, ownNodeHas, podAt, samePod } from './evaluate-cluster.ts';
import {
  clusterRuleMatches,
  networkRuleMatches,
  readable,
  selects,
  subjectMatches,
} from './evaluate-match.ts';
import {
  type Cluster,
  type ClusterPolicy,
  type ClusterPolicyKind,
  keyOf,
  type NetworkPolicy,
  type PodObject,
  policyKey,
} from './objects.ts';

/**
 * What becomes of a packet, straight from the API's text: one object after the other, nothing remembered, nothing
 * shared with the compiler. It is what the compiled tables are measured against, and what explains them.
 *
 * What the API leaves open is decided so:
 * * A pod in its host's network is no subject and no peer of selectors: its address is the node's, and matches
 *   `ipBlock`, `networks` and `nodes` only. (The API: "undefined"; Azure's and Calico's engines do this.)
 * * A pod that has ended (Succeeded, Failed) has no address any more. Of two pods with one address it is the younger's.
 * * `ipBlock` and `networks` match every address, pods' included.
 * * From a pod to itself, and from its own node to it, everything is accepted, before all tiers: neither can be
 *   expressed in any of the APIs. From a pod to its own node no NetworkPolicy denies anything ("traffic to and from the
 *   node where a Pod is running is always allowed"); the other tiers do, which can name nodes.
 * * Policies of one tier and priority come in the order of their kinds and names; BaselineAdminNetworkPolicy, which
 *   has no priority, after every ClusterNetworkPolicy of its tier.
 * * Of several NetworkPolicies' rules that allow a packet the first is named, by policy name, then position.
 * * What cannot be read is closed: a NetworkPolicy's peer or port matches nothing; a cluster-wide rule that allows
 *   matches nothing, one that denies or passes denies everything (as that API demands); a NetworkPolicy whose
 *   podSelector cannot be read isolates its namespace and allows nothing; a cluster-wide policy whose subject cannot be
 *   read is about nobody, because closing the whole cluster would be worse.
 */
export function evaluate(cluster: Cluster, packet: Packet): PacketDecision {
  const egress = decide(cluster, 'egress', podAt(cluster, packet.source), packet);
  const ingress = decide(cluster, 'ingress', podAt(cluster, packet.destination), packet);
  const verdict = egress.verdict === 'accept' && ingress.verdict === 'accept' ? 'accept' : 'deny';
  return { verdict, egress, ingress };
}

function decide(
  cluster: Cluster,
  direction: Direction,
  pod: PodObject | undefined,
  packet: Packet,
): Decision {
  if (pod === undefined) return { verdict: 'accept', decidedBy: 'no pod' };
  const peer = podAt(cluster, direction === 'ingress' ? packet.source : packet.destination);
  if (peer !== undefined && samePod(peer, pod)) return { verdict: 'accept', decidedBy: 'itself' };
  if (direction === 'ingress' && ownNodeHas(cluster, pod, packet.source))
    return { verdict: 'accept', decidedBy: 'own node' };

  const admin = firstRule(cluster, 'admin', direction, pod, packet);
  if (admin !== undefined && admin !== 'pass') return admin;

  const selecting = selectingPolicies(cluster, direction, pod);
  if (selecting.length > 0) return networkPolicies(cluster, selecting, direction, pod, packet);

  const baseline = firstRule(cluster, 'baseline', direction, pod, packet);
  if (baseline !== undefined && baseline !== 'pass') return baseline;
  return { verdict: 'accept', decidedBy: 'not isolated' };
}

function selectingPolicies(cluster: Cluster, direction: Direction, pod: PodObject): NetworkPolicy[] {
  return cluster.networkPolicies
    .filter((policy) => affects(policy, direction) && selects(policy, pod))
    .sort((a, b) => compare(keyOf(a), keyOf(b)));
}

/** The NetworkPolicies that isolate whoever has the address: who is meant by a decision `isolated`. */
export function isolating(cluster: Cluster, direction: Direction, address: string): string[] {
  const pod = podAt(cluster, address);
  return pod === undefined
    ? []
    : selectingPolicies(cluster, direction, pod).map((policy) => policyKey('NetworkPolicy', policy));
}

/** "If this field is not specified…": ingress always, egress when there are egress rules. */
function affects({ spec }: NetworkPolicy, direction: Direction): boolean {
  const types = spec?.policyTypes ?? [];
  if (types.length === 0) return direction === 'ingress' || (spec?.egress ?? []).length > 0;
  if (types.some((type) => type !== 'Ingress' && type !== 'Egress')) return true;
  return types.includes(direction === 'ingress' ? 'Ingress' : 'Egress');
}

function networkPolicies(
  cluster: Cluster,
  selecting: readonly NetworkPolicy[],
  direction: Direction,
  pod: PodObject,
  packet: Packet,
): Decision {
  for (const policy of selecting) {
    if (!readable(policy.spec?.podSelector ?? {})) continue;
    const rules = (direction === 'ingress' ? policy.spec?.ingress : policy.spec?.egress) ?? [];
    for (const [index, rule] of rules.entries()) {
      if (!networkRuleMatches(cluster, policy, rule, direction, pod, packet)) continue;
      const ref = {
        tier: 'network-policy',
        policy: policyKey('NetworkPolicy', policy),
        direction,
        index,
      } as const;
      return { verdict: 'accept', decidedBy: ref };
    }
  }
  if (direction === 'egress' && ownNodeHas(cluster, pod, packet.destination))
    return { verdict: 'accept', decidedBy: 'own node' };
  return { verdict: 'deny', decidedBy: 'isolated' };
}

function policiesOf(cluster: Cluster, tier: Tier): { kind: ClusterPolicyKind; policy: ClusterPolicy }[] {
  const of = (kind: ClusterPolicyKind, policies: readonly ClusterPolicy[]) =>
    policies.map((policy) => ({ kind, policy }));
  const wanted = tier === 'admin' ? 'Admin' : 'Baseline';
  const named = of('ClusterNetworkPolicy', cluster.clusterNetworkPolicies).filter(
    ({ policy }) => policy.spec?.tier === wanted,
  );
  const older =
    tier === 'admin'
      ? of('AdminNetworkPolicy', cluster.adminNetworkPolicies)
      : of('BaselineAdminNetworkPolicy', cluster.baselineAdminNetworkPolicies);
  return [...named, ...older].sort(byPrecedence);
}

/** What the first matching rule of a tier says; undefined when none matches. */
function firstRule(
  cluster: Cluster,
  tier: 'admin' | 'baseline',
  direction: Direction,
  pod: PodObject,
  packet: Packet,
): Decision | 'pass' | undefined {
  for (const { kind, policy } of policiesOf(cluster, tier)) {
    if (!subjectMatches(policy.spec?.subject, pod, namespaceLabels(cluster, pod))) continue;
    const rules = (direction === 'ingress' ? policy.spec?.ingress : policy.spec?.egress) ?? [];
    for (const [index, rule] of rules.entries()) {
      const action = clusterRuleMatches(cluster, rule, direction, pod, packet);
      if (action === undefined) continue;
      if (action === 'pass') return 'pass';
      const verdict: Verdict = action;
      return { verdict, decidedBy: { tier, policy: policyKey(kind, policy), direction, index } };
    }
  }
  return undefined;
}
