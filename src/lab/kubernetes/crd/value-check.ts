// Whether a value fits a structural schema, in upstream's words.

import type { FieldError, Schema } from '../schema/types.ts';
import {
  duplicateField,
  invalidField,
  requiredField,
  tooLongField,
  tooManyField,
  unsupportedField,
  wrongType,
} from './field-error.ts';
import { fitsFormat } from './formats.ts';

/** Compiled once: CRDs' patterns are few and live long. */
const patterns = new Map<string, RegExp | undefined>();

/** Go's regular expressions are nearly JavaScript's; one that cannot be read is refused with the CRD. */
export function patternOf(source: string): RegExp | undefined {
  if (patterns.has(source)) return patterns.get(source);
  let pattern: RegExp | undefined;
  try {
    pattern = new RegExp(
      source
        .replace(/^\(\?s\)/, '')
        .replaceAll('\\z', '$')
        .replaceAll('\\A', '^'),
      'u',
    );
  } catch {
    try {
      pattern = new RegExp(source);
    } catch {
      pattern = undefined;
    }
  }
  if (patterns.size > 5000) patterns.clear();
  patterns.set(source, pattern);
  return pattern;
}

/** @param field the value's path, empty for a whole object */
export function checkValue(value: unknown, schema: Schema, field: string): FieldError[] {
  const errors: FieldError[] = [];
  check(value, schema, field, errors);
  return errors;
}

function check(value: unknown, schema: Schema, field: string, errors: FieldError[]): void {
  // A reference leads to metadata, which decoding has checked.
  if (schema.ref !== undefined) return;
  if (value === null) {
    if (!schema.nullable && (schema.type !== undefined || schema.intOrString))
      errors.push(wrongType(field, null, schema.type ?? 'integer,string'));
    return;
  }
  if (!hasType(value, schema)) {
    errors.push(wrongType(field, value, schema.intOrString ? 'integer,string' : (schema.type as string)));
    return;
  }
  if (schema.enum && !schema.enum.some((one) => JSON.stringify(one) === JSON.stringify(value)))
    errors.push(unsupportedField(field, value, schema.enum));
  if (typeof value === 'string') text(value, schema, field, errors);
  else if (typeof value === 'number') number(value, schema, field, errors);
  else if (Array.isArray(value)) list(value, schema, field, errors);
  else if (typeof value === 'object') object(value as Record<string, unknown>, schema, field, errors);
  combined(value, schema, field, errors);
}

function hasType(value: unknown, schema: Schema): boolean {
  if (schema.intOrString) return typeof value === 'string' || Number.isInteger(value);
  switch (schema.type) {
    case 'object':
      return typeof value === 'object' && !Array.isArray(value);
    case 'array':
      return Array.isArray(value);
    case 'integer':
      return Number.isInteger(value);
    case undefined:
      return true;
    default:
      return typeof value === schema.type;
  }
}

function text(value: string, schema: Schema, field: string, errors: FieldError[]): void {
  const body = `${field} in body`;
  const length = [...value].length;
  if (schema.maxLength !== undefined && length > schema.maxLength)
    errors.push(tooLongField(field, schema.maxLength));
  if (schema.minLength !== undefined && length < schema.minLength)
    errors.push(invalidField(field, value, `${body} should be at least ${schema.minLength} chars long`));
  if (schema.pattern !== undefined && patternOf(schema.pattern)?.test(value) === false)
    errors.push(invalidField(field, value, `${body} should match '${schema.pattern}'`));
  if (schema.format !== undefined && !fitsFormat(value, schema.format))
    errors.push(
      invalidField(field, value, `${body} must be of type ${schema.format}: ${JSON.stringify(value)}`),
    );
}

