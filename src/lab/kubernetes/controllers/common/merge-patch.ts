import { same } from './hash.ts';

type Json = Record<string, unknown>;
const isObject = (v: unknown): v is Json => typeof v === 'object' && v !== null && !Array.isArray(v);

/**
 * The JSON merge patch (RFC 7386) that makes `after` of `before`: null where a field goes, lists whole. undefined when they are
 * the same, so that nothing is written for nothing.
 */
export function mergePatch(before: object | undefined, after: object): object | undefined {
  const patch: Json = {};
  const old = (before ?? {}) as Json;
  const now = after as Json;
  for (const key in now) {
    const value = now[key];
    if (value === undefined) continue;
    if (isObject(value) && isObject(old[key])) {
      const inner = mergePatch(old[key], value);
      if (inner) patch[key] = inner;
    } else if (!same(value, old[key])) patch[key] = value;
  }
  for (const key in old) if (old[key] !== undefined && now[key] === undefined) patch[key] = null;
  return Object.keys(patch).length ? patch : undefined;
}
