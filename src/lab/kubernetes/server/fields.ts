import type { KindInfo, KubeObject } from '../schema/types.ts';
import { badRequest, qualified } from './status.ts';

/** Fields that selectors may name beside metadata.name and metadata.namespace; as upstream's registries. */
const FIELDS: Record<string, readonly string[]> = {
  pods: [
    'spec.nodeName',
    'spec.restartPolicy',
    'spec.schedulerName',
    'spec.serviceAccountName',
    'spec.hostNetwork',
    'status.phase',
    'status.podIP',
    'status.nominatedNodeName',
  ],
  nodes: ['spec.unschedulable'],
  namespaces: ['status.phase'],
  secrets: ['type'],
  replicationcontrollers: ['status.replicas'],
  'replicasets.apps': ['status.replicas'],
  'jobs.batch': ['status.successful'],
  services: ['spec.clusterIP', 'spec.type'],
  events: [
    'involvedObject.kind',
    'involvedObject.namespace',
    'involvedObject.name',
    'involvedObject.uid',
    'involvedObject.apiVersion',
    'involvedObject.resourceVersion',
    'involvedObject.fieldPath',
    'reason',
    'reportingComponent',
    'source',
    'type',
  ],
  'events.events.k8s.io': [
    'regarding.kind',
    'regarding.namespace',
    'regarding.name',
    'regarding.uid',
    'regarding.apiVersion',
    'regarding.resourceVersion',
    'regarding.fieldPath',
    'reason',
    'reportingController',
    'type',
  ],
  'certificatesigningrequests.certificates.k8s.io': ['spec.signerName'],
};

/** Fields that are false or 0, not empty, when they are missing. */
const ABSENT: Record<string, string> = {
  'spec.unschedulable': 'false',
  'spec.hostNetwork': 'false',
  'status.replicas': '0',
  'status.successful': '0',
};

/** @throws StatusError 400 `field label not supported: …` */
export function checkField(kind: KindInfo, field: string): void {
  if (field === 'metadata.name' || (field === 'metadata.namespace' && kind.namespaced)) return;
  if (FIELDS[qualified(kind)]?.includes(field)) return;
  if (kind.selectableFields?.some((path) => path.replace(/^\./, '') === field)) return;
  throw badRequest(
    kind.builtin
      ? `field label not supported: ${field}`
      : `field label not supported: ${field}; a CustomResourceDefinition lists those that are in selectableFields`,
  );
}

/** The field's value as text; what is missing is empty. */
export function fieldOf(object: KubeObject, field: string): string {
  let value: unknown = object;
  for (const part of field.split('.')) {
    if (typeof value !== 'object' || value === null) return ABSENT[field] ?? '';
    value = (value as Record<string, unknown>)[part];
  }
  if (field === 'source') return (object as { source?: { component?: string } }).source?.component ?? '';
  if (field === 'status.successful')
    return String((object as { status?: { succeeded?: number } }).status?.succeeded ?? 0);
  if (value === undefined || value === null) return ABSENT[field] ?? '';
  return String(value);
}
