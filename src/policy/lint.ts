import type { Finding, ServiceObject } from './finding.ts';
import { lintAgainst } from './lint-cluster.ts';
import { lintNetworkPolicy } from './lint-network-policy.ts';
import { lintUseless } from './lint-useless.ts';
import type { ClusterPolicy, NamespaceObject, NetworkPolicy, PodObject, PolicyKind } from './objects.ts';
import type { Policy } from './policy.ts';
import { readClusterPolicy } from './read-cluster-policy.ts';
import { readNetworkPolicy } from './read-network-policy.ts';

export type LintedPolicy =
  | { readonly kind: 'NetworkPolicy'; readonly object: NetworkPolicy }
  | { readonly kind: Exclude<PolicyKind, 'NetworkPolicy'>; readonly object: ClusterPolicy };

/** What there is to be selected. Checks that need it are left out without it. */
export interface LintedCluster {
  readonly pods: readonly PodObject[];
  readonly namespaces: readonly NamespaceObject[];
  readonly services: readonly ServiceObject[];
}

/** What people get wrong in policies, in the order of the policies. */
export function lint(policies: readonly LintedPolicy[], cluster?: LintedCluster): readonly Finding[] {
  const read = policies.map((one) =>
    one.kind === 'NetworkPolicy' ? readNetworkPolicy(one.object) : readClusterPolicy(one.kind, one.object),
  );
  const all: readonly Policy[] = read.map(({ policy }) => policy);
  return policies.flatMap((one, i): readonly Finding[] => {
    const { policy, problems } = read[i]!;
    return [
      ...problems.found.map((problem): Finding => ({ check: 'unreadable', ...problem })),
      ...(one.kind === 'NetworkPolicy' ? lintNetworkPolicy(one.object, policy) : []),
      ...lintUseless(policy, all),
      ...(cluster ? lintAgainst(policy, cluster) : []),
    ];
  });
}
