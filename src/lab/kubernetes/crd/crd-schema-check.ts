// Whether a CRD's openAPIV3Schema is structural, in upstream's words.

import type { FieldError } from '../schema/types.ts';
import { applySchemaDefaults } from './defaulting.ts';
import { forbiddenField, invalidField, requiredField, unsupportedField } from './field-error.ts';
import { isRaw, structuralSchema } from './structural.ts';
import type { RawSchema } from './types.ts';
import { checkValue, patternOf } from './value-check.ts';

const NOT_SUPPORTED = [
  '$ref',
  'definitions',
  'dependencies',
  'additionalItems',
  'patternProperties',
  'id',
  '$schema',
];
const TYPES = ['array', 'boolean', 'integer', 'number', 'object', 'string'];
/** What may only stand in the skeleton, not below allOf, anyOf, oneOf and not. */
const SKELETON_ONLY = {
  type: 'must be empty to be structural',
  default: 'must be undefined to be structural',
  title: 'must be empty to be structural',
  description: 'must be empty to be structural',
  nullable: 'must be false to be structural',
  additionalProperties: 'must be undefined to be structural',
  'x-kubernetes-preserve-unknown-fields': 'must be false to be structural',
  'x-kubernetes-embedded-resource': 'must be false to be structural',
  'x-kubernetes-int-or-string': 'must be false to be structural',
  'x-kubernetes-list-type': 'must be undefined to be structural',
  'x-kubernetes-list-map-keys': 'must be empty to be structural',
  'x-kubernetes-map-type': 'must be undefined to be structural',
} as const;
/** The two forms in which upstream lets int-or-string spell its types out. */
const INT_OR_STRING = JSON.stringify([{ type: 'integer' }, { type: 'string' }]);
const DEEPEST = 100;

/** @param path of the schema, for instance spec.versions[0].schema.openAPIV3Schema */
export function checkCrdSchema(raw: RawSchema, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (raw.type === undefined || raw.type === '')
    errors.push(requiredField(`${path}.type`, 'must not be empty at the root'));
  else if (raw.type !== 'object')
    errors.push(invalidField(`${path}.type`, raw.type, 'must be object at the root'));
  if (raw.additionalProperties !== undefined)
    errors.push(forbiddenField(`${path}.additionalProperties`, 'must not be used at the root'));
  const { metadata } = (raw.properties ?? {}) as Record<string, RawSchema>;
  const restricted = Object.keys((metadata?.properties as RawSchema | undefined) ?? {});
  if (restricted.some((name) => name !== 'name' && name !== 'generateName'))
    errors.push(
      forbiddenField(
        `${path}.properties[metadata]`,
        'must not specify anything other than name and generateName, but metadata is implicitly specified',
      ),
    );
  checkNode(raw, path, 'root', 0, errors);
  return errors;
}

type Place = 'root' | 'field' | 'item';

function checkNode(raw: RawSchema, path: string, place: Place, depth: number, errors: FieldError[]): void {
  if (depth > DEEPEST) {
    errors.push(forbiddenField(path, `must not be nested deeper than ${DEEPEST} levels`));
    return;
  }
  for (const name of NOT_SUPPORTED)
    if (raw[name] !== undefined) errors.push(forbiddenField(`${path}.${name}`, `${name} is not supported`));
  if (raw.uniqueItems === true)
    errors.push(
      forbiddenField(
        `${path}.uniqueItems`,
        'uniqueItems cannot be set to true since the runtime complexity becomes quadratic',
      ),
    );
  checkType(raw, path, place, errors);
  checkExtensions(raw, path, errors);
  if (typeof raw.pattern === 'string' && !patternOf(raw.pattern))
    errors.push(
      invalidField(`${path}.pattern`, raw.pattern, "must be a valid regular expression, but isn't"),
    );
  checkJunctors(raw, path, depth, errors);
  if (raw.default !== undefined) checkDefault(raw, path, errors);

  const properties = (raw.properties ?? {}) as Record<string, RawSchema>;
  for (const [name, property] of Object.entries(properties))
    checkNode(property, `${path}.properties[${name}]`, 'field', depth + 1, errors);
  const more = raw.additionalProperties;
  if (more !== undefined && Object.keys(properties).length > 0 && more !== false)
    errors.push(
      forbiddenField(
        `${path}.additionalProperties`,
        'additionalProperties and properties are mutual exclusive',
      ),
    );
  if (isRaw(more)) checkNode(more, `${path}.additionalProperties`, 'field', depth + 1, errors);
  if (Array.isArray(raw.items))
    errors.push(forbiddenField(`${path}.items`, 'items must be a schema object and not an array'));
  else if (isRaw(raw.items)) checkNode(raw.items, `${path}.items`, 'item', depth + 1, errors);
  else if (raw.type === 'array') errors.push(requiredField(`${path}.items`, 'must be specified'));
}

