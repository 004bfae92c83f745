// JSON values as trees of typed parts.

import { keyElement } from './field-set.ts';
import type { Type } from './type.ts';

export type JsonObject = { [key: string]: unknown };

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Equality of JSON; a property that is undefined counts as absent. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    for (let i = 0; i < a.length; i++) if (!sameJson(a[i], b[i])) return false;
    return true;
  }
  const left = a as JsonObject;
  const right = b as JsonObject;
  let count = 0;
  for (const key in left) {
    if (left[key] === undefined) continue;
    count++;
    if (!sameJson(left[key], right[key])) return false;
  }
  for (const key in right) if (right[key] !== undefined) count--;
  return count === 0;
}

/** The parts a value has under its type: `map` and `keyed` and `set` have some, a leaf none. */
export type Parts = 'leaf' | 'map' | 'keyed' | 'set';

/** How the value is taken apart: by the schema, or, where there is none, objects by their keys. Null and undefined fit anything. */
export function partsOf(type: Type, value: unknown, other?: unknown): Parts {
  switch (type.shape) {
    case 'scalar':
      return 'leaf';
    case 'unknown':
      return isObject(value ?? other) && (other == null || isObject(other)) ? 'map' : 'leaf';
    default: {
      const fits = type.shape === 'map' ? isObject : Array.isArray;
      return (value == null || fits(value)) && (other == null || fits(other)) ? type.shape : 'leaf';
    }
  }
}

/** The path element of an item of a keyed list or a set, or the name of the key that it lacks. */
export function itemElement(type: Type, item: unknown): { element: string } | { lacks: string } {
  if (type.shape === 'set') return { element: `v:${JSON.stringify(item)}` };
  const object = isObject(item) ? item : {};
  const keys: Record<string, unknown> = {};
  let found = false;
  for (const key of type.keys) {
    const value = object[key] ?? type.keyDefault(key);
    if (value === undefined) continue;
    keys[key] = value;
    if (object[key] !== undefined) found = true;
  }
  if (!found) return { lacks: type.keys.find((key) => object[key] === undefined) ?? '' };
  return { element: keyElement(keys) };
}

/** The items of a keyed list or a set by their elements, in order; of items with one element the first. Items without keys go by index. */
export function itemsOf(type: Type, list: unknown): Map<string, unknown> {
  const items = new Map<string, unknown>();
  if (!Array.isArray(list)) return items;
  for (let i = 0; i < list.length; i++) {
    const found = itemElement(type, list[i]);
    const element = 'element' in found ? found.element : `i:${i}`;
    if (!items.has(element)) items.set(element, list[i]);
  }
  return items;
}
