// Lists of a strategic merge patch: merged by a key or by value, and put in order.

import { badPatch, PatchError } from './error.ts';
import { isObject, type JsonObject } from './value.ts';

type Merge = (item: JsonObject, change: JsonObject) => JsonObject;

/** Items with their changes; removed ones gone, new ones at the end. @throws PatchError when an item lacks the merge key. */
export function mergeList(
  field: string,
  live: unknown[],
  patch: unknown[],
  mergeKey: string | undefined,
  merge: Merge,
): unknown[] {
  if (![...live, ...patch].some(isObject)) return unlike([...live, ...patch]);
  if (mergeKey === undefined)
    throw new PatchError(500, '', `cannot merge lists without merge key for ${field}`);
  const { changes, removed, replace } = sort(patch, mergeKey);
  const out = replace ? [] : live.filter((item) => !removed.has(identity(item, mergeKey)));
  const places = new Map<string, number>();
  for (const [place, item] of out.entries()) {
    const id = identity(item, mergeKey);
    if (!places.has(id)) places.set(id, place);
  }
  for (const change of changes) {
    const id = identity(change, mergeKey);
    const place = places.get(id);
    if (place !== undefined) out[place] = merge(out[place] as JsonObject, change);
    else {
      places.set(id, out.length);
      out.push(merge({}, change));
    }
  }
  return out;
}

function sort(patch: unknown[], mergeKey: string) {
  const changes: JsonObject[] = [];
  const removed = new Set<string>();
  let replace = false;
  for (const item of patch) {
    if (!isObject(item)) throw badPatch('Invalid JSON document: a list of objects has an item that is none');
    if (item.$patch === 'replace') {
      replace = true;
      continue;
    }
    if (item[mergeKey] === undefined || item[mergeKey] === null)
      throw new PatchError(500, '', `map: ${goMap(item)} does not contain declared merge key: ${mergeKey}`);
    if (item.$patch === 'delete') removed.add(identity(item, mergeKey));
    else if (item.$patch === undefined) changes.push(item);
    else throw badPatch(`Unknown patch type found in a list: ${JSON.stringify(item.$patch)}`);
  }
  return { changes, removed, replace };
}

function goMap(item: JsonObject): string {
  const parts = Object.keys(item).toSorted();
  return `map[${parts.map((key) => `${key}:${isObject(item[key]) ? goMap(item[key]) : String(item[key])}`).join(' ')}]`;
}

function identity(item: unknown, mergeKey: string | undefined): string {
  return JSON.stringify(mergeKey !== undefined && isObject(item) ? item[mergeKey] : item) ?? '';
}

function unlike(values: unknown[]): unknown[] {
  const seen = new Set<string>();
  return values.filter((value) => {
    const id = JSON.stringify(value);
    return !seen.has(id) && seen.add(id);
  });
}

/**
 * Items that `order` names stand as it says; the others keep their order in the live list, and each stands before the first
 * named one that follows it there. So new items come before the live ones they have nothing to do with, as upstream.
 */
export function orderList(
  items: unknown[],
  order: unknown[],
  live: unknown[],
  mergeKey: string | undefined,
): unknown[] {
  const wanted = places(order, mergeKey);
  const were = places(live, mergeKey);
  const named = items.filter((item) => wanted.has(identity(item, mergeKey)));
  const others = items.filter((item) => !wanted.has(identity(item, mergeKey)));
  named.sort((a, b) => wanted.get(identity(a, mergeKey))! - wanted.get(identity(b, mergeKey))!);
  const out: unknown[] = [];
  let next = 0;
  for (const item of named) {
    const place = were.get(identity(item, mergeKey));
    while (next < others.length && place !== undefined) {
      const other = were.get(identity(others[next], mergeKey));
      if (other === undefined || other >= place) break;
      out.push(others[next++]);
    }
    out.push(item);
  }
  return [...out, ...others.slice(next)];
}

function places(list: unknown[], mergeKey: string | undefined): Map<string, number> {
  const found = new Map<string, number>();
  for (const [place, item] of list.entries()) {
    const id = identity(item, mergeKey);
    if (!found.has(id)) found.set(id, place);
  }
  return found;
}
