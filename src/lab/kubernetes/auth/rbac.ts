import type { KubeObject } from '../schema/types.ts';
import type { Attributes, Decision, Identity } from '../server/types.ts';
import { type PolicyRule, ruleAllows } from './rules.ts';

export const RBAC_GROUP = 'rbac.authorization.k8s.io';
/** The resources that the index is made of. */
export const RBAC_RESOURCES = ['clusterroles', 'clusterrolebindings', 'roles', 'rolebindings'] as const;
export type RbacResource = (typeof RBAC_RESOURCES)[number];

interface Subject {
  kind: string;
  name: string;
  namespace?: string;
}

export interface RoleRef {
  kind: string;
  name: string;
}

interface Binding {
  readonly name: string;
  /** Undefined for a ClusterRoleBinding. */
  readonly namespace: string | undefined;
  readonly roleKey: string;
  readonly roleRef: RoleRef;
  /** Subjects by key, with the words of upstream's reasons. */
  readonly subjects: ReadonlyMap<string, string>;
}

type BindingsBySubject = Map<string, Set<Binding>>;

const GROUP = 'g:';
const USER = 'u:';
const ALLOWED_MASTERS: Decision = { allowed: true, reason: '' };

function subjectKey(subject: Subject, namespace: string | undefined): [string, string] {
  if (subject.kind === 'ServiceAccount') {
    const of = subject.namespace ?? namespace ?? '';
    return [`${USER}system:serviceaccount:${of}:${subject.name}`, `ServiceAccount "${subject.name}/${of}"`];
  }
  return [`${subject.kind === 'Group' ? GROUP : USER}${subject.name}`, `${subject.kind} "${subject.name}"`];
}

/** Role keys: cluster roles by name, roles as `namespace/name`; neither has a slash in its name. */
const roleKeyOf = (ref: RoleRef, namespace: string | undefined): string =>
  ref.kind === 'ClusterRole' ? ref.name : `${namespace}/${ref.name}`;

/**
 * Roles and bindings as a decision needs them: by subject. It is told of every change and asks nobody; a decision visits the
 * bindings of the user and of its groups, which takes microseconds.
 */
export class RbacIndex {
  readonly #rules = new Map<string, PolicyRule[]>();
  readonly #bindings = new Map<string, Binding>();
  readonly #cluster: BindingsBySubject = new Map();
  readonly #namespaced = new Map<string, BindingsBySubject>();

  /** Takes an object of one of {@link RBAC_RESOURCES} as it is now. */
  put(resource: RbacResource, object: KubeObject): void {
    const name = object.metadata?.name ?? '';
    const namespace = resource.startsWith('cluster') ? undefined : object.metadata?.namespace;
    if (resource === 'clusterroles' || resource === 'roles') {
      const key = namespace === undefined ? name : `${namespace}/${name}`;
      this.#rules.set(key, (object.rules as PolicyRule[] | null | undefined) ?? []);
      return;
    }
    this.delete(resource, namespace, name);
    const roleRef = object.roleRef as RoleRef;
    const subjects = (object.subjects as Subject[] | null | undefined) ?? [];
    const binding: Binding = {
      name,
      namespace,
      roleRef,
      roleKey: roleKeyOf(roleRef, namespace),
      subjects: new Map(subjects.map((subject) => subjectKey(subject, namespace))),
    };
    this.#bindings.set(`${namespace ?? ''}/${name}`, binding);
    const bySubject = this.#bySubject(namespace);
    for (const key of binding.subjects.keys()) {
      const set = bySubject.get(key) ?? new Set();
      bySubject.set(key, set.add(binding));
    }
  }

  delete(resource: RbacResource, namespace: string | undefined, name: string): void {
    const of = resource.startsWith('cluster') ? undefined : namespace;
    if (resource === 'clusterroles' || resource === 'roles') {
      this.#rules.delete(of === undefined ? name : `${of}/${name}`);
      return;
    }
    const binding = this.#bindings.get(`${of ?? ''}/${name}`);
    if (!binding) return;
    this.#bindings.delete(`${of ?? ''}/${name}`);
    const bySubject = this.#bySubject(of);
    for (const key of binding.subjects.keys()) {
      const set = bySubject.get(key);
      set?.delete(binding);
      if (set?.size === 0) bySubject.delete(key);
    }
    if (of !== undefined && bySubject.size === 0) this.#namespaced.delete(of);
  }

