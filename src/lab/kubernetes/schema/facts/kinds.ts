// The resource types that the server has, as `kubectl api-resources` of Kubernetes 1.33 says them. Read when the schema is built.
import type { GroupVersionKind, Subresource } from '../types.ts';

export interface KindFacts {
  kind: string;
  plural: string;
  /** The class of the official client's models, without suffix. */
  model: string;
  shortNames: string[];
  categories: string[];
  namespaced: boolean;
  verbs: string[];
  subresources: Subresource[];
}

export interface GroupFacts {
  group: string;
  version: string;
  /** What the group's definitions are called: `io.k8s.api.apps.v1`. */
  prefix: string;
  kinds: KindFacts[];
}

const ALL_VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];
const WRITE = ['get', 'patch', 'update'];
const PROXY = ['create', 'delete', 'get', 'patch', 'update'];

const CORE = (kind: string): GroupVersionKind => ({ group: '', version: 'v1', kind });
const SCALE: Subresource = {
  name: 'scale',
  kind: { group: 'autoscaling', version: 'v1', kind: 'Scale' },
  verbs: WRITE,
};
const STATUS: Subresource = { name: 'status', verbs: WRITE };

const PODS: Subresource[] = [
  { name: 'attach', kind: CORE('PodAttachOptions'), verbs: ['create', 'get'] },
  { name: 'binding', kind: CORE('Binding'), verbs: ['create'] },
  { name: 'ephemeralcontainers', verbs: WRITE },
  { name: 'eviction', kind: { group: 'policy', version: 'v1', kind: 'Eviction' }, verbs: ['create'] },
  { name: 'exec', kind: CORE('PodExecOptions'), verbs: ['create', 'get'] },
  { name: 'log', verbs: ['get'] },
  { name: 'portforward', kind: CORE('PodPortForwardOptions'), verbs: ['create', 'get'] },
  { name: 'proxy', kind: CORE('PodProxyOptions'), verbs: PROXY },
  STATUS,
];

interface Options {
  short?: string;
  all?: true;
  categories?: string[];
  cluster?: true;
  subresources?: Subresource[];
  verbs?: string[];
  model?: string;
}

function kind(name: string, plural: string, options: Options, version: string): KindFacts {
  return {
    kind: name,
    plural,
    model: options.model ?? `${version[0]?.toUpperCase()}${version.slice(1)}${name}`,
    shortNames: options.short ? options.short.split(' ') : [],
    categories: [...(options.all ? ['all'] : []), ...(options.categories ?? [])],
    namespaced: !options.cluster,
    verbs: options.verbs ?? ALL_VERBS,
    subresources: options.subresources ?? [],
  };
}

function group(
  name: string,
  version: string,
  prefix: string,
  kinds: [string, string, Options?][],
): GroupFacts {
  return { group: name, version, prefix, kinds: kinds.map(([k, p, o]) => kind(k, p, o ?? {}, version)) };
}

const CREATE = ['create'];

