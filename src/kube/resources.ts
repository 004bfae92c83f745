import type {
  ApiService,
  ClusterRole,
  ClusterRoleBinding,
  ConfigMap,
  ControllerRevision,
  CronJob,
  CsiNode,
  CustomResourceDefinition,
  DaemonSet,
  Deployment,
  EndpointSlice,
  Endpoints,
  Event,
  HorizontalPodAutoscaler,
  Ingress,
  IngressClass,
  Job,
  KubeObject,
  Lease,
  LimitRange,
  Namespace,
  NetworkPolicy,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  PodDisruptionBudget,
  PriorityClass,
  ReplicaSet,
  ReplicationController,
  ResourceQuota,
  Role,
  RoleBinding,
  RuntimeClass,
  Secret,
  SelfSubjectAccessReview,
  Service,
  ServiceAccount,
  StatefulSet,
  StorageClass,
  SubjectAccessReview,
  TokenReview,
} from './types.ts';

declare const model: unique symbol;

/** Where objects of one kind live in the API. `T`, the objects' type, is known to the compiler only. */
export interface ResourceType<T = KubeObject> {
  /** Empty for core. */
  readonly group: string;
  readonly version: string;
  /** As in paths: `pods`. */
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly [model]?: T;
}

/** A resource of any group, custom ones too. */
export function resourceType<T = KubeObject>(
  group: string,
  version: string,
  plural: string,
  kind: string,
  namespaced = true,
): ResourceType<T> {
  return { group, version, plural, kind, namespaced };
}

/** `v1`, `apps/v1`: what stands in `apiVersion`. */
export function apiVersionOf(type: Pick<ResourceType, 'group' | 'version'>): string {
  return type.group === '' ? type.version : `${type.group}/${type.version}`;
}

/** `/api/v1/namespaces/default/pods/web`. Without a name the collection, without a namespace that of all. */
export function pathOf(
  type: ResourceType<unknown>,
  at: { readonly namespace?: string; readonly name?: string; readonly subresource?: string } = {},
): string {
  const { namespace, name, subresource } = at;
  if (name !== undefined && type.namespaced && !namespace)
    throw new TypeError(`${type.kind} ${name}: namespace is missing, and ${type.plural} live in namespaces`);
  const parts = [type.group === '' ? `/api/${type.version}` : `/apis/${type.group}/${type.version}`];
  if (namespace && type.namespaced) parts.push('namespaces', segment(namespace, 'namespace'));
  parts.push(type.plural);
  if (name !== undefined) parts.push(segment(name, 'name'));
  if (subresource) parts.push(subresource);
  return parts.join('/');
}

/** One part of a path. Kubernetes itself refuses `.`, `..`, `/` and `%` in every name. */
function segment(text: string, field: string): string {
  if (text === '' || text === '.' || text === '..' || /[/%]/.test(text))
    throw new TypeError(`${field} '${text.slice(0, 80)}' cannot be part of a path; use an object's name`);
  return encodeURIComponent(text);
}

const core = <T>(plural: string, kind: string, namespaced = true) =>
  resourceType<T>('', 'v1', plural, kind, namespaced);
const apps = <T>(plural: string, kind: string) => resourceType<T>('apps', 'v1', plural, kind);
const networking = <T>(plural: string, kind: string, namespaced = true) =>
  resourceType<T>('networking.k8s.io', 'v1', plural, kind, namespaced);
const rbac = <T>(plural: string, kind: string, namespaced: boolean) =>
  resourceType<T>('rbac.authorization.k8s.io', 'v1', plural, kind, namespaced);

export const PODS = core<Pod>('pods', 'Pod');
export const NODES = core<Node>('nodes', 'Node', false);
export const NAMESPACES = core<Namespace>('namespaces', 'Namespace', false);
export const CONFIG_MAPS = core<ConfigMap>('configmaps', 'ConfigMap');
export const SECRETS = core<Secret>('secrets', 'Secret');
export const SERVICES = core<Service>('services', 'Service');
export const SERVICE_ACCOUNTS = core<ServiceAccount>('serviceaccounts', 'ServiceAccount');
export const EVENTS = core<Event>('events', 'Event');
export const ENDPOINTS = core<Endpoints>('endpoints', 'Endpoints');
export const PERSISTENT_VOLUMES = core<PersistentVolume>('persistentvolumes', 'PersistentVolume', false);
export const PERSISTENT_VOLUME_CLAIMS = core<PersistentVolumeClaim>(
  'persistentvolumeclaims',
  'PersistentVolumeClaim',
);
export const REPLICATION_CONTROLLERS = core<ReplicationController>(
  'replicationcontrollers',
  'ReplicationController',
);
export const RESOURCE_QUOTAS = core<ResourceQuota>('resourcequotas', 'ResourceQuota');
export const LIMIT_RANGES = core<LimitRange>('limitranges', 'LimitRange');