  #bySubject(namespace: string | undefined): BindingsBySubject {
    if (namespace === undefined) return this.#cluster;
    let found = this.#namespaced.get(namespace);
    if (!found) {
      found = new Map();
      this.#namespaced.set(namespace, found);
    }
    return found;
  }

  /** The bindings of someone that matter in a namespace, cluster-wide ones first; `key` is the subject that they name. */
  *#bindingsOf(
    identity: Identity,
    namespace: string | undefined,
  ): Generator<{ binding: Binding; key: string }> {
    const maps = [this.#cluster, ...(namespace ? [this.#namespaced.get(namespace)] : [])];
    for (const bySubject of maps) {
      if (!bySubject) continue;
      const own = `${USER}${identity.name}`;
      for (const binding of bySubject.get(own) ?? []) yield { binding, key: own };
      for (const group of identity.groups) {
        const key = `${GROUP}${group}`;
        for (const binding of bySubject.get(key) ?? []) yield { binding, key };
      }
    }
  }

  /** Whether someone's roles allow it; `system:masters` may everything. The reasons are upstream's. */
  decide(identity: Identity, attributes: Attributes): Decision {
    if (identity.groups.includes('system:masters')) return ALLOWED_MASTERS;
    const missing: string[] = [];
    // Paths that are no resources are only granted cluster-wide.
    const namespace = attributes.isResource ? attributes.namespace : undefined;
    for (const { binding, key } of this.#bindingsOf(identity, namespace)) {
      const rules = this.#rules.get(binding.roleKey);
      const { kind, name } = binding.roleRef;
      if (!rules) missing.push(`${kind.toLowerCase()}.${RBAC_GROUP} ${JSON.stringify(name)} not found`);
      if (!rules?.some((rule) => ruleAllows(rule, attributes))) continue;
      const by =
        binding.namespace === undefined
          ? `ClusterRoleBinding "${binding.name}"`
          : `RoleBinding "${binding.name}/${binding.namespace}"`;
      const to = binding.subjects.get(key);
      return { allowed: true, reason: `RBAC: allowed by ${by} of ${kind} "${name}" to ${to}` };
    }
    const unique = [...new Set(missing)];
    const list = unique.length > 1 ? `[${unique.join(', ')}]` : unique[0];
    return { allowed: false, reason: list === undefined ? '' : `RBAC: ${list}` };
  }

  /** Everything that someone may do in a namespace, or cluster-wide when it is undefined. */
  rulesOf(identity: Identity, namespace: string | undefined): PolicyRule[] {
    if (identity.groups.includes('system:masters'))
      return [
        { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
        { verbs: ['*'], nonResourceURLs: ['*'] },
      ];
    return [...this.#bindingsOf(identity, namespace)].flatMap(
      ({ binding }) => this.#rules.get(binding.roleKey) ?? [],
    );
  }

  /** A role's rules, undefined when there is no such role. */
  roleRules(ref: RoleRef, namespace: string | undefined): PolicyRule[] | undefined {
    return this.#rules.get(roleKeyOf(ref, namespace));
  }
}

const capitalized = (identity: Identity): string => `User ${JSON.stringify(identity.name)}`;

/** What upstream says to whom it refuses, without the reason: `User "x" cannot list resource "pods" in API group "" …`. */
export function forbiddenText(identity: Identity, attributes: Attributes): string {
  if (!attributes.isResource)
    return `${capitalized(identity)} cannot ${attributes.verb} path ${JSON.stringify(attributes.path)}`;
  const { subresource, namespace } = attributes;
  const resource = subresource ? `${attributes.resource}/${subresource}` : attributes.resource;
  const where = namespace ? `in the namespace ${JSON.stringify(namespace)}` : 'at the cluster scope';
  return `${capitalized(identity)} cannot ${attributes.verb} resource ${JSON.stringify(resource)} in API group ${JSON.stringify(attributes.group ?? '')} ${where}`;
}
