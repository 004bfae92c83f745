// Server-side apply's removal: what a manager applied before, applies no longer, and nobody else owns.

import type { FieldSet } from './field-set.ts';
import type { Type } from './type.ts';
import { isObject, itemElement, type JsonObject, partsOf } from './value.ts';

/**
 * @param value the live object with the new configuration merged in; not changed
 * @param last what the manager owned before
 * @param owned what anybody owns now, the new configuration included
 * @returns the value without what only `last` has; undefined when nothing of it is left
 */
export function prune(value: unknown, last: FieldSet, owned: FieldSet | undefined, type: Type): unknown {
  switch (partsOf(type, value)) {
    case 'leaf':
      return value;
    case 'map':
      return isObject(value) ? pruneMap(value, last, owned, type) : value;
    default:
      return Array.isArray(value) ? pruneList(value, last, owned, type) : value;
  }
}

function pruneMap(value: JsonObject, last: FieldSet, owned: FieldSet | undefined, type: Type): unknown {
  let out = value;
  for (const [element, lastBelow] of last.children) {
    const key = element.slice(2);
    const part = value[key];
    if (!element.startsWith('f:') || part === undefined) continue;
    const named = type.named(key) !== undefined;
    const ownedBelow = owned?.children.get(element);
    const kept = isOwned(ownedBelow, named)
      ? prune(part, lastBelow, ownedBelow, type.property(key))
      : isOwned(lastBelow, named)
        ? undefined
        : prune(part, lastBelow, ownedBelow, type.property(key));
    if (kept === part) continue;
    if (out === value) out = { ...value };
    if (kept === undefined) delete out[key];
    else out[key] = kept;
  }
  return out !== value && Object.keys(out).length === 0 ? undefined : out;
}

/** A property of a struct is owned with any of its parts; an item or the key of a map only by itself. */
function isOwned(set: FieldSet | undefined, named: boolean): boolean {
  return set !== undefined && (set.member || (named && !set.empty));
}

function pruneList(list: unknown[], last: FieldSet, owned: FieldSet | undefined, type: Type): unknown {
  const out: unknown[] = [];
  let changed = false;
  for (const item of list) {
    const found = itemElement(type, item);
    const lastBelow = 'element' in found ? last.children.get(found.element) : undefined;
    if (!lastBelow || !('element' in found)) {
      out.push(item);
      continue;
    }
    const ownedBelow = owned?.children.get(found.element);
    if (!ownedBelow?.member && lastBelow.member) {
      changed = true;
      continue;
    }
    const kept = type.shape === 'keyed' ? prune(item, lastBelow, ownedBelow, type.item()) : item;
    if (kept !== item) changed = true;
    if (kept !== undefined) out.push(kept);
  }
  if (!changed) return list;
  return out.length === 0 ? undefined : out;
}
