import type { SchemaRegistry } from '../schema/registry.ts';
import type { KubeObject, Schema } from '../schema/types.ts';
import { duplicateFields } from './duplicates.ts';
import { DecodeError, Normalizer } from './normalize.ts';

export type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

/** What decoding must know of a kind; `KindInfo` is one, and so is Scale or Eviction with its `SchemaRegistry.schemaOf`. */
export interface Decodable {
  version: string;
  kind: string;
  schema: Schema;
  /** False: a CRD's kind, whose types are checked by its structural schema later. */
  builtin?: boolean;
  preserveUnknownFields?: boolean;
}

export interface Decoded {
  object: KubeObject;
  /** Each the text of a `Warning` header. */
  warnings: string[];
  /** Not empty: to be refused with 400 BadRequest; each a whole message. At most one. */
  errors: string[];
}

/**
 * Reads the JSON of an object: unknown fields are pruned, and told of as errors (Strict) or warnings (Warn), as are fields that are
 * there twice; values of a wrong type are errors always. Numbers for quantities become text, quantities canonical, times UTC.
 */
export function decodeObject(
  registry: SchemaRegistry,
  kind: Decodable,
  text: string,
  options: { fieldValidation: FieldValidation },
): Decoded {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return refused(kind, `json: ${(error as Error).message}`);
  }
  const duplicates = options.fieldValidation === 'Ignore' ? [] : duplicateFields(text);
  return decodeValue(registry, kind, value, options, duplicates);
}

/** The same for what is parsed already, for instance the outcome of a patch. The value may be changed and become part of the answer. */
export function decodeValue(
  registry: SchemaRegistry,
  kind: Decodable,
  value: unknown,
  { fieldValidation }: { fieldValidation: FieldValidation },
  duplicates: readonly string[] = [],
): Decoded {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return refused(
      kind,
      `json: cannot unmarshal ${Array.isArray(value) ? 'array' : typeof value} into Go value of type ${kind.version}.${kind.kind}`,
    );
  const normalizer = new Normalizer(registry);
  let object: KubeObject;
  try {
    object = (
      kind.builtin === false
        ? normalizer.custom(value as Record<string, unknown>, customSchema(registry, kind))
        : normalizer.builtin(value, kind.schema)
    ) as KubeObject;
  } catch (error) {
    if (error instanceof DecodeError) return refused(kind, error.message);
    throw error;
  }
  if (fieldValidation === 'Ignore') return { object, warnings: [], errors: [] };
  const findings = [
    ...duplicates.map((field) => `duplicate field "${field}"`),
    ...normalizer.unknown.map((field) => `unknown field "${field}"`),
  ];
  if (fieldValidation === 'Warn') return { object, warnings: findings, errors: [] };
  return findings.length
    ? { ...refused(kind, `strict decoding error: ${findings.join(', ')}`), object }
    : { object, warnings: [], errors: [] };
}

function customSchema(registry: SchemaRegistry, kind: Decodable): Schema {
  if (!kind.preserveUnknownFields) return kind.schema;
  return { ...registry.resolve(kind.schema), preserveUnknownFields: true };
}

function refused(kind: Decodable, reason: string): Decoded {
  return {
    object: {},
    warnings: [],
    errors: [
      `${kind.kind} in version ${JSON.stringify(kind.version)} cannot be handled as a ${kind.kind}: ${reason}`,
    ],
  };
}
