import { isDeepStrictEqual } from 'node:util';
import { type LabelSelector, matchLabelSelector } from '../../../kube/selector.ts';
import type { KubeObject } from '../schema/types.ts';
import type { Access } from '../server/types.ts';
import { RBAC_GROUP } from './rbac.ts';
import type { PolicyRule } from './rules.ts';

const CLUSTER_ROLES = { group: RBAC_GROUP, plural: 'clusterroles' };

interface AggregationRule {
  clusterRoleSelectors?: LabelSelector[];
}

/** The rules of all roles that an aggregated role selects, by their names, none twice. */
export function aggregatedRules(role: KubeObject, all: readonly KubeObject[]): PolicyRule[] {
  const selectors = (role.aggregationRule as AggregationRule | undefined)?.clusterRoleSelectors ?? [];
  const rules: PolicyRule[] = [];
  const seen = new Set<string>();
  const name = (object: KubeObject): string => object.metadata?.name ?? '';
  for (const other of [...all].sort((a, b) => (name(a) < name(b) ? -1 : 1))) {
    if (
      name(other) === name(role) ||
      !selectors.some((one) => matchLabelSelector(one, other.metadata?.labels))
    )
      continue;
    for (const rule of (other.rules ?? []) as PolicyRule[]) {
      const text = JSON.stringify(rule);
      if (!seen.has(text)) rules.push(rule);
      seen.add(text);
    }
  }
  return rules;
}

/**
 * Writes the rules of aggregated roles that are not what their selectors say, until all are: `admin` takes from `edit`, which
 * takes from `view`.
 */
export async function aggregate(access: Access): Promise<void> {
  for (let round = 0; round < 10; round++) {
    const all = access.list(CLUSTER_ROLES);
    const stale = all.flatMap((role) => {
      if (!role.aggregationRule) return [];
      const rules = aggregatedRules(role, all);
      return isDeepStrictEqual(rules, role.rules ?? []) ? [] : [{ ...role, rules }];
    });
    if (stale.length === 0) return;
    const manager = 'clusterrole-aggregation-controller';
    await Promise.all(stale.map((role) => access.update(CLUSTER_ROLES, role, { manager })));
  }
}
