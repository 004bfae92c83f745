import { labelValueErrors, qualifiedNameErrors } from '../../../kube/selector.ts';
import type { KubeObject, OwnerReference } from '../schema/types.ts';
import { dns1035Label, dnsLabel, dnsSubdomain, pathSegment } from './names.ts';
import type { Report } from './report.ts';

const MAX_ANNOTATIONS = 256 * 1024;

const NAMES: Record<string, (name: string) => string[]> = {
  '/Namespace': dnsLabel,
  '/Service': dns1035Label,
  '/Event': pathSegment,
  'events.k8s.io/Event': pathSegment,
  'rbac.authorization.k8s.io/Role': pathSegment,
  'rbac.authorization.k8s.io/ClusterRole': pathSegment,
  'rbac.authorization.k8s.io/RoleBinding': pathSegment,
  'rbac.authorization.k8s.io/ClusterRoleBinding': pathSegment,
};

/** Keys and values of labels. */
export function checkLabels(report: Report, field: string, labels: Record<string, string> | undefined): void {
  for (const [key, value] of Object.entries(labels ?? {})) {
    report.all(field, key, qualifiedNameErrors(key));
    report.all(field, value, labelValueErrors(value));
  }
}

function checkAnnotations(
  report: Report,
  field: string,
  annotations: Record<string, string> | undefined,
): void {
  let size = 0;
  for (const [key, value] of Object.entries(annotations ?? {})) {
    report.all(field, key, qualifiedNameErrors(key.toLowerCase()));
    size += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (size > MAX_ANNOTATIONS) report.tooLong(field, MAX_ANNOTATIONS);
}

function checkOwners(report: Report, field: string, owners: OwnerReference[] | undefined): void {
  let controller: string | undefined;
  for (const [index, owner] of (owners ?? []).entries()) {
    const at = `${field}[${index}]`;
    if (!owner.apiVersion) report.invalid(`${at}.apiVersion`, owner.apiVersion, 'version must not be empty');
    if (!owner.kind) report.invalid(`${at}.kind`, owner.kind ?? '', 'must not be empty');
    if (!owner.name) report.invalid(`${at}.name`, owner.name ?? '', 'must not be empty');
    if (!owner.uid) report.invalid(`${at}.uid`, owner.uid ?? '', 'must not be empty');
    if (!owner.controller) continue;
    if (controller !== undefined)
      report.invalid(
        field,
        owners,
        `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${owner.kind}/${owner.name}`,
      );
    controller = `${owner.kind}/${owner.name}`;
  }
}

/** Labels and annotations alone, of a template. */
export function checkTemplateMetadata(report: Report, field: string, metadata: KubeObject['metadata']): void {
  checkLabels(report, `${field}.labels`, metadata?.labels);
  checkAnnotations(report, `${field}.annotations`, metadata?.annotations);
}

/** The metadata of any object, of custom kinds too. */
export function checkMetadata(
  report: Report,
  kind: { group: string; kind: string },
  { metadata = {} }: KubeObject,
): void {
  const nameRule = NAMES[`${kind.group}/${kind.kind}`] ?? dnsSubdomain;
  const { name, generateName, finalizers } = metadata;
  if (generateName)
    report.all('metadata.generateName', generateName, nameRule(`${generateName.replace(/[-.]+$/, '')}0`));
  if (name) report.all('metadata.name', name, nameRule(name));
  else if (!generateName) report.required('metadata.name', 'name or generateName is required');
  checkTemplateMetadata(report, 'metadata', metadata);
  checkOwners(report, 'metadata.ownerReferences', metadata.ownerReferences);
  for (const finalizer of finalizers ?? [])
    report.all('metadata.finalizers', finalizer, qualifiedNameErrors(finalizer));
}
