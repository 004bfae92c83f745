// kubectl's annotation with what `kubectl apply` last sent: how its users move from client-side to server-side apply.

import type { KubeObject } from '../schema/types.ts';
import { FieldSet } from './field-set.ts';
import { compare, fieldsOf } from './field-sets.ts';
import type { Type } from './type.ts';
import { isObject } from './value.ts';

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/** The fields that the annotation names and whose values still are as it says: kubectl's own, so no conflict with kubectl. */
export function allowedByLastApplied(live: KubeObject, type: Type): FieldSet {
  const text = live.metadata?.annotations?.[LAST_APPLIED];
  if (text === undefined) return new FieldSet();
  let lastApplied: unknown;
  try {
    lastApplied = JSON.parse(text);
  } catch {
    return new FieldSet();
  }
  if (!isObject(lastApplied) || lastApplied.apiVersion !== live.apiVersion) return new FieldSet();
  const { added, modified, removed } = compare(lastApplied, live, type, false);
  return fieldsOf(lastApplied, type).difference(added.union(modified).union(removed));
}

/** The object with the annotation brought up to date, when kubectl applies to an object that has it. */
export function withLastApplied(object: KubeObject, config: KubeObject, manager: string): KubeObject {
  const annotations = object.metadata?.annotations;
  if (manager !== 'kubectl' || annotations?.[LAST_APPLIED] === undefined) return object;
  const { [LAST_APPLIED]: _, ...own } = config.metadata?.annotations ?? {};
  const applied = { ...config, metadata: { ...config.metadata, annotations: own } };
  return {
    ...object,
    metadata: {
      ...object.metadata,
      annotations: { ...annotations, [LAST_APPLIED]: `${JSON.stringify(applied)}\n` },
    },
  };
}
