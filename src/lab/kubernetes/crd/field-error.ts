// FieldErrors in upstream's words (k8s.io/apimachinery/pkg/util/validation/field).

import type { FieldError } from '../schema/types.ts';

export function invalidField(field: string, value: unknown, detail: string): FieldError {
  const text = value === undefined ? '' : `${JSON.stringify(value)}: `;
  return { field, type: 'FieldValueInvalid', message: `Invalid value: ${text}${detail}` };
}

export function requiredField(field: string, detail = ''): FieldError {
  return {
    field,
    type: 'FieldValueRequired',
    message: detail ? `Required value: ${detail}` : 'Required value',
  };
}

export function forbiddenField(field: string, detail: string): FieldError {
  return { field, type: 'FieldValueForbidden', message: `Forbidden: ${detail}` };
}

export function duplicateField(field: string, value: unknown): FieldError {
  return { field, type: 'FieldValueDuplicate', message: `Duplicate value: ${JSON.stringify(value)}` };
}

export function unsupportedField(field: string, value: unknown, supported: readonly unknown[]): FieldError {
  const list = supported.map((one) => JSON.stringify(one)).join(', ');
  return {
    field,
    type: 'FieldValueNotSupported',
    message: `Unsupported value: ${JSON.stringify(value)}: supported values: ${list}`,
  };
}

export function tooLongField(field: string, most: number): FieldError {
  return { field, type: 'FieldValueTooLong', message: `Too long: may not be more than ${most} bytes` };
}

export function tooManyField(field: string, count: number, most: number): FieldError {
  return { field, type: 'FieldValueTooMany', message: `Too many: ${count}: must have at most ${most} items` };
}

export function wrongType(field: string, value: unknown, type: string): FieldError {
  const got = value === null ? 'null' : Array.isArray(value) ? 'array' : goKind(value);
  return {
    field,
    type: 'FieldValueTypeInvalid',
    message: `Invalid value: ${JSON.stringify(got)}: ${field} in body must be of type ${type}: ${JSON.stringify(got)}`,
  };
}

function goKind(value: unknown): string {
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}
