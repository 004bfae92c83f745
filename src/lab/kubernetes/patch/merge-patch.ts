// JSON Merge Patch, RFC 7386.

import { badPatch } from './error.ts';
import { isObject, type JsonObject } from './value.ts';

/** @returns the patched object; the arguments are not changed, parts are shared. @throws PatchError when the patch is no object. */
export function applyMergePatch(live: JsonObject, patch: unknown): JsonObject {
  if (!isObject(patch))
    throw badPatch(
      'error decoding patch: json: cannot unmarshal into Go value of type map[string]interface {}',
    );
  return merge(live, patch);
}

function merge(target: unknown, patch: JsonObject): JsonObject {
  const out: JsonObject = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    checkName(key);
    if (value === null) delete out[key];
    else out[key] = isObject(value) ? merge(out[key], value) : value;
  }
  return out;
}

/** Refuses JavaScript's own name for an object's prototype, which JSON may carry and which is no field of anything. */
export function checkName(key: string): void {
  if (key === '__proto__') throw badPatch('error decoding patch: "__proto__" is no field');
}
