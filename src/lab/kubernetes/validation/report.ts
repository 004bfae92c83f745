import {
  duplicateField,
  forbiddenField,
  invalidField,
  requiredField,
  tooLongField,
  tooManyField,
  unsupportedField,
} from '../crd/field-error.ts';
import type { FieldError } from '../schema/types.ts';

/** Gathers what is wrong with an object. Fields are paths: `spec.containers[0].image`. */
export class Report {
  readonly errors: FieldError[] = [];

  invalid(field: string, value: unknown, detail: string): void {
    this.errors.push(invalidField(field, value ?? null, detail));
  }

  /** One error for each of the details. */
  all(field: string, value: unknown, details: readonly string[]): void {
    for (const detail of details) this.invalid(field, value, detail);
  }

  required(field: string, detail?: string): void {
    this.errors.push(requiredField(field, detail));
  }

  duplicate(field: string, value: unknown): void {
    this.errors.push(duplicateField(field, value));
  }

  forbidden(field: string, detail: string): void {
    this.errors.push(forbiddenField(field, detail));
  }

  notFound(field: string, value: unknown): void {
    this.errors.push({ field, type: 'FieldValueNotFound', message: `Not found: ${JSON.stringify(value)}` });
  }

  tooLong(field: string, most: number): void {
    this.errors.push(tooLongField(field, most));
  }

  tooMany(field: string, count: number, most: number): void {
    this.errors.push(tooManyField(field, count, most));
  }

  /** A value that is there must be one of these. */
  oneOf(field: string, value: string | undefined, supported: readonly string[]): void {
    if (value !== undefined && !supported.includes(value))
      this.errors.push(unsupportedField(field, value, supported));
  }

  /** A value that must be there and be one of these. */
  requiredOneOf(field: string, value: string | undefined, supported: readonly string[]): void {
    if (!value) this.required(field);
    else this.oneOf(field, value, supported);
  }

  atLeast(field: string, value: number | undefined, least: number): void {
    if (value !== undefined && value < least)
      this.invalid(field, value, `must be greater than ${least === 1 ? '0' : `or equal to ${least}`}`);
  }

  notNegative(field: string, value: number | undefined): void {
    if (value !== undefined && value < 0) this.invalid(field, value, 'must be greater than or equal to 0');
  }

  between(field: string, value: number | undefined, least: number, most: number): void {
    if (value !== undefined && (value < least || value > most))
      this.invalid(field, value, `must be between ${least} and ${most}, inclusive`);
  }

  /** A port's number. */
  port(field: string, value: number | undefined): void {
    this.between(field, value, 1, 65_535);
  }

  /** Both are compared as JSON; the order of keys does not matter. */
  immutable(field: string, value: unknown, old: unknown, detail = 'field is immutable'): void {
    if (!same(value, old)) this.invalid(field, value, detail);
  }

  /** Each value of a list only once; `key` says what must differ, undefined is passed over. */
  unique<T>(
    field: string,
    list: readonly T[] | undefined,
    key: (item: T) => string | undefined,
    suffix = '',
  ): void {
    const seen = new Set<string>();
    for (const [index, item] of (list ?? []).entries()) {
      const value = key(item);
      if (!value) continue;
      if (seen.has(value)) this.duplicate(`${field}[${index}]${suffix}`, value);
      seen.add(value);
    }
  }
}

/** Equal as JSON; what is empty equals what is missing. */
export function same(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null)
    return isEmpty(a) && isEmpty(b);
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>];
  for (const key of new Set([...Object.keys(left), ...Object.keys(right)]))
    if (!same(left[key], right[key])) return false;
  return true;
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  return Array.isArray(value) && value.length === 0;
}
