// Which fields a configuration names, and which fields differ between two objects.

import { FieldSet } from './field-set.ts';
import type { Type } from './type.ts';
import { isObject, itemsOf, type JsonObject, partsOf, sameJson } from './value.ts';

/** The fields that a configuration names: its leaves, the items of its lists, the keys of its maps. */
export function fieldsOf(value: unknown, type: Type): FieldSet {
  const set = new FieldSet();
  collect(value, type, set);
  return set;
}

function collect(value: unknown, type: Type, into: FieldSet): void {
  switch (partsOf(type, value)) {
    case 'leaf':
      into.member = true;
      return;
    case 'map':
      if (!isObject(value)) return;
      for (const key in value) {
        const part = value[key];
        if (part === undefined) continue;
        const named = type.named(key);
        const child = into.child(`f:${key}`);
        collect(part, named ?? type.property(key), child);
        // The keys of a map, and an empty object, are something to own; a property of a known struct is only the way to its parts.
        if (!named || part === null || (isObject(part) && Object.keys(part).length === 0))
          child.member = true;
      }
      return;
    default:
      for (const [element, item] of itemsOf(type, value)) {
        const child = into.child(element);
        if (type.shape === 'keyed') collect(item, type.item(), child);
        child.member = true;
      }
  }
}

export interface Comparison {
  added: FieldSet;
  modified: FieldSet;
  removed: FieldSet;
}

/**
 * Structs that upstream's Go types always have: their own presence is nobody's doing, so nobody owns it. Custom resources have no such
 * structs but metadata.
 */
const ALWAYS_THERE = new Set([
  'metadata',
  'spec',
  'status',
  'template',
  'strategy',
  'updateStrategy',
  'jobTemplate',
  'containers',
  'source',
  'loadBalancer',
]);

/** What is different in `after`. With `builtin` upstream's structs that are always there are taken as such in both. */
export function compare(before: unknown, after: unknown, type: Type, builtin: boolean): Comparison {
  const out = { added: new FieldSet(), modified: new FieldSet(), removed: new FieldSet() };
  new Comparer(out, builtin).visit(before, after, type);
  return out;
}

class Comparer {
  private readonly out: Comparison;
  private readonly builtin: boolean;
  private readonly path: string[] = [];

  constructor(out: Comparison, builtin: boolean) {
    this.out = out;
    this.builtin = builtin;
  }

  visit(before: unknown, after: unknown, type: Type): void {
    if (before === after) return;
    const parts = partsOf(type, after, before);
    if (parts === 'leaf') {
      if (before !== undefined && after !== undefined && sameJson(before, after)) return;
    } else if (parts === 'map') this.maps(before, after, type);
    else this.lists(before, after, type);
    if (before === undefined) this.out.added.add(this.path);
    else if (after === undefined) this.out.removed.add(this.path);
    else if (parts === 'leaf') this.out.modified.add(this.path);
  }

  private maps(before: unknown, after: unknown, type: Type): void {
    const left = (before ?? {}) as JsonObject;
    const right = (after ?? {}) as JsonObject;
    for (const key in left) this.property(key, left[key], right[key], type);
    for (const key in right)
      if (left[key] === undefined || !Object.hasOwn(left, key))
        this.property(key, undefined, right[key], type);
  }

  private property(key: string, before: unknown, after: unknown, type: Type): void {
    const always =
      this.builtin && ALWAYS_THERE.has(key)
        ? type.named(key) !== undefined
        : key === 'metadata' && this.path.length === 0;
    if (before === undefined && after === undefined) return;
    this.step(
      `f:${key}`,
      always ? (before ?? null) : before,
      always ? (after ?? null) : after,
      type.property(key),
    );
  }

  private lists(before: unknown, after: unknown, type: Type): void {
    const left = itemsOf(type, before);
    const right = itemsOf(type, after);
    const keyed = type.shape === 'keyed';
    for (const [element, item] of left) {
      const other = right.get(element);
      if (keyed) this.step(element, item, other, type.item());
      else if (other === undefined) this.out.removed.add([...this.path, element]);
    }
    for (const [element, item] of right) {
      if (left.has(element)) continue;
      if (keyed) this.step(element, undefined, item, type.item());
      else this.out.added.add([...this.path, element]);
    }
  }

  private step(element: string, before: unknown, after: unknown, type: Type): void {
    this.path.push(element);
    this.visit(before, after, type);
    this.path.pop();
  }
}
