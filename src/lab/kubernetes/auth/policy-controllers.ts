import type { KubeObject } from '../schema/types.ts';
import { clusterBinding, clusterRole, events, READ, rule } from './policy-roles.ts';
import type { PolicyRule } from './rules.ts';

/*
 * The roles `system:controller:…`. Upstream's controllers use a ServiceAccount each; here one process runs them all as
 * `system:kube-controller-manager`, so the bindings name that user beside the accounts.
 */

const pods = (verbs: string): PolicyRule => rule(verbs, 'core', 'pods');
const revisions = (): PolicyRule =>
  rule('create delete get list patch update watch', 'apps', 'controllerrevisions');

/** Get, list, watch and update of a kind, its status and its finalizers. */
function owned(group: string, plural: string): PolicyRule[] {
  return [
    rule('get list patch update watch', group, plural),
    rule('patch update', group, `${plural}/status`),
    rule('update', group, `${plural}/finalizers`),
  ];
}

const CONTROLLERS: Record<string, PolicyRule[]> = {
  'cronjob-controller': [
    ...owned('batch', 'cronjobs'),
    rule('create delete get list patch update watch', 'batch', 'jobs'),
    pods('delete list'),
    events(),
  ],
  'daemon-set-controller': [
    ...owned('apps extensions', 'daemonsets'),
    rule('list watch', 'core', 'nodes'),
    pods('create delete list patch watch'),
    rule('create', 'core', 'pods/binding'),
    revisions(),
    events(),
  ],
  'deployment-controller': [
    ...owned('apps extensions', 'deployments'),
    rule('create delete get list patch update watch', 'apps extensions', 'replicasets'),
    pods('get list update watch'),
    events(),
  ],
  'disruption-controller': [
    rule(READ, 'apps extensions', 'deployments replicasets'),
    rule(READ, 'core', 'replicationcontrollers'),
    rule(READ, 'policy', 'poddisruptionbudgets'),
    rule(READ, 'apps', 'statefulsets'),
    rule('patch update', 'policy', 'poddisruptionbudgets/status'),
    rule('patch update', 'core', 'pods/status'),
    rule('get', '*', '*/scale'),
    events(),
  ],
  'endpoint-controller': [
    rule(READ, 'core', 'pods services'),
    rule('create delete get list update', 'core', 'endpoints'),
    rule('create', 'core', 'endpoints/restricted'),
    events(),
  ],
  'endpointslice-controller': [
    rule(READ, 'core', 'nodes pods services'),
    rule('update', 'core', 'services/finalizers'),
    rule('create delete get list update', 'discovery.k8s.io', 'endpointslices'),
    rule('create', 'discovery.k8s.io', 'endpointslices/restricted'),
    events(),
  ],
  'generic-garbage-collector': [rule('delete get list patch update watch', '*', '*'), events()],
  'job-controller': [...owned('batch', 'jobs'), pods('create delete list patch watch'), events()],
  'namespace-controller': [
    rule('delete get list watch', 'core', 'namespaces'),
    rule('update', 'core', 'namespaces/finalize namespaces/status'),
    rule('delete deletecollection get list', '*', '*'),
  ],
  'node-controller': [
    rule('delete get list patch update', 'core', 'nodes'),
    rule('patch update', 'core', 'nodes/status'),
    rule('patch update', 'core', 'pods/status'),
    pods('delete get list'),
    events(),
  ],
  'persistent-volume-binder': [
    rule('create delete get list update watch', 'core', 'persistentvolumes'),
    rule('update', 'core', 'persistentvolumeclaims/status persistentvolumes/status'),
    rule('get list update watch', 'core', 'persistentvolumeclaims'),
    rule(READ, 'storage.k8s.io', 'storageclasses'),
    events(),
  ],
  'pod-garbage-collector': [
    pods('delete list watch'),
    rule('get list', 'core', 'nodes'),
    rule('patch', 'core', 'pods/status'),
  ],
  'replicaset-controller': [
    ...owned('apps extensions', 'replicasets'),
    pods('create delete list patch watch'),
    events(),
  ],
  'resourcequota-controller': [
    rule('list watch', '*', '*'),
    rule('update', 'core', 'resourcequotas/status'),
    events(),
  ],
  'root-ca-cert-publisher': [rule('create update', 'core', 'configmaps'), events()],
  'service-account-controller': [rule('create', 'core', 'serviceaccounts'), events()],
  'statefulset-controller': [
    pods('list watch'),
    rule('create delete get patch update', 'core', 'pods'),
    ...owned('apps', 'statefulsets'),
    revisions(),
    rule('create get list watch', 'core', 'persistentvolumeclaims'),
    rule('delete update', 'core', 'persistentvolumeclaims'),
    events(),
  ],
  'ttl-after-finished-controller': [rule('delete get list watch', 'batch', 'jobs'), events()],
};

const OWN_USER = 'user:system:kube-controller-manager';

export function controllerRoles(): KubeObject[] {
  return Object.entries(CONTROLLERS).map(([name, rules]) => clusterRole(`system:controller:${name}`, rules));
}

export function controllerBindings(): KubeObject[] {
  return Object.keys(CONTROLLERS).map((name) =>
    clusterBinding(
      `system:controller:${name}`,
      `system:controller:${name}`,
      `account:kube-system/${name}`,
      OWN_USER,
    ),
  );
}