function checkType(raw: RawSchema, path: string, place: Place, errors: FieldError[]): void {
  const free =
    raw['x-kubernetes-int-or-string'] === true || raw['x-kubernetes-preserve-unknown-fields'] === true;
  if (raw.type === undefined || raw.type === '') {
    if (place !== 'root' && !free)
      errors.push(
        requiredField(
          `${path}.type`,
          `must not be empty for specified ${place === 'item' ? 'array items' : 'object fields'}`,
        ),
      );
  } else if (!TYPES.includes(raw.type as string))
    errors.push(unsupportedField(`${path}.type`, raw.type, TYPES));
}

function checkExtensions(raw: RawSchema, path: string, errors: FieldError[]): void {
  const at = (name: string): string => `${path}.x-kubernetes-${name}`;
  if (raw['x-kubernetes-preserve-unknown-fields'] === false)
    errors.push(invalidField(at('preserve-unknown-fields'), false, 'must be true or undefined'));
  if (raw['x-kubernetes-int-or-string'] === true && raw.type)
    errors.push(
      invalidField(`${path}.type`, raw.type, 'must be empty if x-kubernetes-int-or-string is true'),
    );
  if (raw['x-kubernetes-embedded-resource'] === true) {
    if (raw.type !== 'object')
      errors.push(
        invalidField(
          `${path}.type`,
          raw.type ?? '',
          'must be object if x-kubernetes-embedded-resource is true',
        ),
      );
    if (raw['x-kubernetes-preserve-unknown-fields'] !== true && !raw.properties)
      errors.push(
        requiredField(
          `${path}.properties`,
          'must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields',
        ),
      );
  }
  const mapType = raw['x-kubernetes-map-type'];
  if (mapType !== undefined && mapType !== 'atomic' && mapType !== 'granular')
    errors.push(unsupportedField(at('map-type'), mapType, ['atomic', 'granular']));
  checkListType(raw, path, at, errors);
}

function checkListType(
  raw: RawSchema,
  path: string,
  at: (name: string) => string,
  errors: FieldError[],
): void {
  const listType = raw['x-kubernetes-list-type'];
  const keys = (raw['x-kubernetes-list-map-keys'] ?? []) as string[];
  if (listType === undefined) {
    if (keys.length > 0)
      errors.push(forbiddenField(at('list-map-keys'), 'must be empty if x-kubernetes-list-type is not map'));
    return;
  }
  if (!['atomic', 'map', 'set'].includes(listType as string))
    errors.push(unsupportedField(at('list-type'), listType, ['atomic', 'map', 'set']));
  if (raw.type !== 'array')
    errors.push(
      invalidField(`${path}.type`, raw.type ?? '', 'must be array if x-kubernetes-list-type is specified'),
    );
  if (listType !== 'map') return;
  if (keys.length === 0)
    errors.push(requiredField(at('list-map-keys'), 'must not be empty if x-kubernetes-list-type is map'));
  const items = isRaw(raw.items) ? raw.items : {};
  const properties = (items.properties ?? {}) as Record<string, RawSchema>;
  for (const [i, key] of keys.entries()) {
    const property = properties[key];
    if (!property) {
      errors.push(invalidField(`${at('list-map-keys')}[${i}]`, key, 'must refer to a defined property'));
      continue;
    }
    const required = ((items.required ?? []) as string[]).includes(key);
    if (!required && property.default === undefined)
      errors.push(
        requiredField(
          `${path}.items.properties[${key}].default`,
          'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property',
        ),
      );
  }
}

function checkJunctors(raw: RawSchema, path: string, depth: number, errors: FieldError[]): void {
  for (const name of ['allOf', 'anyOf', 'oneOf']) {
    const list = raw[name];
    if (!Array.isArray(list)) continue;
    const spelled =
      raw['x-kubernetes-int-or-string'] === true &&
      name === 'anyOf' &&
      JSON.stringify(list) === INT_OR_STRING;
    if (spelled) continue;
    for (const [i, one] of list.entries()) {
      const wrapped =
        name === 'allOf' &&
        raw['x-kubernetes-int-or-string'] === true &&
        JSON.stringify(one) === `{"anyOf":${INT_OR_STRING}}`;
      if (!wrapped && isRaw(one)) checkJunctor(one, `${path}.${name}[${i}]`, depth + 1, errors);
    }
  }
  if (isRaw(raw.not)) checkJunctor(raw.not, `${path}.not`, depth + 1, errors);
}

function checkJunctor(raw: RawSchema, path: string, depth: number, errors: FieldError[]): void {
  if (depth > DEEPEST) return;
  for (const [name, rule] of Object.entries(SKELETON_ONLY))
    if (raw[name] !== undefined && raw[name] !== false && raw[name] !== '')
      errors.push(forbiddenField(`${path}.${name}`, rule));
  for (const [name, property] of Object.entries((raw.properties ?? {}) as Record<string, RawSchema>))
    checkJunctor(property, `${path}.properties[${name}]`, depth + 1, errors);
  if (isRaw(raw.items)) checkJunctor(raw.items, `${path}.items`, depth + 1, errors);
  checkJunctors(raw, path, depth, errors);
}

function checkDefault(raw: RawSchema, path: string, errors: FieldError[]): void {
  const schema = structuralSchema(raw);
  const value = structuredClone(raw.default);
  applySchemaDefaults(value, schema);
  errors.push(...checkValue(value, schema, `${path}.default`));
}
