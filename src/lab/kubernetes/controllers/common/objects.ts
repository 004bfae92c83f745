// The objects that controllers and scheduler read, as the API server sends them, and the resources they come from.
// Every object out of an informer went through `live`, so metadata, spec and status are there.
import type * as k from '@kubernetes/client-node';
import { type ResourceType, resourceType } from '../../../../kube/resources.ts';
import type { Wire } from '../../../../kube/types.ts';

export type ObjectMeta = Wire<k.V1ObjectMeta>;
export type OwnerReference = Wire<k.V1OwnerReference>;
export type LabelSelector = Wire<k.V1LabelSelector>;

/** Metadata of an object that is stored. `namespace` is '' for cluster-scoped objects. */
export type LiveMeta = Omit<
  ObjectMeta,
  'name' | 'namespace' | 'uid' | 'resourceVersion' | 'creationTimestamp' | 'generation'
> & {
  name: string;
  namespace: string;
  uid: string;
  resourceVersion: string;
  creationTimestamp: string;
  generation: number;
};

type Part<T, K extends string> = T extends { [P in K]?: infer V } ? { [P in K]: NonNullable<V> } : unknown;

/** A stored object: what the API server fills in is not optional any more. */
export type Live<T> = Omit<T, 'metadata' | 'spec' | 'status'> & { metadata: LiveMeta } & Part<T, 'spec'> &
  Part<T, 'status'>;

export type AnyObject = Live<{ apiVersion?: string; kind?: string; spec?: object; status?: object }>;
/** What owner and event code needs of an object. */
export type Owned = { metadata: LiveMeta };

export type PodSpec = Wire<k.V1PodSpec>;
export type PodTemplate = Wire<k.V1PodTemplateSpec>;
export type PodStatus = Wire<k.V1PodStatus>;
export type PodCondition = Wire<k.V1PodCondition>;
export type Toleration = Wire<k.V1Toleration>;
export type Taint = Wire<k.V1Taint>;
export type NodeSelectorTerm = Wire<k.V1NodeSelectorTerm>;
export type PodAffinityTerm = Wire<k.V1PodAffinityTerm>;
export type TopologySpreadConstraint = Wire<k.V1TopologySpreadConstraint>;
export type NewPod = Wire<k.V1Pod>;
export type Endpoint = Wire<k.V1Endpoint>;
export type EndpointPort = Wire<k.DiscoveryV1EndpointPort>;
export type EndpointSubset = Wire<k.V1EndpointSubset>;
export type NewReplicaSet = Wire<k.V1ReplicaSet>;
export type NewJob = Wire<k.V1Job>;
export type DeploymentStatus = Wire<k.V1DeploymentStatus>;
export type ReplicaSetStatus = Wire<k.V1ReplicaSetStatus>;
export type DaemonSetStatus = Wire<k.V1DaemonSetStatus>;
export type StatefulSetStatus = Wire<k.V1StatefulSetStatus>;
export type JobStatus = Wire<k.V1JobStatus>;
export type PdbStatus = Wire<k.V1PodDisruptionBudgetStatus>;

export type Pod = Live<Wire<k.V1Pod>>;
export type Node = Live<Wire<k.V1Node>>;
export type Namespace = Live<Wire<k.V1Namespace>>;
export type Service = Live<Wire<k.V1Service>>;
export type ServiceAccount = Live<Wire<k.V1ServiceAccount>>;
export type Secret = Live<Wire<k.V1Secret>>;
export type ConfigMap = Live<Wire<k.V1ConfigMap>>;
export type Endpoints = Live<Wire<k.V1Endpoints>>;
export type PersistentVolumeClaim = Live<Wire<k.V1PersistentVolumeClaim>>;
export type EndpointSlice = Live<Wire<k.V1EndpointSlice>>;
export type Deployment = Live<Wire<k.V1Deployment>>;
export type ReplicaSet = Live<Wire<k.V1ReplicaSet>>;
export type DaemonSet = Live<Wire<k.V1DaemonSet>>;
export type StatefulSet = Live<Wire<k.V1StatefulSet>>;
export type ControllerRevision = Live<Wire<k.V1ControllerRevision>>;
export type Job = Live<Wire<k.V1Job>>;
export type CronJob = Live<Wire<k.V1CronJob>>;
export type Lease = Live<Wire<k.V1Lease>>;
export type PodDisruptionBudget = Live<Wire<k.V1PodDisruptionBudget>>;
export type CustomResourceDefinition = Live<Wire<k.V1CustomResourceDefinition>>;

