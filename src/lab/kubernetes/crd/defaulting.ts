// Defaults of a structural schema.

import type { Schema } from '../schema/types.ts';

/**
 * Sets what is missing and has a default, in place; a null where none may be counts as missing.
 */
export function applySchemaDefaults(value: unknown, schema: Schema): void {
  if (Array.isArray(value)) {
    if (schema.items) for (const item of value) applySchemaDefaults(item, schema.items);
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  const object = value as Record<string, unknown>;
  const { properties = {}, additionalProperties } = schema;
  for (const [key, property] of Object.entries(properties)) {
    const isNull = object[key] === null && !property.nullable;
    if (property.default !== undefined && (object[key] === undefined || isNull))
      object[key] = structuredClone(property.default);
    applySchemaDefaults(object[key], property);
  }
  if (typeof additionalProperties !== 'object') return;
  for (const [key, part] of Object.entries(object)) {
    if (Object.hasOwn(properties, key)) continue;
    if (part === null && !additionalProperties.nullable && additionalProperties.default !== undefined)
      object[key] = structuredClone(additionalProperties.default);
    applySchemaDefaults(object[key], additionalProperties);
  }
}
