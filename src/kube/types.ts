import type {
  AuthenticationV1TokenRequest,
  CoreV1Event,
  DiscoveryV1EndpointPort,
  V1Affinity,
  V1APIService,
  V1ClusterRole,
  V1ClusterRoleBinding,
  V1Condition,
  V1ConfigMap,
  V1Container,
  V1ContainerPort,
  V1ContainerState,
  V1ContainerStatus,
  V1ControllerRevision,
  V1CronJob,
  V1CSINode,
  V1CustomResourceDefinition,
  V1DaemonSet,
  V1DeleteOptions,
  V1Deployment,
  V1Endpoint,
  V1EndpointSlice,
  V1Endpoints,
  V1EnvVar,
  V1Eviction,
  V1HorizontalPodAutoscaler,
  V1Ingress,
  V1IngressClass,
  V1Job,
  V1LabelSelector,
  V1Lease,
  V1LimitRange,
  V1ManagedFieldsEntry,
  V1Namespace,
  V1NetworkPolicy,
  V1Node,
  V1NodeAddress,
  V1NodeCondition,
  V1NodeSelector,
  V1NodeSelectorTerm,
  V1ObjectMeta,
  V1ObjectReference,
  V1OwnerReference,
  V1PersistentVolume,
  V1PersistentVolumeClaim,
  V1Pod,
  V1PodCondition,
  V1PodDisruptionBudget,
  V1PodSpec,
  V1PodStatus,
  V1PodTemplateSpec,
  V1PolicyRule,
  V1PriorityClass,
  V1Probe,
  V1ReplicaSet,
  V1ReplicationController,
  V1ResourceQuota,
  V1ResourceRequirements,
  V1Role,
  V1RoleBinding,
  V1RuntimeClass,
  V1Scale,
  V1Secret,
  V1SecurityContext,
  V1SelfSubjectAccessReview,
  V1Service,
  V1ServiceAccount,
  V1ServicePort,
  V1StatefulSet,
  V1StorageClass,
  V1SubjectAccessReview,
  V1Taint,
  V1TokenReview,
  V1Toleration,
  V1TopologySpreadConstraint,
  V1Volume,
  V1VolumeMount,
} from '@kubernetes/client-node';

/** The generated classes rename a few fields that are keywords, and write `-` as `_`. */
type WireName<K> = K extends '_continue' | '_default' | '_enum' | '_from' | '_int' | '_not'
  ? K extends `_${infer Name}`
    ? Name
    : never
  : K extends `x_kubernetes_${string}`
    ? Dashed<K>
    : K;
type Dashed<K extends string> = K extends `${infer Head}_${infer Tail}` ? `${Head}-${Dashed<Tail>}` : K;

/**
 * A model of the official client (Kubernetes 1.36) as it stands in JSON: times are texts, fields have their names on
 * the wire. Types only; nothing of that package is there at run time.
 */
export type Wire<T> = 0 extends 1 & T
  ? T
  : T extends Date
    ? string
    : T extends readonly (infer Item)[]
      ? Wire<Item>[]
      : T extends object
        ? { [K in keyof T as WireName<K>]: Wire<T[K]> }
        : T;

export type ObjectMeta = Wire<V1ObjectMeta>;
export type OwnerReference = Wire<V1OwnerReference>;
export type ObjectReference = Wire<V1ObjectReference>;
export type ManagedFieldsEntry = Wire<V1ManagedFieldsEntry>;
export type LabelSelector = Wire<V1LabelSelector>;
export type Condition = Wire<V1Condition>;
export type DeleteOptions = Wire<V1DeleteOptions>;

/** Metadata of a list. */
export interface ListMeta {
  /** Of the whole list: where a watch that follows it starts. */
  readonly resourceVersion?: string;
  /** Asks for the next page. */
  readonly continue?: string;
  readonly remainingItemCount?: number;
}

/** What every object has. */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
}

/** The answer of an API server that is no object: a refusal, or what a deletion did. */
export interface Status {
  apiVersion?: string;
  kind?: 'Status';
  metadata?: ListMeta;
  status?: 'Success' | 'Failure';
  message?: string;
  reason?: string;
  details?: StatusDetails;
  code?: number;
}

export interface StatusDetails {
  name?: string;
  group?: string;
  kind?: string;
  uid?: string;
  causes?: { reason?: string; message?: string; field?: string }[];
  retryAfterSeconds?: number;
}