function number(value: number, schema: Schema, field: string, errors: FieldError[]): void {
  const refuse = (what: string): void => {
    errors.push(invalidField(field, value, `${field} in body should be ${what}`));
  };
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema;
  if (minimum !== undefined && (exclusiveMinimum ? value <= minimum : value < minimum))
    refuse(`greater than ${exclusiveMinimum ? '' : 'or equal to '}${minimum}`);
  if (maximum !== undefined && (exclusiveMaximum ? value >= maximum : value > maximum))
    refuse(`less than ${exclusiveMaximum ? '' : 'or equal to '}${maximum}`);
  if (multipleOf !== undefined && Math.abs(value / multipleOf - Math.round(value / multipleOf)) > 1e-9)
    refuse(`a multiple of ${multipleOf}`);
  if (schema.format === 'int32' && (value > 2147483647 || value < -2147483648))
    errors.push(invalidField(field, value, `Invalid value: ${value}: must be of type int32`));
}

function list(value: unknown[], schema: Schema, field: string, errors: FieldError[]): void {
  if (schema.maxItems !== undefined && value.length > schema.maxItems)
    errors.push(tooManyField(field, value.length, schema.maxItems));
  if (schema.minItems !== undefined && value.length < schema.minItems)
    errors.push(
      invalidField(field, value.length, `${field} in body should have at least ${schema.minItems} items`),
    );
  const { items } = schema;
  if (items) for (const [i, item] of value.entries()) check(item, items, `${field}[${i}]`, errors);
  if (schema.listType !== 'set' && schema.listType !== 'map') return;
  const seen = new Set<string>();
  for (const [i, item] of value.entries()) {
    const same = schema.listType === 'set' ? item : keysOf(item, schema);
    const id = JSON.stringify(same);
    if (seen.has(id)) errors.push(duplicateField(`${field}[${i}]`, same));
    seen.add(id);
  }
}

function keysOf(item: unknown, { listMapKeys = [], items }: Schema): unknown {
  const object = (item ?? {}) as Record<string, unknown>;
  return Object.fromEntries(
    listMapKeys.map((key) => [key, object[key] ?? items?.properties?.[key]?.default]),
  );
}

function object(value: Record<string, unknown>, schema: Schema, field: string, errors: FieldError[]): void {
  const at = (key: string): string => (field ? `${field}.${key}` : key);
  const { properties = {}, additionalProperties, required = [] } = schema;
  for (const key of required)
    if (value[key] === undefined || !Object.hasOwn(value, key)) errors.push(requiredField(at(key)));
  const count = Object.keys(value).length;
  if (schema.maxProperties !== undefined && count > schema.maxProperties)
    errors.push(tooManyField(field, count, schema.maxProperties));
  if (schema.minProperties !== undefined && count < schema.minProperties)
    errors.push(
      invalidField(field, count, `${field} in body should have at least ${schema.minProperties} properties`),
    );
  for (const [key, part] of Object.entries(value)) {
    if (part === undefined) continue;
    if (Object.hasOwn(properties, key)) check(part, properties[key]!, at(key), errors);
    else if (typeof additionalProperties === 'object') check(part, additionalProperties, at(key), errors);
  }
}

function combined(value: unknown, schema: Schema, field: string, errors: FieldError[]): void {
  const refuse = (what: string): void => {
    errors.push(invalidField(field || '<nil>', value, `${field || '<nil>'} in body must ${what}`));
  };
  const fits = (one: Schema): boolean => checkValue(value, one, field).length === 0;
  if (schema.allOf && !schema.allOf.every(fits)) {
    for (const one of schema.allOf) check(value, one, field, errors);
    refuse('validate all the schemas (allOf)');
  }
  if (schema.anyOf && schema.anyOf.length > 0 && !schema.anyOf.some(fits))
    refuse('validate at least one schema (anyOf)');
  if (schema.oneOf && schema.oneOf.length > 0) {
    const count = schema.oneOf.filter(fits).length;
    if (count !== 1)
      refuse(
        `validate one and only one schema (oneOf). Found ${count === 0 ? 'none valid' : `${count} valid alternatives`}`,
      );
  }
  if (schema.not && fits(schema.not)) refuse('not validate the schema (not)');
}
