// Whether an object makes sense, beyond its types: upstream's rules for built-in kinds, in its words and with its paths.
import type { FieldError, KubeObject } from '../schema/types.ts';
import * as cluster from './cluster.ts';
import * as data from './data.ts';
import { checkIngress } from './ingress.ts';
import { checkMetadata } from './metadata.ts';
import * as network from './network.ts';
import * as pods from './pods.ts';
import { Report } from './report.ts';
import * as services from './services.ts';
import * as workloads from './workloads.ts';

interface Rules {
  check(report: Report, object: never): void;
  /** What may not change. */
  update?(report: Report, object: never, old: never): void;
  /** An update may change so little that `update` says all of it. */
  settled?: true;
}

const RULES: Record<string, Rules> = {
  '/Pod': { check: pods.checkPod, update: pods.checkPodUpdate, settled: true },
  '/Node': { check: cluster.checkNode, update: cluster.checkNodeUpdate },
  '/Service': { check: services.checkService, update: services.checkServiceUpdate },
  '/Event': { check: data.checkEvent },
  'events.k8s.io/Event': { check: data.checkEvent },
  '/ConfigMap': { check: data.checkConfigMap, update: data.checkDataUpdate },
  '/Secret': { check: data.checkSecret, update: data.checkDataUpdate },
  '/Endpoints': { check: network.checkEndpoints },
  '/PersistentVolume': { check: cluster.checkVolume },
  '/PersistentVolumeClaim': { check: cluster.checkClaim, update: cluster.checkClaimUpdate },
  '/ReplicationController': { check: workloads.checkReplicationController },
  '/ResourceQuota': { check: cluster.checkQuota },
  '/LimitRange': { check: cluster.checkLimitRange },
  '/PodTemplate': { check: pods.checkPodTemplate },
  'apps/ControllerRevision': { check: cluster.checkRevision, update: cluster.checkRevisionUpdate },
  'networking.k8s.io/IngressClass': {
    check: cluster.checkIngressClass,
    update: cluster.checkIngressClassUpdate,
  },
  'apps/Deployment': { check: workloads.checkDeployment, update: workloads.checkSelectorUpdate },
  'apps/ReplicaSet': { check: workloads.checkReplicaSet, update: workloads.checkSelectorUpdate },
  'apps/DaemonSet': { check: workloads.checkDaemonSet, update: workloads.checkSelectorUpdate },
  'apps/StatefulSet': { check: workloads.checkStatefulSet, update: workloads.checkStatefulSetUpdate },
  'batch/Job': { check: workloads.checkJob, update: workloads.checkJobUpdate },
  'batch/CronJob': { check: workloads.checkCronJob },
  'policy/PodDisruptionBudget': { check: workloads.checkDisruptionBudget },
  'networking.k8s.io/NetworkPolicy': { check: network.checkNetworkPolicy },
  'networking.k8s.io/Ingress': { check: checkIngress },
  'discovery.k8s.io/EndpointSlice': {
    check: network.checkEndpointSlice,
    update: network.checkEndpointSliceUpdate,
  },
  'coordination.k8s.io/Lease': { check: cluster.checkLease },
  'rbac.authorization.k8s.io/Role': { check: cluster.checkRole },
  'rbac.authorization.k8s.io/ClusterRole': { check: cluster.checkRole },
  'rbac.authorization.k8s.io/RoleBinding': {
    check: cluster.checkBinding,
    update: cluster.checkBindingUpdate,
  },
  'rbac.authorization.k8s.io/ClusterRoleBinding': {
    check: cluster.checkBinding,
    update: cluster.checkBindingUpdate,
  },
  'storage.k8s.io/StorageClass': {
    check: cluster.checkStorageClass,
    update: cluster.checkStorageClassUpdate,
  },
  'scheduling.k8s.io/PriorityClass': {
    check: cluster.checkPriorityClass,
    update: cluster.checkPriorityClassUpdate,
  },
  'autoscaling/HorizontalPodAutoscaler': { check: cluster.checkAutoscaler },
};

interface Kind {
  group: string;
  kind: string;
  builtin: boolean;
}

/** Metadata alone for custom kinds: their schema says the rest. */
function rulesOf(kind: Kind): Rules | undefined {
  const key = `${kind.group}/${kind.kind}`;
  return kind.builtin && Object.hasOwn(RULES, key) ? RULES[key] : undefined;
}

/** What is wrong with a new object, which has its defaults; empty when nothing is. */
export function validateCreate(kind: Kind, object: KubeObject): FieldError[] {
  const report = new Report();
  checkMetadata(report, kind, object);
  rulesOf(kind)?.check(report, object as never);
  return report.errors;
}

/** What is wrong with an object in the place of an old one. What did not change and was wrong before is let be. */
export function validateUpdate(kind: Kind, object: KubeObject, old: KubeObject): FieldError[] {
  const report = new Report();
  checkMetadata(report, kind, object);
  const rules = rulesOf(kind);
  if (rules && !rules.settled) rules.check(report, object as never);
  rules?.update?.(report, object as never, old as never);
  return report.errors.length ? withoutOld(report.errors, kind, old) : [];
}

/** An object that was stored with an error must still be deletable, labelled and mended: only new errors count. */
function withoutOld(errors: FieldError[], kind: Kind, old: KubeObject): FieldError[] {
  const before = new Report();
  checkMetadata(before, kind, old);
  rulesOf(kind)?.check(before, old as never);
  const known = new Set(before.errors.map(({ field, message }) => `${field} ${message}`));
  return errors.filter(({ field, message }) => !known.has(`${field} ${message}`));
}

export type { Decoded, FieldValidation } from './decode.ts';
export { decodeObject, decodeValue } from './decode.ts';