// core/v1
export type Pod = Wire<V1Pod>;
export type PodSpec = Wire<V1PodSpec>;
export type PodStatus = Wire<V1PodStatus>;
export type PodCondition = Wire<V1PodCondition>;
export type PodTemplateSpec = Wire<V1PodTemplateSpec>;
export type Container = Wire<V1Container>;
export type ContainerPort = Wire<V1ContainerPort>;
export type ContainerStatus = Wire<V1ContainerStatus>;
export type ContainerState = Wire<V1ContainerState>;
export type EnvVar = Wire<V1EnvVar>;
export type Probe = Wire<V1Probe>;
export type ResourceRequirements = Wire<V1ResourceRequirements>;
export type SecurityContext = Wire<V1SecurityContext>;
export type Volume = Wire<V1Volume>;
export type VolumeMount = Wire<V1VolumeMount>;
export type Affinity = Wire<V1Affinity>;
export type NodeSelector = Wire<V1NodeSelector>;
export type NodeSelectorTerm = Wire<V1NodeSelectorTerm>;
export type Toleration = Wire<V1Toleration>;
export type Taint = Wire<V1Taint>;
export type TopologySpreadConstraint = Wire<V1TopologySpreadConstraint>;
export type Node = Wire<V1Node>;
export type NodeCondition = Wire<V1NodeCondition>;
export type NodeAddress = Wire<V1NodeAddress>;
export type Namespace = Wire<V1Namespace>;
export type ConfigMap = Wire<V1ConfigMap>;
export type Secret = Wire<V1Secret>;
export type Service = Wire<V1Service>;
export type ServicePort = Wire<V1ServicePort>;
export type ServiceAccount = Wire<V1ServiceAccount>;
export type Event = Wire<CoreV1Event>;
export type Endpoints = Wire<V1Endpoints>;
export type PersistentVolume = Wire<V1PersistentVolume>;
export type PersistentVolumeClaim = Wire<V1PersistentVolumeClaim>;
export type ReplicationController = Wire<V1ReplicationController>;
export type ResourceQuota = Wire<V1ResourceQuota>;
export type LimitRange = Wire<V1LimitRange>;

// other groups
export type Deployment = Wire<V1Deployment>;
export type ReplicaSet = Wire<V1ReplicaSet>;
export type DaemonSet = Wire<V1DaemonSet>;
export type StatefulSet = Wire<V1StatefulSet>;
export type ControllerRevision = Wire<V1ControllerRevision>;
export type Scale = Wire<V1Scale>;
export type Job = Wire<V1Job>;
export type CronJob = Wire<V1CronJob>;
export type HorizontalPodAutoscaler = Wire<V1HorizontalPodAutoscaler>;
export type Lease = Wire<V1Lease>;
export type EndpointSlice = Wire<V1EndpointSlice>;
export type Endpoint = Wire<V1Endpoint>;
export type EndpointPort = Wire<DiscoveryV1EndpointPort>;
export type NetworkPolicy = Wire<V1NetworkPolicy>;
export type Ingress = Wire<V1Ingress>;
export type IngressClass = Wire<V1IngressClass>;
export type PodDisruptionBudget = Wire<V1PodDisruptionBudget>;
export type Eviction = Wire<V1Eviction>;
export type Role = Wire<V1Role>;
export type RoleBinding = Wire<V1RoleBinding>;
export type ClusterRole = Wire<V1ClusterRole>;
export type ClusterRoleBinding = Wire<V1ClusterRoleBinding>;
export type PolicyRule = Wire<V1PolicyRule>;
export type PriorityClass = Wire<V1PriorityClass>;
export type RuntimeClass = Wire<V1RuntimeClass>;
export type StorageClass = Wire<V1StorageClass>;
export type CsiNode = Wire<V1CSINode>;
export type ApiService = Wire<V1APIService>;
export type CustomResourceDefinition = Wire<V1CustomResourceDefinition>;
export type TokenRequest = Wire<AuthenticationV1TokenRequest>;
export type TokenReview = Wire<V1TokenReview>;
export type SubjectAccessReview = Wire<V1SubjectAccessReview>;
export type SelfSubjectAccessReview = Wire<V1SelfSubjectAccessReview>;
