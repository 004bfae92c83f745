// Upstream's messages name Go types. The names follow from the definitions' names but for a few.
import type { Schema } from '../schema/types.ts';

const SCALARS: Record<string, string> = {
  string: 'string',
  boolean: 'bool',
  number: 'float64',
  object: 'map[string]interface {}',
};

/** `v1.PodSpec` for a definition's name. */
export function goStruct(ref: string): string {
  const [version, name] = ref.split('.').slice(-2);
  return `${version}.${name}`;
}

/** The Go type that holds values of the schema. */
export function goType(schema: Schema): string {
  if (schema.ref) return goStruct(schema.ref);
  if (schema.intOrString) return 'intstr.IntOrString';
  switch (schema.type) {
    case 'array':
      return `[]${schema.items ? goType(schema.items) : 'interface {}'}`;
    case 'integer':
      return schema.format ?? 'int64';
    case 'string':
      if (schema.format === 'quantity') return 'resource.Quantity';
      if (schema.format === 'date-time') return 'v1.Time';
      if (schema.format === 'micro-time') return 'v1.MicroTime';
      return schema.format === 'byte' ? '[]uint8' : 'string';
    case 'object':
      if (typeof schema.additionalProperties === 'object') {
        const values = schema.additionalProperties;
        return values.format === 'quantity' ? 'v1.ResourceList' : `map[string]${goType(values)}`;
      }
      return SCALARS.object as string;
    default:
      return SCALARS[schema.type ?? ''] ?? 'interface {}';
  }
}

/** What Go's decoder calls a JSON value. */
export function jsonKind(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'boolean') return 'bool';
  return typeof value;
}
