import type { KubeObject } from '../schema/types.ts';
import { RBAC_GROUP } from './rbac.ts';
import type { PolicyRule } from './rules.ts';

/*
 * The roles that every cluster has, with upstream's names and rights (plugin/pkg/auth/authorizer/rbac/bootstrappolicy),
 * for the resources that there are.
 */

export const READ = ['get', 'list', 'watch'];
const WRITE = ['create', 'delete', 'deletecollection', 'patch', 'update'];
export const READ_WRITE = [...READ, ...WRITE];
const EXTENSIONS = 'extensions';

/** Verbs, groups and resources, each as words: `rule('get list', 'apps', 'deployments deployments/scale')`; the core group is `core`. */
export function rule(verbs: string | readonly string[], groups: string, resources: string): PolicyRule {
  return {
    verbs: typeof verbs === 'string' ? verbs.split(' ') : [...verbs],
    apiGroups: groups.split(' ').map((group) => (group === 'core' ? '' : group)),
    resources: resources.split(' '),
  };
}

export const named = (of: PolicyRule, ...resourceNames: string[]): PolicyRule => ({ ...of, resourceNames });
export const paths = (verbs: string, urls: string): PolicyRule => ({
  verbs: verbs.split(' '),
  nonResourceURLs: urls.split(' '),
});
export const events = (): PolicyRule => rule('create patch update', 'core events.k8s.io', 'events');

const DEFAULTS = {
  labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults' },
  annotations: { [`${RBAC_GROUP}/autoupdate`]: 'true' },
};
const API_VERSION = `${RBAC_GROUP}/v1`;

export function clusterRole(
  name: string,
  rules: PolicyRule[],
  labels: Record<string, string> = {},
): KubeObject {
  return {
    apiVersion: API_VERSION,
    kind: 'ClusterRole',
    metadata: { name, annotations: DEFAULTS.annotations, labels: { ...DEFAULTS.labels, ...labels } },
    rules,
  };
}

function aggregated(name: string, labels: Record<string, string> = {}): KubeObject {
  const matchLabels = { [`${RBAC_GROUP}/aggregate-to-${name}`]: 'true' };
  return {
    ...clusterRole(name, [], labels),
    aggregationRule: { clusterRoleSelectors: [{ matchLabels }] },
    rules: [],
  };
}

const aggregate = (to: string): Record<string, string> => ({ [`${RBAC_GROUP}/aggregate-to-${to}`]: 'true' });

export function role(namespace: string, name: string, rules: PolicyRule[]): KubeObject {
  return { apiVersion: API_VERSION, kind: 'Role', metadata: { name, namespace, ...DEFAULTS }, rules };
}

/** Subjects: `user:x`, `group:x`, `account:namespace/name`. */
function subjectOf(text: string): object {
  const [kind, name = ''] = [text.slice(0, text.indexOf(':')), text.slice(text.indexOf(':') + 1)];
  if (kind !== 'account') return { kind: kind === 'user' ? 'User' : 'Group', apiGroup: RBAC_GROUP, name };
  const [namespace, account] = name.split('/');
  return { kind: 'ServiceAccount', name: account, namespace };
}

export function clusterBinding(name: string, of: string, ...subjects: string[]): KubeObject {
  return {
    apiVersion: API_VERSION,
    kind: 'ClusterRoleBinding',
    metadata: { name, ...DEFAULTS },
    roleRef: { apiGroup: RBAC_GROUP, kind: 'ClusterRole', name: of },
    subjects: subjects.map(subjectOf),
  };
}

export function binding(namespace: string, name: string, of: string, ...subjects: string[]): KubeObject {
  return {
    apiVersion: API_VERSION,
    kind: 'RoleBinding',
    metadata: { name, namespace, ...DEFAULTS },
    roleRef: { apiGroup: RBAC_GROUP, kind: 'Role', name: of },
    subjects: subjects.map(subjectOf),
  };
}

