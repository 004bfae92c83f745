// Whether an applied configuration fits its schema well enough to say who owns what.

import { pathText } from './field-set.ts';
import type { Type } from './type.ts';
import { isObject, itemElement, partsOf } from './value.ts';

/** What is wrong with the configuration, in upstream's words; undefined when nothing. */
export function typedErrors(config: unknown, type: Type): string | undefined {
  const errors: string[] = [];
  visit(config, type, [], errors);
  if (errors.length === 0) return undefined;
  return errors.length === 1 ? errors[0] : ['errors:', ...errors].join('\n  ');
}

function visit(value: unknown, type: Type, path: string[], errors: string[]): void {
  if (value === null || value === undefined) return;
  const wrong = typeError(value, type);
  if (wrong) {
    errors.push(`${pathText(path)}: ${wrong}`);
    return;
  }
  const parts = partsOf(type, value);
  if (Array.isArray(value)) {
    if (parts !== 'leaf') items(value, type, path, errors);
    else for (let i = 0; i < value.length; i++) visit(value[i], type.item(), [...path, `i:${i}`], errors);
  } else if (isObject(value) && type.shape !== 'unknown') {
    for (const key in value) {
      const below = [...path, `f:${key}`];
      if (type.declares(key)) visit(value[key], type.property(key), below, errors);
      else errors.push(`${pathText(below)}: field not declared in schema`);
    }
  }
}

function items(list: unknown[], type: Type, path: string[], errors: string[]): void {
  const seen = new Set<string>();
  for (const [i, item] of list.entries()) {
    const found = itemElement(type, item);
    if ('lacks' in found) {
      errors.push(
        `${pathText(path)}: element ${i}: associative list with keys has an element that omits key field ${JSON.stringify(found.lacks)} (and doesn't have default value)`,
      );
      continue;
    }
    const { element } = found;
    if (seen.has(element)) errors.push(`${pathText(path)}: duplicate entries for key ${pathText([element])}`);
    seen.add(element);
    if (type.shape === 'keyed') visit(item, type.item(), [...path, element], errors);
  }
}

function typeError(value: unknown, type: Type): string | undefined {
  const { schema } = type;
  if (schema.intOrString || schema.format === 'quantity' || schema.format === 'int-or-string')
    return undefined;
  const got = Array.isArray(value) ? 'list' : isObject(value) ? 'map' : typeof value;
  switch (schema.type) {
    case 'object':
      return got === 'map' ? undefined : `expected map, got ${got}`;
    case 'array':
      return got === 'list' ? undefined : `expected list, got ${got}`;
    case 'string':
      return got === 'string' ? undefined : `expected string, got ${got}`;
    case 'boolean':
      return got === 'boolean' ? undefined : `expected boolean, got ${got}`;
    case 'integer':
    case 'number':
      return got === 'number' ? undefined : `expected numeric (int or float), got ${got}`;
    default:
      return undefined;
  }
}