export const DEPLOYMENTS = apps<Deployment>('deployments', 'Deployment');
export const REPLICA_SETS = apps<ReplicaSet>('replicasets', 'ReplicaSet');
export const DAEMON_SETS = apps<DaemonSet>('daemonsets', 'DaemonSet');
export const STATEFUL_SETS = apps<StatefulSet>('statefulsets', 'StatefulSet');
export const CONTROLLER_REVISIONS = apps<ControllerRevision>('controllerrevisions', 'ControllerRevision');
export const JOBS = resourceType<Job>('batch', 'v1', 'jobs', 'Job');
export const CRON_JOBS = resourceType<CronJob>('batch', 'v1', 'cronjobs', 'CronJob');
export const HORIZONTAL_POD_AUTOSCALERS = resourceType<HorizontalPodAutoscaler>(
  'autoscaling',
  'v2',
  'horizontalpodautoscalers',
  'HorizontalPodAutoscaler',
);
export const LEASES = resourceType<Lease>('coordination.k8s.io', 'v1', 'leases', 'Lease');
export const ENDPOINT_SLICES = resourceType<EndpointSlice>(
  'discovery.k8s.io',
  'v1',
  'endpointslices',
  'EndpointSlice',
);
export const NETWORK_POLICIES = networking<NetworkPolicy>('networkpolicies', 'NetworkPolicy');
export const INGRESSES = networking<Ingress>('ingresses', 'Ingress');
export const INGRESS_CLASSES = networking<IngressClass>('ingressclasses', 'IngressClass', false);
export const POD_DISRUPTION_BUDGETS = resourceType<PodDisruptionBudget>(
  'policy',
  'v1',
  'poddisruptionbudgets',
  'PodDisruptionBudget',
);
export const ROLES = rbac<Role>('roles', 'Role', true);
export const ROLE_BINDINGS = rbac<RoleBinding>('rolebindings', 'RoleBinding', true);
export const CLUSTER_ROLES = rbac<ClusterRole>('clusterroles', 'ClusterRole', false);
export const CLUSTER_ROLE_BINDINGS = rbac<ClusterRoleBinding>(
  'clusterrolebindings',
  'ClusterRoleBinding',
  false,
);
export const PRIORITY_CLASSES = resourceType<PriorityClass>(
  'scheduling.k8s.io',
  'v1',
  'priorityclasses',
  'PriorityClass',
  false,
);
export const RUNTIME_CLASSES = resourceType<RuntimeClass>(
  'node.k8s.io',
  'v1',
  'runtimeclasses',
  'RuntimeClass',
  false,
);
export const STORAGE_CLASSES = resourceType<StorageClass>(
  'storage.k8s.io',
  'v1',
  'storageclasses',
  'StorageClass',
  false,
);
export const CSI_NODES = resourceType<CsiNode>('storage.k8s.io', 'v1', 'csinodes', 'CSINode', false);
export const API_SERVICES = resourceType<ApiService>(
  'apiregistration.k8s.io',
  'v1',
  'apiservices',
  'APIService',
  false,
);
export const CUSTOM_RESOURCE_DEFINITIONS = resourceType<CustomResourceDefinition>(
  'apiextensions.k8s.io',
  'v1',
  'customresourcedefinitions',
  'CustomResourceDefinition',
  false,
);
export const TOKEN_REVIEWS = resourceType<TokenReview>(
  'authentication.k8s.io',
  'v1',
  'tokenreviews',
  'TokenReview',
  false,
);
export const SUBJECT_ACCESS_REVIEWS = resourceType<SubjectAccessReview>(
  'authorization.k8s.io',
  'v1',
  'subjectaccessreviews',
  'SubjectAccessReview',
  false,
);
export const SELF_SUBJECT_ACCESS_REVIEWS = resourceType<SelfSubjectAccessReview>(
  'authorization.k8s.io',
  'v1',
  'selfsubjectaccessreviews',
  'SelfSubjectAccessReview',
  false,
);
