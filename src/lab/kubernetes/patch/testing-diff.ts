// A strategic merge patch from one object to another, as kubectl makes it. For tests.

import type { KubeObject } from '../schema/types.ts';
import { kind } from './testing.ts';
import { type SchemaSource, type Type, typesOf } from './type.ts';
import { isObject, type JsonObject, sameJson } from './value.ts';

export function strategicDiff(from: KubeObject, to: KubeObject, source: SchemaSource): JsonObject {
  return diffMap(from, to, typesOf(source).of(kind.schema));
}

function diffMap(from: JsonObject, to: JsonObject, type: Type): JsonObject {
  const patch: JsonObject = {};
  for (const key of Object.keys(from)) if (to[key] === undefined) patch[key] = null;
  for (const [key, value] of Object.entries(to)) {
    const before = from[key];
    if (before === undefined) patch[key] = value;
    else if (!sameJson(before, value))
      Object.assign(patch, diffField(key, before, value, type.property(key)));
  }
  return patch;
}

function diffField(key: string, from: unknown, to: unknown, type: Type): JsonObject {
  if (isObject(from) && isObject(to)) return { [key]: diffMap(from, to, type) };
  if (!Array.isArray(from) || !Array.isArray(to) || !type.patchMerge) return { [key]: to };
  const mergeKey = type.patchMergeKey;
  if (mergeKey === undefined)
    return {
      [`$deleteFromPrimitiveList/${key}`]: from.filter((item) => !to.includes(item)),
      [`$setElementOrder/${key}`]: to,
      [key]: to.filter((item) => !from.includes(item)),
    };
  const find = (list: JsonObject[], item: JsonObject) => list.find((one) => one[mergeKey] === item[mergeKey]);
  const changes = to.flatMap((item) => {
    const before = find(from, item);
    if (!before) return [item];
    return sameJson(before, item)
      ? []
      : [{ ...diffMap(before, item, type.item()), [mergeKey]: item[mergeKey] }];
  });
  const gone = from
    .filter((item) => !find(to, item))
    .map((item) => ({ [mergeKey]: item[mergeKey], $patch: 'delete' }));
  return {
    [`$setElementOrder/${key}`]: to.map((item) => ({ [mergeKey]: item[mergeKey] })),
    [key]: [...changes, ...gone],
  };
}
