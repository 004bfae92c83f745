import { isDeepStrictEqual } from 'node:util';
import type { KubeObject } from '../schema/types.ts';
import type { Access } from '../server/types.ts';
import { controllerBindings, controllerRoles } from './policy-controllers.ts';
import {
  binding,
  bootstrapClusterRoles,
  clusterBinding,
  clusterRole,
  events,
  named,
  READ,
  role,
  rule,
} from './policy-roles.ts';
import { RBAC_GROUP } from './rbac.ts';
import { type PolicyRule, uncovered } from './rules.ts';

const EVERYBODY = ['group:system:authenticated', 'group:system:unauthenticated'];
const MANAGER = 'user:system:kube-controller-manager';
const LEADER = (name: string): PolicyRule[] => [
  rule(READ, 'core', 'configmaps'),
  named(rule('get update', 'core', 'configmaps'), name),
];

/** What upstream's policy has no role for: the cluster autoscaler brings its own. */
function ownRoles(): KubeObject[] {
  return [
    clusterRole('flyover:autoscaler', [
      rule('get list watch patch update delete', 'core', 'nodes'),
      rule('get list watch create update patch', 'core', 'configmaps'),
      rule(READ, 'core', 'pods'),
      rule('create', 'core', 'pods/eviction'),
      rule('create delete get list patch update watch', 'coordination.k8s.io', 'leases'),
    ]),
  ];
}

export interface BootstrapPolicy {
  clusterroles: KubeObject[];
  clusterrolebindings: KubeObject[];
  roles: KubeObject[];
  rolebindings: KubeObject[];
}

/** Upstream's default roles and bindings, and those of the lab's own daemons. */
export function bootstrapPolicy(): BootstrapPolicy {
  return {
    clusterroles: [...bootstrapClusterRoles(), ...controllerRoles(), ...ownRoles()],
    clusterrolebindings: [
      clusterBinding('cluster-admin', 'cluster-admin', 'group:system:masters'),
      clusterBinding('system:monitoring', 'system:monitoring', 'group:system:monitoring'),
      clusterBinding('system:discovery', 'system:discovery', 'group:system:authenticated'),
      clusterBinding('system:basic-user', 'system:basic-user', 'group:system:authenticated'),
      clusterBinding('system:public-info-viewer', 'system:public-info-viewer', ...EVERYBODY),
      clusterBinding('system:node-proxier', 'system:node-proxier', 'user:system:kube-proxy'),
      clusterBinding('system:kube-controller-manager', 'system:kube-controller-manager', MANAGER),
      clusterBinding('system:kube-scheduler', 'system:kube-scheduler', 'user:system:kube-scheduler'),
      clusterBinding(
        'system:service-account-issuer-discovery',
        'system:service-account-issuer-discovery',
        'group:system:serviceaccounts',
      ),
      // Only the Node authorizer speaks for kubelets; upstream keeps the binding without subjects.
      clusterBinding('system:node', 'system:node'),
      ...controllerBindings(),
      // One process is controller manager, scheduler and autoscaler.
      clusterBinding('flyover:controllers:scheduler', 'system:kube-scheduler', MANAGER),
      clusterBinding('flyover:controllers:autoscaler', 'flyover:autoscaler', MANAGER),
    ],
    roles: [
      role('kube-system', 'extension-apiserver-authentication-reader', [
        named(rule(READ, 'core', 'configmaps'), 'extension-apiserver-authentication'),
      ]),
      role(
        'kube-system',
        'system::leader-locking-kube-controller-manager',
        LEADER('kube-controller-manager'),
      ),
      role('kube-system', 'system::leader-locking-kube-scheduler', LEADER('kube-scheduler')),
      role('kube-public', 'system:controller:bootstrap-signer', [
        rule(READ, 'core', 'configmaps'),
        named(rule('update', 'core', 'configmaps'), 'cluster-info'),
        events(),
      ]),
    ],
    rolebindings: [
      binding(
        'kube-system',
        'system::extension-apiserver-authentication-reader',
        'extension-apiserver-authentication-reader',
        MANAGER,
        'user:system:kube-scheduler',
      ),
      binding(
        'kube-system',
        'system::leader-locking-kube-controller-manager',
        'system::leader-locking-kube-controller-manager',
        MANAGER,
      ),
      binding(
        'kube-system',
        'system::leader-locking-kube-scheduler',
        'system::leader-locking-kube-scheduler',
        'user:system:kube-scheduler',
        MANAGER,
      ),
    ],
  };
}

type Entry = Record<string, unknown>;

function lacking(found: Entry[], wanted: Entry[]): Entry[] {
  return wanted.filter((entry) => !found.some((each) => isDeepStrictEqual(each, entry)));
}

/**
 * What a stored default must be changed to, undefined when it has all that is wanted. Rights and subjects are added, never taken
 * away; who sets the annotation `rbac.authorization.kubernetes.io/autoupdate` (or upstream's `…k8s.io/…`) to "false" keeps his own.
 */
export function reconciled(stored: KubeObject, wanted: KubeObject): KubeObject | undefined {
  const annotations = stored.metadata?.annotations ?? {};
  for (const key of [`${RBAC_GROUP}/autoupdate`, 'rbac.authorization.kubernetes.io/autoupdate'])
    if (annotations[key] === 'false') return undefined;
  if (wanted.roleRef) {
    if (!isDeepStrictEqual(stored.roleRef, wanted.roleRef)) return undefined;
    const found = (stored.subjects ?? []) as Entry[];
    const missing = lacking(found, wanted.subjects as Entry[]);
    return missing.length === 0 ? undefined : { ...stored, subjects: [...found, ...missing] };
  }
  if (wanted.aggregationRule)
    return isDeepStrictEqual(stored.aggregationRule, wanted.aggregationRule)
      ? undefined
      : { ...stored, aggregationRule: wanted.aggregationRule };
  const rules = (stored.rules ?? []) as PolicyRule[];
  const missing = (wanted.rules as PolicyRule[]).filter((one) => uncovered(rules, [one]).length > 0);
  const labels = { ...wanted.metadata?.labels, ...stored.metadata?.labels };
  if (missing.length === 0 && isDeepStrictEqual(labels, stored.metadata?.labels ?? {})) return undefined;
  const whole = missing.length > 0 ? [...rules, ...missing] : rules;
  return { ...stored, metadata: { ...stored.metadata, labels }, rules: whole };
}

/** Writes the defaults that are missing or incomplete, and the namespaces that hold them. */
export async function ensurePolicy(access: Access): Promise<void> {
  const namespaces = { group: '', plural: 'namespaces' };
  for (const name of ['kube-system', 'kube-public'])
    if (!access.get(namespaces, undefined, name))
      await access.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  for (const [plural, objects] of Object.entries(bootstrapPolicy())) {
    const resource = { group: RBAC_GROUP, plural };
    const writes = (objects as KubeObject[]).map((wanted) => {
      const { namespace, name = '' } = wanted.metadata ?? {};
      const stored = access.get(resource, namespace, name);
      if (!stored) return access.create(resource, wanted);
      const next = reconciled(stored, wanted);
      return next ? access.update(resource, next) : undefined;
    });
    await Promise.all(writes);
  }
}
