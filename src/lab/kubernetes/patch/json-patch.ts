// JSON Patch, RFC 6902.

import { applyPatch, type Operation } from 'rfc6902';
import { badPatch, PatchError, unfitPatch } from './error.ts';
import { isObject, type JsonObject } from './value.ts';

/** As upstream: more operations in one patch are refused. */
const MOST_OPERATIONS = 10_000;
/** What copies may add in bytes, so that a few of them cannot multiply an object beyond the memory. As upstream: 3 MiB. */
const MOST_COPIED = 3 * 1024 * 1024;
const OPERATIONS = ['add', 'remove', 'replace', 'move', 'copy', 'test'];
/** JavaScript's own names, which are no fields of anything and must not be written to. */
const NOT_FIELDS = /(^|\/)(__proto__|constructor\/prototype)(\/|$)/;

/** @returns the patched copy. @throws PatchError when the patch is malformed or does not apply. */
export function applyJsonPatch(live: JsonObject, patch: unknown): JsonObject {
  const operations = decode(patch);
  const out = JSON.parse(JSON.stringify(live)) as JsonObject;
  let copied = 0;
  for (const operation of operations) {
    const { path } = operation;
    if (path === '') throw unfitPatch(`${operation.op} operation does not apply: the object's root stays`);
    if (operation.op === 'copy') {
      copied += sizeAt(out, operation.from);
      if (copied > MOST_COPIED)
        throw unfitPatch(`copy operation does not apply: the copies together exceed ${MOST_COPIED} bytes`);
    }
    const [wrong] = applyPatch(out, [operation]);
    if (!wrong) continue;
    if (operation.op === 'test')
      throw unfitPatch(`testing value ${path} failed: the object has another value there`);
    throw unfitPatch(
      `${operation.op} operation does not apply: doc is missing path: ${JSON.stringify(path)}`,
    );
  }
  return out;
}

function decode(patch: unknown): Operation[] {
  if (!Array.isArray(patch))
    throw badPatch('error decoding patch: json: cannot unmarshal into Go value of type jsonpatch.Patch');
  if (patch.length > MOST_OPERATIONS)
    throw new PatchError(
      413,
      'RequestEntityTooLarge',
      `Request entity too large: The allowed maximum operations in a JSON patch is ${MOST_OPERATIONS}, got ${patch.length}`,
    );
  for (const operation of patch) {
    if (!isObject(operation)) throw badPatch('error decoding patch: an operation is no object');
    const { op, path, from } = operation;
    if (typeof op !== 'string' || !OPERATIONS.includes(op))
      throw unfitPatch(`Unexpected kind: ${JSON.stringify(op)}; use one of ${OPERATIONS.join(', ')}`);
    for (const [name, pointer] of Object.entries({ path, from })) {
      if (name === 'from' && op !== 'move' && op !== 'copy') continue;
      if (typeof pointer !== 'string' || (pointer !== '' && !pointer.startsWith('/')))
        throw unfitPatch(`${op} operation: ${name} ${JSON.stringify(pointer)} is no JSON pointer`);
      if (NOT_FIELDS.test(pointer))
        throw unfitPatch(`${op} operation: ${name} ${JSON.stringify(pointer)} names no field`);
    }
    if ((op === 'add' || op === 'replace') && !Object.hasOwn(operation, 'value'))
      throw unfitPatch(`${op} operation at ${JSON.stringify(path)} has no value`);
  }
  return patch as Operation[];
}

function sizeAt(object: JsonObject, pointer: string): number {
  let at: unknown = object;
  for (const token of pointer.split('/').slice(1))
    at = (at as JsonObject | undefined)?.[token.replaceAll('~1', '/').replaceAll('~0', '~')];
  return at === undefined ? 0 : JSON.stringify(at).length;
}
