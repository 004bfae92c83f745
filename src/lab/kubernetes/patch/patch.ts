// The four kinds of patch behind one door.

import { parse } from 'yaml';
import type { KindInfo, KubeObject } from '../schema/types.ts';
import { applyConfiguration } from './apply.ts';
import { badPatch, PatchError } from './error.ts';
import { applyJsonPatch } from './json-patch.ts';
import { applyMergePatch } from './merge-patch.ts';
import { applyStrategicPatch } from './strategic-patch.ts';
import { type SchemaSource, typesOf } from './type.ts';

export type PatchType = 'json' | 'merge' | 'strategic' | 'apply';

export interface PatchRequest {
  type: PatchType;
  kind: KindInfo;
  registry: SchemaSource;
  /** As stored; undefined only for an apply that creates. Not changed. */
  live: KubeObject | undefined;
  /** The parsed body, or its text: JSON, and for an apply YAML. */
  body: unknown;
  /** The field manager; see `managerName`. */
  manager: string;
  /** Apply only: take fields from their owners. */
  force?: boolean;
  subresource?: string | undefined;
  now?: Date;
}

/**
 * The patched object, before defaulting and validation. After an apply its metadata.managedFields are final; after the others they are as
 * before, and `trackManagedFields` says what they become.
 * @throws PatchError
 */
export function applyPatch(request: PatchRequest): KubeObject {
  const { type, kind, registry, live } = request;
  const body = decode(request.body, type);
  if (type === 'apply')
    return applyConfiguration({
      kind,
      type: typesOf(registry).of(kind.schema),
      live,
      config: body,
      manager: request.manager,
      force: request.force ?? false,
      subresource: request.subresource,
      now: request.now ?? new Date(),
    });
  if (!live) throw new Error('only an apply patch creates an object');
  if (type === 'json') return applyJsonPatch(live, body);
  if (type === 'merge') return applyMergePatch(live, body);
  if (!kind.builtin) throw notStrategic();
  return applyStrategicPatch(live, body, typesOf(registry).of(kind.schema));
}

function decode(body: unknown, type: PatchType): unknown {
  const text = Buffer.isBuffer(body) ? body.toString() : body;
  if (typeof text !== 'string') return text;
  if (type === 'apply') return decodeYaml(text);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw badPatch(`error decoding patch: ${(error as Error).message}`);
  }
}

function decodeYaml(text: string): unknown {
  try {
    // kubectl sends JSON here too, and that parses a hundred times faster.
    if (text.trimStart().startsWith('{')) return JSON.parse(text);
  } catch {
    // Flow style YAML also begins with a brace.
  }
  try {
    return parse(text, { maxAliasCount: 100, uniqueKeys: true, version: '1.1' });
  } catch (error) {
    throw badPatch(`error decoding YAML: ${(error as Error).message}`);
  }
}

/** Custom resources say nothing of how their lists are merged, so upstream does not take this kind of patch for them. */
function notStrategic(): PatchError {
  return new PatchError(
    415,
    'UnsupportedMediaType',
    'the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml',
  );
}