const STREAMS = 'pods/attach pods/exec pods/portforward pods/proxy';
const WORKLOADS = 'daemonsets deployments deployments/scale replicasets replicasets/scale';

function editRules(): PolicyRule[] {
  return [
    rule(READ, 'core', `${STREAMS} secrets services/proxy`),
    rule('impersonate', 'core', 'serviceaccounts'),
    rule(WRITE, 'core', `pods ${STREAMS}`),
    rule('create', 'core', 'pods/eviction'),
    rule(
      WRITE,
      'core',
      'configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets serviceaccounts services services/proxy',
    ),
    rule('create', 'core', 'serviceaccounts/token'),
    rule(
      WRITE,
      'apps',
      'daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale',
    ),
    rule(WRITE, 'autoscaling', 'horizontalpodautoscalers'),
    rule(WRITE, 'batch', 'cronjobs jobs'),
    rule(WRITE, EXTENSIONS, `${WORKLOADS} ingresses networkpolicies`),
    rule(WRITE, 'policy', 'poddisruptionbudgets'),
    rule(WRITE, 'networking.k8s.io', 'ingresses networkpolicies'),
    rule(READ_WRITE, 'coordination.k8s.io', 'leases'),
  ];
}

function viewRules(): PolicyRule[] {
  return [
    rule(
      READ,
      'core',
      'configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status',
    ),
    rule(
      READ,
      'core',
      'bindings events limitranges namespaces/status pods/log pods/status replicationcontrollers/status resourcequotas resourcequotas/status',
    ),
    rule(READ, 'core', 'namespaces'),
    rule(READ, 'discovery.k8s.io', 'endpointslices'),
    rule(
      READ,
      'apps',
      'controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status',
    ),
    rule(READ, 'autoscaling', 'horizontalpodautoscalers horizontalpodautoscalers/status'),
    rule(READ, 'batch', 'cronjobs cronjobs/status jobs jobs/status'),
    rule(READ, EXTENSIONS, `${WORKLOADS} ingresses ingresses/status networkpolicies`),
    rule(READ, 'policy', 'poddisruptionbudgets poddisruptionbudgets/status'),
    rule(READ, 'networking.k8s.io', 'ingresses ingresses/status networkpolicies'),
  ];
}

function adminRules(): PolicyRule[] {
  return [
    rule('create', 'authorization.k8s.io', 'localsubjectaccessreviews'),
    rule(READ_WRITE, RBAC_GROUP, 'rolebindings roles'),
  ];
}

/** What kubelets may; the Node authorizer grants it, and narrows it down to the node's own objects. */
function nodeRules(): PolicyRule[] {
  return [
    rule('create', 'authentication.k8s.io', 'tokenreviews'),
    rule('create', 'authorization.k8s.io', 'localsubjectaccessreviews subjectaccessreviews'),
    rule(READ, 'core', 'services'),
    rule('create get list watch', 'core', 'nodes'),
    rule('patch update', 'core', 'nodes/status'),
    rule('patch update', 'core', 'nodes'),
    rule('create patch update', 'core events.k8s.io', 'events'),
    rule(READ, 'core', 'pods'),
    rule('create delete', 'core', 'pods'),
    rule('patch update', 'core', 'pods/status'),
    rule('create', 'core', 'pods/eviction'),
    rule(READ, 'core', 'configmaps secrets'),
    rule('get', 'core', 'persistentvolumeclaims persistentvolumes'),
    rule('get', 'core', 'endpoints'),
    rule('create get list watch', 'certificates.k8s.io', 'certificatesigningrequests'),
    rule('create delete get patch update', 'coordination.k8s.io', 'leases'),
    rule('create', 'core', 'serviceaccounts/token'),
    rule('get patch update', 'core', 'persistentvolumeclaims/status'),
    rule(READ, 'storage.k8s.io', 'csidrivers'),
    rule('create delete get patch update', 'storage.k8s.io', 'csinodes'),
    rule(READ, 'node.k8s.io', 'runtimeclasses'),
  ];
}