/** In the order in which definitions that several groups use are given to a group: the first that reaches one has it. */
export const GROUPS: GroupFacts[] = [
  group('', 'v1', 'io.k8s.api.core.v1', [
    ['Pod', 'pods', { short: 'po', all: true, subresources: PODS }],
    [
      'Service',
      'services',
      {
        short: 'svc',
        all: true,
        subresources: [{ name: 'proxy', kind: CORE('ServiceProxyOptions'), verbs: PROXY }, STATUS],
      },
    ],
    [
      'Node',
      'nodes',
      {
        short: 'no',
        cluster: true,
        subresources: [{ name: 'proxy', kind: CORE('NodeProxyOptions'), verbs: PROXY }, STATUS],
      },
    ],
    [
      'Namespace',
      'namespaces',
      {
        short: 'ns',
        cluster: true,
        subresources: [{ name: 'finalize', verbs: ['update'] }, STATUS],
        verbs: ALL_VERBS.filter((verb) => verb !== 'deletecollection'),
      },
    ],
    ['ConfigMap', 'configmaps', { short: 'cm' }],
    ['Secret', 'secrets', {}],
    [
      'ServiceAccount',
      'serviceaccounts',
      {
        short: 'sa',
        subresources: [
          {
            name: 'token',
            kind: { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest' },
            verbs: CREATE,
          },
        ],
      },
    ],
    ['Event', 'events', { short: 'ev', model: 'CoreV1Event' }],
    ['Endpoints', 'endpoints', { short: 'ep' }],
    ['PersistentVolume', 'persistentvolumes', { short: 'pv', cluster: true, subresources: [STATUS] }],
    ['PersistentVolumeClaim', 'persistentvolumeclaims', { short: 'pvc', subresources: [STATUS] }],
    [
      'ReplicationController',
      'replicationcontrollers',
      { short: 'rc', all: true, subresources: [SCALE, STATUS] },
    ],
    ['ResourceQuota', 'resourcequotas', { short: 'quota', subresources: [STATUS] }],
    ['LimitRange', 'limitranges', { short: 'limits' }],
    ['PodTemplate', 'podtemplates', {}],
    ['Binding', 'bindings', { verbs: CREATE }],
  ]),
  group('apps', 'v1', 'io.k8s.api.apps.v1', [
    ['ControllerRevision', 'controllerrevisions'],
    ['DaemonSet', 'daemonsets', { short: 'ds', all: true, subresources: [STATUS] }],
    ['Deployment', 'deployments', { short: 'deploy', all: true, subresources: [SCALE, STATUS] }],
    ['ReplicaSet', 'replicasets', { short: 'rs', all: true, subresources: [SCALE, STATUS] }],
    ['StatefulSet', 'statefulsets', { short: 'sts', all: true, subresources: [SCALE, STATUS] }],
  ]),
  group('batch', 'v1', 'io.k8s.api.batch.v1', [
    ['CronJob', 'cronjobs', { short: 'cj', all: true, subresources: [STATUS] }],
    ['Job', 'jobs', { all: true, subresources: [STATUS] }],
  ]),
  group('networking.k8s.io', 'v1', 'io.k8s.api.networking.v1', [
    ['IngressClass', 'ingressclasses', { cluster: true }],
    ['Ingress', 'ingresses', { short: 'ing', subresources: [STATUS] }],
    ['NetworkPolicy', 'networkpolicies', { short: 'netpol' }],
  ]),
  group('discovery.k8s.io', 'v1', 'io.k8s.api.discovery.v1', [['EndpointSlice', 'endpointslices']]),
  group('policy', 'v1', 'io.k8s.api.policy.v1', [
    ['PodDisruptionBudget', 'poddisruptionbudgets', { short: 'pdb', subresources: [STATUS] }],
  ]),
  group('coordination.k8s.io', 'v1', 'io.k8s.api.coordination.v1', [['Lease', 'leases']]),
  group('rbac.authorization.k8s.io', 'v1', 'io.k8s.api.rbac.v1', [
    ['ClusterRoleBinding', 'clusterrolebindings', { cluster: true }],
    ['ClusterRole', 'clusterroles', { cluster: true }],
    ['RoleBinding', 'rolebindings'],
    ['Role', 'roles'],
  ]),
  group('authentication.k8s.io', 'v1', 'io.k8s.api.authentication.v1', [
    ['SelfSubjectReview', 'selfsubjectreviews', { cluster: true, verbs: CREATE }],
    ['TokenReview', 'tokenreviews', { cluster: true, verbs: CREATE }],
  ]),
  group('authorization.k8s.io', 'v1', 'io.k8s.api.authorization.v1', [
    ['LocalSubjectAccessReview', 'localsubjectaccessreviews', { verbs: CREATE }],
    ['SelfSubjectAccessReview', 'selfsubjectaccessreviews', { cluster: true, verbs: CREATE }],
    ['SelfSubjectRulesReview', 'selfsubjectrulesreviews', { cluster: true, verbs: CREATE }],
    ['SubjectAccessReview', 'subjectaccessreviews', { cluster: true, verbs: CREATE }],
  ]),
  group('autoscaling', 'v2', 'io.k8s.api.autoscaling.v2', [
    [
      'HorizontalPodAutoscaler',
      'horizontalpodautoscalers',
      { short: 'hpa', all: true, subresources: [STATUS] },
    ],
  ]),
  group('scheduling.k8s.io', 'v1', 'io.k8s.api.scheduling.v1', [
    ['PriorityClass', 'priorityclasses', { short: 'pc', cluster: true }],
  ]),
  group('storage.k8s.io', 'v1', 'io.k8s.api.storage.v1', [
    ['StorageClass', 'storageclasses', { short: 'sc', cluster: true }],
  ]),
  group('events.k8s.io', 'v1', 'io.k8s.api.events.v1', [
    ['Event', 'events', { short: 'ev', model: 'EventsV1Event' }],
  ]),
  group('apiextensions.k8s.io', 'v1', 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1', [
    [
      'CustomResourceDefinition',
      'customresourcedefinitions',
      { short: 'crd crds', cluster: true, categories: ['api-extensions'], subresources: [STATUS] },
    ],
  ]),
  group('apiregistration.k8s.io', 'v1', 'io.k8s.kube-aggregator.pkg.apis.apiregistration.v1', [
    ['APIService', 'apiservices', { cluster: true, categories: ['api-extensions'], subresources: [STATUS] }],
  ]),
];

/** Kinds that are only sent to or answered by a subresource or as options: no resource of their own. Model -> definition's prefix. */
export const LOOSE: Record<string, { prefix: string; gvk: GroupVersionKind }> = {
  V1Scale: {
    prefix: 'io.k8s.api.autoscaling.v1',
    gvk: { group: 'autoscaling', version: 'v1', kind: 'Scale' },
  },
  V1Eviction: { prefix: 'io.k8s.api.policy.v1', gvk: { group: 'policy', version: 'v1', kind: 'Eviction' } },
  AuthenticationV1TokenRequest: {
    prefix: 'io.k8s.api.authentication.v1',
    gvk: { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest' },
  },
  V1DeleteOptions: {
    prefix: 'io.k8s.apimachinery.pkg.apis.meta.v1',
    gvk: { group: '', version: 'v1', kind: 'DeleteOptions' },
  },
  V1Status: {
    prefix: 'io.k8s.apimachinery.pkg.apis.meta.v1',
    gvk: { group: '', version: 'v1', kind: 'Status' },
  },
};

export const META_PREFIX = 'io.k8s.apimachinery.pkg.apis.meta.v1';

/** Models of the group-less `meta` package. */
export const META_MODELS = new Set(
  `V1Condition V1DeleteOptions V1FieldSelectorRequirement V1LabelSelector V1LabelSelectorRequirement V1ListMeta
   V1ManagedFieldsEntry V1ObjectMeta V1OwnerReference V1Preconditions V1ShardInfo V1Status V1StatusCause V1StatusDetails`.split(
    /\s+/,
  ),
);

/** Models whose first user is not in their own package. */
export const STRAY_MODELS: Record<string, string> = {
  V1TopologySelectorTerm: 'io.k8s.api.core.v1',
  V1TopologySelectorLabelRequirement: 'io.k8s.api.core.v1',
};
