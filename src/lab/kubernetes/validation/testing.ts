import { applyDefaults } from '../defaults/index.ts';
import { SchemaRegistry } from '../schema/registry.ts';
import type { KindInfo, KubeObject } from '../schema/types.ts';
import { validateCreate, validateUpdate } from './index.ts';

export const registry = SchemaRegistry.load();
const GROUPS: Record<string, string> = {
  Deployment: 'apps',
  DaemonSet: 'apps',
  StatefulSet: 'apps',
  Job: 'batch',
  CronJob: 'batch',
  NetworkPolicy: 'networking.k8s.io',
  Ingress: 'networking.k8s.io',
  IngressClass: 'networking.k8s.io',
  ControllerRevision: 'apps',
  Role: 'rbac.authorization.k8s.io',
  RoleBinding: 'rbac.authorization.k8s.io',
  EndpointSlice: 'discovery.k8s.io',
  PodDisruptionBudget: 'policy',
  PriorityClass: 'scheduling.k8s.io',
};
const kindOf = (kind: string) =>
  registry.byKind({ group: GROUPS[kind] ?? '', version: 'v1', kind }) as KindInfo;

function prepared(kind: string, object: object): KubeObject {
  const { metadata, ...rest } = object as KubeObject;
  const copy = structuredClone({
    metadata: { name: 'x', namespace: 'd', uid: 'u', ...metadata },
    ...rest,
  }) as KubeObject;
  applyDefaults(kindOf(kind), copy);
  return copy;
}
/** What creating it would be refused for: `field: message`. */
export const create = (kind: string, object: object): string[] =>
  validateCreate(kindOf(kind), prepared(kind, object)).map(({ field, message }) => `${field}: ${message}`);
/** What putting it in the place of the old one would be refused for. */
export const update = (kind: string, object: object, old: object): string[] =>
  validateUpdate(kindOf(kind), prepared(kind, object), prepared(kind, old)).map(
    ({ field, message }) => `${field}: ${message}`,
  );

export const C = { name: 'c', image: 'i' };
export const pod = (container: object = {}, spec: object = {}) => ({
  spec: { containers: [{ ...C, ...container }], ...spec },
});
export const template = (spec: object = {}) => ({
  metadata: { labels: { a: 'b' } },
  spec: { containers: [C], ...spec },
});
export const owner = (more: object = {}) => ({
  spec: { selector: { matchLabels: { a: 'b' } }, template: template(), ...more },
});
export const LABEL =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
export const SUBDOMAIN =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
