// What a CustomResourceDefinition must be, in upstream's words.

import type { FieldError } from '../schema/types.ts';
import { checkCrdSchema } from './crd-schema-check.ts';
import { forbiddenField, invalidField, requiredField, unsupportedField } from './field-error.ts';
import { type Crd, type CrdVersion, isTrue } from './types.ts';

const LABEL = /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/;
const LABEL_RULE =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const SUBDOMAIN_RULE =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const COLUMN_TYPES = ['boolean', 'date', 'integer', 'number', 'string'];
const APPROVAL = 'api-approved.kubernetes.io';

export function checkCrd(crd: Crd): FieldError[] {
  const { group = '', scope, versions = [] } = crd.spec ?? {};
  const names = crd.spec?.names ?? { plural: '', kind: '' };
  const errors: FieldError[] = [];
  const name = crd.metadata?.name ?? '';
  if (name !== `${names.plural}.${group}`)
    errors.push(invalidField('metadata.name', name, 'must be spec.names.plural+"."+spec.group'));
  errors.push(...checkGroup(group, crd.metadata?.annotations));
  if (!scope) errors.push(requiredField('spec.scope'));
  else if (scope !== 'Namespaced' && scope !== 'Cluster')
    errors.push(unsupportedField('spec.scope', scope, ['Cluster', 'Namespaced']));
  errors.push(...checkNames(crd));
  errors.push(...checkVersions(versions));
  if (crd.spec?.preserveUnknownFields)
    errors.push(
      invalidField(
        'spec.preserveUnknownFields',
        true,
        'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead. See https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#field-pruning for details',
      ),
    );
  const strategy = crd.spec?.conversion?.strategy;
  if (strategy !== undefined && strategy !== 'None' && strategy !== 'Webhook')
    errors.push(unsupportedField('spec.conversion.strategy', strategy, ['None', 'Webhook']));
  return errors;
}

export function checkCrdUpdate(crd: Crd, old: Crd): FieldError[] {
  const errors = checkCrd(crd);
  const immutable = (field: string, value: unknown, before: unknown): void => {
    if (value !== before) errors.push(invalidField(field, value, 'field is immutable'));
  };
  immutable('spec.group', crd.spec.group, old.spec.group);
  if (isTrue(old, 'Established')) {
    immutable('spec.scope', crd.spec.scope, old.spec.scope);
    immutable('spec.names.kind', crd.spec.names.kind, old.spec.names.kind);
    immutable('spec.names.plural', crd.spec.names.plural, old.spec.names.plural);
  }
  for (const [i, version] of (crd.status?.storedVersions ?? []).entries())
    if (!crd.spec.versions.some((one) => one.name === version))
      errors.push(invalidField(`status.storedVersions[${i}]`, version, 'must appear in spec.versions'));
  return errors;
}

function checkGroup(group: string, annotations: Record<string, string> | undefined): FieldError[] {
  if (group === '') return [requiredField('spec.group')];
  if (!SUBDOMAIN.test(group)) return [invalidField('spec.group', group, SUBDOMAIN_RULE)];
  if (!group.includes('.'))
    return [invalidField('spec.group', group, 'should be a domain with at least one dot')];
  const isProtected = /(^|\.)(k8s|kubernetes)\.io$/.test(group);
  if (isProtected && annotations?.[APPROVAL] === undefined)
    return [
      requiredField(
        `metadata.annotations[${APPROVAL}]`,
        `protected groups must have approval annotation "${APPROVAL}", see https://github.com/kubernetes/enhancements/pull/1111`,
      ),
    ];
  return [];
}

