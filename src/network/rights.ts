/** A rule as Roles and ClusterRoles have it. */
export interface PolicyRule {
  apiGroups: string[];
  resources: string[];
  resourceNames?: string[];
  verbs: string[];
}

/** What a daemon of the network may do with the Kubernetes API: the least that it works with. */
export interface Rights {
  /** By a ClusterRole. */
  readonly cluster: readonly PolicyRule[];
  /** By a Role in the namespace `kube-system`. */
  readonly kubeSystem: readonly PolicyRule[];
}

const read = ['get', 'list', 'watch'];
const SETTINGS: PolicyRule = {
  apiGroups: [''],
  resources: ['configmaps'],
  resourceNames: ['flyover-config'],
  verbs: read,
};
const EVENTS: PolicyRule = { apiGroups: [''], resources: ['events'], verbs: ['create', 'patch'] };

/** The daemons' rights, by the name of their user, role and service account; the chart in `deploy/` grants the same. */
export const RIGHTS = {
  'flyover-agent': {
    cluster: [
      // Its own Node, and the others where the routing needs them; the pods of its node; Services and what is behind them.
      { apiGroups: [''], resources: ['nodes', 'pods', 'services'], verbs: read },
      { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: read },
      // The condition NetworkUnavailable.
      { apiGroups: [''], resources: ['nodes/status'], verbs: ['patch'] },
      EVENTS,
    ],
    kubeSystem: [SETTINGS],
  },
  'flyover-operator': {
    cluster: [
      // spec.podCIDRs of Nodes that have none.
      { apiGroups: [''], resources: ['nodes'], verbs: [...read, 'patch'] },
      EVENTS,
    ],
    kubeSystem: [
      SETTINGS,
      // A name cannot be asked for when the Lease is made.
      { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['create'] },
      {
        apiGroups: ['coordination.k8s.io'],
        resources: ['leases'],
        resourceNames: ['flyover-operator'],
        verbs: ['get', 'update'],
      },
    ],
  },
} satisfies Record<string, Rights>;