function type<T>(group: string, plural: string, kind: string, namespaced = true): ResourceType<T> {
  return resourceType<T>(group, 'v1', plural, kind, namespaced);
}

export const PODS = type<Pod>('', 'pods', 'Pod');
export const NODES = type<Node>('', 'nodes', 'Node', false);
export const NAMESPACES = type<Namespace>('', 'namespaces', 'Namespace', false);
export const SERVICES = type<Service>('', 'services', 'Service');
export const SERVICE_ACCOUNTS = type<ServiceAccount>('', 'serviceaccounts', 'ServiceAccount');
export const SECRETS = type<Secret>('', 'secrets', 'Secret');
export const CONFIG_MAPS = type<ConfigMap>('', 'configmaps', 'ConfigMap');
export const ENDPOINTS = type<Endpoints>('', 'endpoints', 'Endpoints');
export const PERSISTENT_VOLUME_CLAIMS = type<PersistentVolumeClaim>(
  '',
  'persistentvolumeclaims',
  'PersistentVolumeClaim',
);
export const ENDPOINT_SLICES = type<EndpointSlice>('discovery.k8s.io', 'endpointslices', 'EndpointSlice');
export const DEPLOYMENTS = type<Deployment>('apps', 'deployments', 'Deployment');
export const REPLICA_SETS = type<ReplicaSet>('apps', 'replicasets', 'ReplicaSet');
export const DAEMON_SETS = type<DaemonSet>('apps', 'daemonsets', 'DaemonSet');
export const STATEFUL_SETS = type<StatefulSet>('apps', 'statefulsets', 'StatefulSet');
export const CONTROLLER_REVISIONS = type<ControllerRevision>(
  'apps',
  'controllerrevisions',
  'ControllerRevision',
);
export const JOBS = type<Job>('batch', 'jobs', 'Job');
export const CRON_JOBS = type<CronJob>('batch', 'cronjobs', 'CronJob');
export const LEASES = type<Lease>('coordination.k8s.io', 'leases', 'Lease');
export const PDBS = type<PodDisruptionBudget>('policy', 'poddisruptionbudgets', 'PodDisruptionBudget');
export const CRDS = type<CustomResourceDefinition>(
  'apiextensions.k8s.io',
  'customresourcedefinitions',
  'CustomResourceDefinition',
  false,
);

/**
 * Fills what the API server may leave out of an object, and drops what no controller reads (managedFields are more than half of
 * a pod; an update without them leaves the stored ones alone). Changes the object in place.
 */
export function live<T>(object: unknown): T {
  const o = object as { metadata?: Record<string, unknown>; spec?: object; status?: object };
  o.metadata ??= {};
  delete o.metadata.managedFields;
  o.metadata.namespace ??= '';
  o.metadata.generation ??= 0;
  o.spec ??= {};
  o.status ??= {};
  return o as T;
}

/** `namespace/name`, or `name` when there is no namespace: the key of queues and informers. */
export function keyOf(o: Owned): string {
  return o.metadata.namespace ? `${o.metadata.namespace}/${o.metadata.name}` : o.metadata.name;
}

/** The parts of a key. */
export function splitKey(key: string): { namespace: string; name: string } {
  const slash = key.indexOf('/');
  return slash < 0
    ? { namespace: '', name: key }
    : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}
