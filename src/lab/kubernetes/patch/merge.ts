// Server-side apply's merge: what the configuration says, and what the live object says where the configuration is silent.

import type { Type } from './type.ts';
import { isObject, itemsOf, type JsonObject, partsOf } from './value.ts';

/** Neither argument is changed; parts are shared. */
export function mergeTyped(live: unknown, config: unknown, type: Type): unknown {
  if (config === undefined) return live;
  if (live === undefined) return config;
  switch (partsOf(type, config, live)) {
    case 'leaf':
      return config;
    case 'map':
      return mergeMaps(live, config, type);
    default:
      return mergeLists(live, config, type);
  }
}

function mergeMaps(live: unknown, config: unknown, type: Type): unknown {
  if (!isObject(config)) return live;
  const out: JsonObject = isObject(live) ? { ...live } : {};
  for (const key in config) out[key] = mergeTyped(out[key], config[key], type.property(key));
  return out;
}

/**
 * Items of both lists stand in the order of the configuration; items that only the live list has stay behind the item that they
 * followed.
 */
function mergeLists(live: unknown, config: unknown, type: Type): unknown {
  if (!Array.isArray(config)) return live;
  const left = itemsOf(type, live);
  const right = itemsOf(type, config);
  const out: unknown[] = [];
  const pending = right.entries();
  const emitted = new Set<string>();
  const emitUntil = (stop: string | undefined): void => {
    for (let next = pending.next(); !next.done; next = pending.next()) {
      const [element, item] = next.value;
      out.push(mergeTyped(left.get(element), item, type.item()));
      emitted.add(element);
      if (element === stop) return;
    }
  };
  for (const [element, item] of left) {
    if (!right.has(element)) out.push(item);
    else if (!emitted.has(element)) emitUntil(element);
  }
  emitUntil(undefined);
  return out;
}
