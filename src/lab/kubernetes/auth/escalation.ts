import { forbidden } from '../server/status.ts';
import type { AdmissionStep, Attributes, Identity } from '../server/types.ts';
import { RBAC_GROUP, type RbacIndex, type RoleRef } from './rbac.ts';
import { compactRules, type PolicyRule, quoted, ruleText, uncovered } from './rules.ts';

const ROLES = new Set(['roles', 'clusterroles']);
const BINDINGS = new Set(['rolebindings', 'clusterrolebindings']);

function granted(identity: Identity, missing: PolicyRule[]): string {
  const lines = compactRules(missing).map(ruleText).sort();
  return `user ${JSON.stringify(identity.name)} (groups=${quoted(identity.groups)}) is attempting to grant RBAC permissions not currently held:\n${lines.join('\n')}`;
}

/**
 * Nobody gives more rights than he has: who writes a role must hold all of its rules (or the verb `escalate` on it), who writes
 * a binding all rules of the role it names (or the verb `bind` on that role). Texts as upstream.
 */
export function escalationCheck(rbac: RbacIndex): AdmissionStep {
  const may = (
    identity: Identity,
    verb: string,
    resource: string,
    namespace: string | undefined,
    name: string,
  ): boolean => {
    const attributes: Attributes = {
      verb,
      isResource: true,
      path: '',
      group: RBAC_GROUP,
      resource,
      name,
      ...(namespace && { namespace }),
    };
    return rbac.decide(identity, attributes).allowed;
  };
  return ({ operation, kind, namespace, name, object, oldObject, identity }) => {
    if (kind.group !== RBAC_GROUP || operation === 'DELETE' || !object) return;
    if (identity.groups.includes('system:masters')) return;
    const resource = { group: RBAC_GROUP, plural: kind.plural };
    const same = (field: string): boolean =>
      oldObject !== undefined && JSON.stringify(object[field]) === JSON.stringify(oldObject[field]);
    const held = rbac.rulesOf(identity, namespace);
    if (ROLES.has(kind.plural)) {
      if (same('rules') && same('aggregationRule')) return;
      if (may(identity, 'escalate', kind.plural, namespace, name)) return;
      if (object.aggregationRule && !same('aggregationRule')) {
        const all = [
          { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
          { verbs: ['*'], nonResourceURLs: ['*'] },
        ];
        if (uncovered(held, all).length > 0)
          throw forbidden(resource, name, 'must have cluster-admin privileges to use the aggregationRule');
      }
      const missing = uncovered(held, (object.rules as PolicyRule[] | null | undefined) ?? []);
      if (missing.length > 0) throw forbidden(resource, name, granted(identity, missing));
    } else if (BINDINGS.has(kind.plural)) {
      if (same('subjects') && same('roleRef')) return;
      const ref = object.roleRef as RoleRef | undefined;
      if (!ref) return;
      const of = ref.kind === 'ClusterRole' ? 'clusterroles' : 'roles';
      if (may(identity, 'bind', of, namespace, ref.name)) return;
      const rules = rbac.roleRules(ref, namespace);
      if (!rules)
        throw forbidden(resource, name, `${of}.${RBAC_GROUP} ${JSON.stringify(ref.name)} not found`);
      const missing = uncovered(held, rules);
      if (missing.length > 0) throw forbidden(resource, name, granted(identity, missing));
    }
  };
}