function checkNames({ spec }: Crd): FieldError[] {
  const { plural = '', singular, kind = '', listKind, shortNames = [], categories = [] } = spec?.names ?? {};
  const errors: FieldError[] = [];
  const label = (field: string, value: string): void => {
    if (!LABEL.test(value)) errors.push(invalidField(field, value, LABEL_RULE));
  };
  const mixed = (field: string, value: string): void => {
    if (!LABEL.test(value.toLowerCase()))
      errors.push(
        invalidField(field, value, `may have mixed case, but should otherwise match: ${LABEL_RULE}`),
      );
  };
  if (plural === '') errors.push(requiredField('spec.names.plural'));
  else label('spec.names.plural', plural);
  if (singular) label('spec.names.singular', singular);
  if (kind === '') errors.push(requiredField('spec.names.kind'));
  else mixed('spec.names.kind', kind);
  if (listKind) mixed('spec.names.listKind', listKind);
  for (const [i, one] of shortNames.entries()) label(`spec.names.shortNames[${i}]`, one);
  for (const [i, one] of categories.entries()) label(`spec.names.categories[${i}]`, one);
  if (kind !== '' && kind === listKind)
    errors.push(invalidField('spec.names.listKind', listKind, 'kind and listKind may not be the same'));
  return errors;
}

function checkVersions(versions: CrdVersion[]): FieldError[] {
  const errors: FieldError[] = [];
  const names = versions.map((version) => version.name);
  if (new Set(names).size < names.length)
    errors.push(invalidField('spec.versions', names, 'must contain unique version names'));
  if (versions.filter((version) => version.storage).length !== 1)
    errors.push(
      invalidField('spec.versions', names, 'must have exactly one version marked as storage version'),
    );
  for (const [i, version] of versions.entries()) errors.push(...checkVersion(version, `spec.versions[${i}]`));
  return errors;
}

function checkVersion(version: CrdVersion, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (!LABEL.test(version.name ?? ''))
    errors.push(invalidField(`${path}.name`, version.name ?? '', LABEL_RULE));
  const schema = version.schema?.openAPIV3Schema;
  if (schema) errors.push(...checkCrdSchema(schema, `${path}.schema.openAPIV3Schema`));
  else errors.push(requiredField(`${path}.schema.openAPIV3Schema`, 'schemas are required'));
  if (version.deprecationWarning !== undefined && !version.deprecated)
    errors.push(
      invalidField(
        `${path}.deprecationWarning`,
        version.deprecationWarning,
        'can only be set for deprecated versions',
      ),
    );
  const scale = version.subresources?.scale;
  if (scale) {
    checkPath(scale.specReplicasPath, '.spec.', `${path}.subresources.scale.specReplicasPath`, errors);
    checkPath(scale.statusReplicasPath, '.status.', `${path}.subresources.scale.statusReplicasPath`, errors);
    const selector = scale.labelSelectorPath;
    if (selector && !/^\.(spec|status)\./.test(selector))
      errors.push(
        invalidField(
          `${path}.subresources.scale.labelSelectorPath`,
          selector,
          'should be a json path under either .spec or .status',
        ),
      );
  }
  for (const [i, column] of (version.additionalPrinterColumns ?? []).entries()) {
    const at = `${path}.additionalPrinterColumns[${i}]`;
    if (!column.name) errors.push(requiredField(`${at}.name`));
    if (!column.type) errors.push(requiredField(`${at}.type`, `must be one of ${COLUMN_TYPES.join(',')}`));
    else if (!COLUMN_TYPES.includes(column.type))
      errors.push(invalidField(`${at}.type`, column.type, `must be one of ${COLUMN_TYPES.join(',')}`));
    if (!column.jsonPath) errors.push(requiredField(`${at}.jsonPath`));
    else if (!column.jsonPath.startsWith('.'))
      errors.push(
        invalidField(`${at}.jsonPath`, column.jsonPath, 'must be a simple json path starting with .'),
      );
  }
  if ((version.selectableFields?.length ?? 0) > 8)
    errors.push(forbiddenField(`${path}.selectableFields`, 'must have at most 8 items'));
  return errors;
}

function checkPath(path: string | undefined, under: string, field: string, errors: FieldError[]): void {
  if (!path) errors.push(requiredField(field));
  else if (!path.startsWith(under))
    errors.push(invalidField(field, path, `should be a json path under ${under.slice(0, -1)}`));
}
