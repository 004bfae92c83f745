// Strategic merge patch: a merge patch that knows from the schema which lists are merged and by which key, with directives in
// the patch for what a merge cannot say.

import { badPatch, unfitPatch } from './error.ts';
import { applyMergePatch, checkName } from './merge-patch.ts';
import { mergeList, orderList } from './strategic-list.ts';
import type { Type } from './type.ts';
import { isObject, type JsonObject, sameJson } from './value.ts';

const SET_ORDER = '$setElementOrder/';
const DELETE_FROM = '$deleteFromPrimitiveList/';

/** @returns the patched object; the arguments are not changed. @throws PatchError when the patch is malformed or does not fit. */
export function applyStrategicPatch(live: JsonObject, patch: unknown, type: Type): JsonObject {
  if (!isObject(patch)) return applyMergePatch(live, patch);
  return mergeObject(live, patch, type);
}

function mergeObject(live: JsonObject, patch: JsonObject, type: Type): JsonObject {
  if (patch.$patch !== undefined) {
    if (patch.$patch === 'replace') return withoutDirectives(omit(patch, '$patch')) as JsonObject;
    if (patch.$patch === 'delete') return {};
    if (patch.$patch !== 'merge')
      throw badPatch(
        `Unknown patch type found: ${JSON.stringify(patch.$patch)}: use delete, replace or merge`,
      );
  }
  const out = { ...live };
  retainKeys(out, patch);
  for (const [key, value] of Object.entries(patch)) {
    checkName(key);
    if (key === '$patch' || key === '$retainKeys') continue;
    if (key.startsWith(SET_ORDER)) {
      const field = key.slice(SET_ORDER.length);
      if (patch[field] === undefined && patch[DELETE_FROM + field] === undefined)
        reorder(out, field, value, type);
    } else if (key.startsWith(DELETE_FROM)) {
      const field = key.slice(DELETE_FROM.length);
      deleteFrom(out, field, value);
      if (patch[field] === undefined && patch[SET_ORDER + field] !== undefined)
        reorder(out, field, patch[SET_ORDER + field], type);
    } else if (value === null) delete out[key];
    else if (out[key] === undefined || out[key] === null) out[key] = withoutDirectives(value);
    else out[key] = mergeField(key, out[key], value, patch[SET_ORDER + key], type.property(key));
  }
  return out;
}

function mergeField(key: string, live: unknown, patch: unknown, order: unknown, type: Type): unknown {
  if (isObject(live) && isObject(patch)) {
    // A map that the schema does not know is merged as a merge patch would; directives in it are still directives.
    return mergeObject(live, patch, type);
  }
  if (!Array.isArray(live) || !Array.isArray(patch) || !type.patchMerge) return withoutDirectives(patch);
  const merged = mergeList(key, live, patch, type.patchMergeKey, (item, change) =>
    mergeObject(item, change, type.item()),
  );
  if (order === undefined) return orderList(merged, patch, live, type.patchMergeKey);
  return orderList(merged, listOf(key, order), live, type.patchMergeKey);
}

function reorder(out: JsonObject, field: string, order: unknown, type: Type): void {
  const list = out[field];
  const fieldType = type.property(field);
  if (Array.isArray(list) && fieldType.patchMerge)
    out[field] = orderList(list, listOf(field, order), list, fieldType.patchMergeKey);
}

function listOf(field: string, order: unknown): unknown[] {
  if (!Array.isArray(order))
    throw badPatch(`Invalid patch format of setElementOrder list: ${SET_ORDER}${field} is no list`);
  return order;
}

function deleteFrom(out: JsonObject, field: string, values: unknown): void {
  if (!Array.isArray(values))
    throw badPatch(`Invalid patch format of primitive list: ${DELETE_FROM}${field} is no list`);
  const list = out[field];
  if (Array.isArray(list)) out[field] = list.filter((item) => !values.some((value) => sameJson(item, value)));
}

function retainKeys(out: JsonObject, patch: JsonObject): void {
  const keys = patch.$retainKeys;
  if (keys === undefined) return;
  if (!Array.isArray(keys)) throw badPatch('Invalid patch format of retainKeys: $retainKeys is no list');
  for (const [key, value] of Object.entries(patch))
    if (!key.startsWith('$') && value !== null && !keys.includes(key))
      throw unfitPatch(`$retainKeys does not name ${JSON.stringify(key)}, which the patch sets`);
  for (const key of Object.keys(out)) if (!keys.includes(key)) delete out[key];
}

/** What the patch leaves where the live object has nothing: the values alone. */
function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value))
    return value
      .filter((item) => !(isObject(item) && item.$patch !== undefined && item.$patch !== 'merge'))
      .map(withoutDirectives);
  if (!isObject(value)) return value;
  if (value.$patch === 'delete') return {};
  const out: JsonObject = {};
  for (const [key, part] of Object.entries(value)) {
    checkName(key);
    if (part === null || key === '$patch' || key === '$retainKeys') continue;
    if (key.startsWith(SET_ORDER) || key.startsWith(DELETE_FROM)) continue;
    out[key] = withoutDirectives(part);
  }
  return out;
}

function omit(object: JsonObject, key: string): JsonObject {
  const { [key]: _, ...rest } = object;
  return rest;
}
