// Tables as `kubectl get` shows them, as upstream's printers make them. Ages are text, reckoned when asked.
import type { KindInfo, KubeObject } from '../schema/types.ts';
import type { Printer } from './columns.ts';
import { customPrinter } from './custom.ts';
import * as network from './network.ts';
import { NODE } from './nodes.ts';
import * as objects from './objects.ts';
import { POD } from './pods.ts';
import * as storage from './storage.ts';
import * as workloads from './workloads.ts';

const PRINTERS: Record<string, Printer> = {
  '/Pod': POD,
  '/Node': NODE,
  '/Service': network.SERVICE,
  '/Namespace': objects.NAMESPACE,
  '/ConfigMap': objects.CONFIG_MAP,
  '/Secret': objects.SECRET,
  '/ServiceAccount': objects.SERVICE_ACCOUNT,
  '/Event': objects.EVENT,
  '/Endpoints': network.ENDPOINTS,
  '/PersistentVolume': storage.PERSISTENT_VOLUME,
  '/PersistentVolumeClaim': storage.PERSISTENT_VOLUME_CLAIM,
  '/ReplicationController': workloads.REPLICATION_CONTROLLER,
  '/ResourceQuota': storage.RESOURCE_QUOTA,
  '/PodTemplate': objects.POD_TEMPLATE,
  'apps/Deployment': workloads.DEPLOYMENT,
  'apps/ReplicaSet': workloads.REPLICA_SET,
  'apps/DaemonSet': workloads.DAEMON_SET,
  'apps/StatefulSet': workloads.STATEFUL_SET,
  'apps/ControllerRevision': workloads.CONTROLLER_REVISION,
  'batch/Job': workloads.JOB,
  'batch/CronJob': workloads.CRON_JOB,
  'networking.k8s.io/NetworkPolicy': network.NETWORK_POLICY,
  'networking.k8s.io/Ingress': network.INGRESS,
  'networking.k8s.io/IngressClass': network.INGRESS_CLASS,
  'discovery.k8s.io/EndpointSlice': network.ENDPOINT_SLICE,
  'policy/PodDisruptionBudget': workloads.DISRUPTION_BUDGET,
  'coordination.k8s.io/Lease': objects.LEASE,
  'rbac.authorization.k8s.io/RoleBinding': objects.BINDING,
  'rbac.authorization.k8s.io/ClusterRoleBinding': objects.BINDING,
  'autoscaling/HorizontalPodAutoscaler': workloads.AUTOSCALER,
  'storage.k8s.io/StorageClass': storage.STORAGE_CLASS,
  'scheduling.k8s.io/PriorityClass': storage.PRIORITY_CLASS,
  'events.k8s.io/Event': objects.EVENT,
  'apiregistration.k8s.io/APIService': objects.API_SERVICE,
};

const custom = new WeakMap<KindInfo, Printer>();

function printerOf(kind: KindInfo): Printer {
  if (kind.builtin) return PRINTERS[`${kind.group}/${kind.kind}`] ?? objects.CREATED;
  const known = custom.get(kind) ?? customPrinter(kind);
  custom.set(kind, known);
  return known;
}

export interface TableOptions {
  /** What of the object stands beside its cells: `None`, `Metadata` (the default), `Object`. */
  includeObject?: string;
  now: Date;
}

/** A metav1.Table with a row for each object, wide columns included: kubectl leaves out those of priority 1 itself. */
export function tableOf(
  kind: KindInfo,
  list: readonly KubeObject[],
  { includeObject, now }: TableOptions,
): KubeObject {
  const printer = printerOf(kind);
  const rows = list.map((object) => {
    const conditions = printer.conditions?.(object);
    return {
      cells: printer.cells(object, { now }),
      ...(conditions && { conditions }),
      ...(includeObject !== 'None' && { object: includeObject === 'Object' ? object : metadataOf(object) }),
    };
  });
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: {},
    columnDefinitions: printer.columns,
    rows,
  };
}

function metadataOf({ metadata }: KubeObject): KubeObject {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: metadata ?? {} };
}