/** The roles for people, nodes and the parts of a control plane. */
export function bootstrapClusterRoles(): KubeObject[] {
  return [
    clusterRole('cluster-admin', [rule('*', '*', '*'), paths('*', '*')]),
    clusterRole('system:discovery', [
      paths(
        'get',
        '/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/',
      ),
    ]),
    clusterRole('system:monitoring', [
      paths('get', '/healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*'),
    ]),
    clusterRole('system:basic-user', [
      rule('create', 'authorization.k8s.io', 'selfsubjectaccessreviews selfsubjectrulesreviews'),
      rule('create', 'authentication.k8s.io', 'selfsubjectreviews'),
    ]),
    clusterRole('system:public-info-viewer', [paths('get', '/healthz /livez /readyz /version /version/')]),
    aggregated('admin'),
    aggregated('edit', aggregate('admin')),
    aggregated('view', aggregate('edit')),
    clusterRole('system:aggregate-to-admin', adminRules(), aggregate('admin')),
    clusterRole('system:aggregate-to-edit', editRules(), aggregate('edit')),
    clusterRole('system:aggregate-to-view', viewRules(), aggregate('view')),
    clusterRole('system:node', nodeRules()),
    clusterRole('system:node-proxier', [
      rule('list watch', 'core', 'endpoints services'),
      rule('get list watch', 'core', 'nodes'),
      events(),
      rule('list watch', 'discovery.k8s.io', 'endpointslices'),
    ]),
    clusterRole('system:kubelet-api-admin', [
      rule(READ, 'core', 'nodes'),
      rule('proxy', 'core', 'nodes'),
      rule('*', 'core', 'nodes/log nodes/metrics nodes/proxy nodes/stats'),
    ]),
    clusterRole('system:auth-delegator', [
      rule('create', 'authentication.k8s.io', 'tokenreviews'),
      rule('create', 'authorization.k8s.io', 'subjectaccessreviews'),
    ]),
    clusterRole('system:service-account-issuer-discovery', [
      paths('get', '/.well-known/openid-configuration /openid/v1/jwks'),
    ]),
    clusterRole('system:kube-controller-manager', [
      events(),
      rule('create', 'coordination.k8s.io', 'leases'),
      named(rule('get update', 'coordination.k8s.io', 'leases'), 'kube-controller-manager'),
      rule('create', 'core', 'secrets serviceaccounts'),
      rule('delete', 'core', 'secrets'),
      rule('get', 'core', 'configmaps namespaces secrets serviceaccounts'),
      rule('update', 'core', 'secrets serviceaccounts'),
      rule('create', 'authentication.k8s.io', 'tokenreviews'),
      rule('create', 'authorization.k8s.io', 'subjectaccessreviews'),
      rule('list watch', '*', '*'),
      rule('create', 'core', 'serviceaccounts/token'),
    ]),
    clusterRole('system:kube-scheduler', [
      events(),
      rule('create', 'coordination.k8s.io', 'leases'),
      named(rule('get update', 'coordination.k8s.io', 'leases'), 'kube-scheduler'),
      rule(READ, 'core', 'nodes'),
      rule('delete get list watch', 'core', 'pods'),
      rule('create', 'core', 'bindings pods/binding'),
      rule('patch update', 'core', 'pods/status'),
      rule(READ, 'core', 'replicationcontrollers services'),
      rule(READ, 'apps extensions', 'replicasets'),
      rule(READ, 'apps', 'statefulsets'),
      rule(READ, 'policy', 'poddisruptionbudgets'),
      rule(READ, 'core', 'namespaces persistentvolumeclaims persistentvolumes'),
      rule('create', 'authentication.k8s.io', 'tokenreviews'),
      rule('create', 'authorization.k8s.io', 'subjectaccessreviews'),
      rule(READ, 'storage.k8s.io', 'csidrivers csinodes csistoragecapacities storageclasses'),
    ]),
  ];
}
