import {
  apiVersionOf,
  CLUSTER_ROLE_BINDINGS,
  CLUSTER_ROLES,
  CONFIG_MAPS,
  type ResourceType,
  ROLE_BINDINGS,
  ROLES,
} from '../../kube/resources.ts';
import type { RoleBinding } from '../../kube/types.ts';
import { RIGHTS } from '../../network/rights.ts';
import { hasOwnNetwork } from '../azure/door/network-plugin.ts';
import type { ClusterOrder } from './context.ts';

const RBAC = 'rbac.authorization.k8s.io';

/** An object that the lab puts into a cluster's API. */
export interface Addon {
  type: ResourceType<object>;
  object: { metadata: { name: string; namespace?: string } };
}

/** What a cluster's API holds before anybody uses it: who may what of the network, and the network's settings. */
export function addons(cluster: ClusterOrder): Addon[] {
  const settings = {
    metadata: { name: 'flyover-config', namespace: 'kube-system' },
    data: {
      podCIDRs: cluster.podCidr,
      routing: 'fabric',
      maxPods: String(cluster.maxPods),
      serviceProxy: 'true',
      serviceCIDRs: cluster.serviceCidr,
    },
  };
  if (hasOwnNetwork(cluster)) return [];
  return [...permissions(), addon(CONFIG_MAPS, settings)];
}

/** The rights of the network's daemons, whose users have the names of their roles. */
export function permissions(): Addon[] {
  return Object.entries(RIGHTS).flatMap(([name, { cluster, kubeSystem }]) => {
    const subjects = [{ apiGroup: RBAC, kind: 'User', name }];
    const role = { metadata: { name, namespace: 'kube-system' }, rules: kubeSystem };
    const roleRef = (kind: string): RoleBinding['roleRef'] => ({ apiGroup: RBAC, kind, name });
    return [
      addon(CLUSTER_ROLES, { metadata: { name }, rules: cluster }),
      addon(CLUSTER_ROLE_BINDINGS, { metadata: { name }, roleRef: roleRef('ClusterRole'), subjects }),
      addon(ROLES, role),
      addon(ROLE_BINDINGS, { metadata: role.metadata, roleRef: roleRef('Role'), subjects }),
    ];
  });
}

function addon<T extends object>(type: ResourceType<T>, object: T & Addon['object']): Addon {
  return {
    type: type as ResourceType<object>,
    object: { ...object, apiVersion: apiVersionOf(type), kind: type.kind },
  };
}
