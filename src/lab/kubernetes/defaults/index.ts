// Defaults of built-in kinds, as upstream's versioned defaulting and the parts of its registry that depend on nothing but the object.
import type { KubeObject } from '../schema/types.ts';
import * as cluster from './cluster.ts';
import * as network from './network.ts';
import * as workloads from './workloads.ts';

type Defaulter = (object: KubeObject) => void;

/** Each function knows its own kind; the table is where that is promised. */
const as = <T>(defaulter: (object: T) => void): Defaulter => defaulter as unknown as Defaulter;

const DEFAULTERS: Record<string, Defaulter> = {
  '/Pod': as(workloads.podDefaults),
  '/PodTemplate': (object) => workloads.templateDefaults(object.template as never),
  '/ReplicationController': as(workloads.replicationControllerDefaults),
  '/Service': as(network.serviceDefaults),
  '/Endpoints': as(network.endpointsDefaults),
  '/Namespace': as(cluster.namespaceDefaults),
  '/Node': as(cluster.nodeDefaults),
  '/Secret': as(cluster.secretDefaults),
  '/PersistentVolume': as(cluster.volumeDefaults),
  '/PersistentVolumeClaim': as(workloads.claimDefaults),
  '/LimitRange': as(cluster.limitRangeDefaults),
  'apps/Deployment': as(workloads.deploymentDefaults),
  'apps/ReplicaSet': as(workloads.replicaSetDefaults),
  'apps/DaemonSet': as(workloads.daemonSetDefaults),
  'apps/StatefulSet': as(workloads.statefulSetDefaults),
  'batch/Job': as(workloads.jobDefaults),
  'batch/CronJob': as(workloads.cronJobDefaults),
  'networking.k8s.io/NetworkPolicy': as(network.networkPolicyDefaults),
  'discovery.k8s.io/EndpointSlice': as(network.endpointSliceDefaults),
  'rbac.authorization.k8s.io/RoleBinding': as(cluster.bindingDefaults),
  'rbac.authorization.k8s.io/ClusterRoleBinding': as(cluster.bindingDefaults),
  'autoscaling/HorizontalPodAutoscaler': as(cluster.autoscalerDefaults),
  'storage.k8s.io/StorageClass': as(cluster.storageClassDefaults),
  'scheduling.k8s.io/PriorityClass': as(cluster.priorityClassDefaults),
};

/**
 * Fills in what upstream would, in place; doing it again changes nothing. For an object that was decoded without errors.
 * A job gets its selector once `metadata.uid` is set. CRDs and their kinds have a room of their own and stay as they are.
 */
export function applyDefaults(kind: { group: string; kind: string }, object: KubeObject): void {
  const key = `${kind.group}/${kind.kind}`;
  if (Object.hasOwn(DEFAULTERS, key)) DEFAULTERS[key]?.(object);
}

export { generateJobSelector } from './workloads.ts';
