import {
  CLUSTER_ROLE_BINDINGS,
  CLUSTER_ROLES,
  CONFIG_MAPS,
  type ResourceType,
} from '../../kube/resources.ts';
import type { ClusterRole, ClusterRoleBinding, ConfigMap } from '../../kube/types.ts';
import type { ClusterOrder } from './context.ts';

/** An object that the lab puts into a cluster's API. */
export interface Addon {
  type: ResourceType<object>;
  object: { metadata: { name: string; namespace?: string } };
}

type Rule = NonNullable<ClusterRole['rules']>[number];

/** What the operator may, as in the chart of `deploy/`. */
const OPERATOR_RULES: Rule[] = [
  { apiGroups: [''], resources: ['nodes'], verbs: ['get', 'list', 'watch', 'patch'] },
  { apiGroups: [''], resources: ['configmaps'], verbs: ['get', 'list', 'watch'] },
  { apiGroups: ['', 'events.k8s.io'], resources: ['events'], verbs: ['create', 'patch', 'update'] },
  {
    apiGroups: ['coordination.k8s.io'],
    resources: ['leases'],
    verbs: ['get', 'create', 'update', 'patch'],
  },
];

/** What a node's agent may, as in the chart of `deploy/`. */
const AGENT_RULES: Rule[] = [
  { apiGroups: [''], resources: ['nodes', 'pods', 'configmaps'], verbs: ['get', 'list', 'watch'] },
  { apiGroups: [''], resources: ['nodes/status'], verbs: ['patch', 'update'] },
  { apiGroups: ['', 'events.k8s.io'], resources: ['events'], verbs: ['create', 'patch', 'update'] },
];

/** What a cluster's API holds before anybody uses it: who may what of the network, and the network's settings. */
export function addons(cluster: ClusterOrder): Addon[] {
  const settings: ConfigMap = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'flyover-config', namespace: 'kube-system' },
    data: {
      podCIDRs: cluster.podCidr,
      routing: 'fabric',
      maxPods: String(cluster.maxPods),
    },
  };
  return [
    ...permission('flyover-operator', OPERATOR_RULES),
    ...permission('flyover-agent', AGENT_RULES),
    { type: CONFIG_MAPS as ResourceType<object>, object: settings as Addon['object'] },
  ];
}

/** A cluster role, and the user of the same name bound to it. */
function permission(name: string, rules: Rule[]): Addon[] {
  const apiVersion = 'rbac.authorization.k8s.io/v1';
  const role: ClusterRole = { apiVersion, kind: 'ClusterRole', metadata: { name }, rules };
  const binding: ClusterRoleBinding = {
    apiVersion,
    kind: 'ClusterRoleBinding',
    metadata: { name },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name }],
  };
  return [
    { type: CLUSTER_ROLES as ResourceType<object>, object: role as Addon['object'] },
    { type: CLUSTER_ROLE_BINDINGS as ResourceType<object>, object: binding as Addon['object'] },
  ];
}
