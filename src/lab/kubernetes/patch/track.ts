// managedFields of an ordinary write: create, update, or a patch that is not an apply.

import type { KindInfo, KubeObject, ManagedFieldsEntry } from '../schema/types.ts';
import { compare } from './field-sets.ts';
import { decodeOwners, encodeOwners, type Owner, updateOwners } from './owners.ts';
import { type SchemaSource, typesOf } from './type.ts';

export interface Tracking {
  registry: SchemaSource;
  kind: KindInfo;
  /** As stored; undefined when the object is created. */
  before: KubeObject | undefined;
  /** As it will be stored: defaulted and admitted. Its own managedFields count, as a client may write them. */
  after: KubeObject;
  manager: string;
  /** With `Apply` the patch has already said whose what is: `after`'s managedFields are returned. */
  operation: 'Apply' | 'Update';
  subresource?: string | undefined;
  now: Date;
}

/** @returns what `after.metadata.managedFields` must be; undefined for none. Changes nothing. */
export function trackManagedFields(tracking: Tracking): ManagedFieldsEntry[] | undefined {
  const { before, after, kind, operation, manager } = tracking;
  const sent = after.metadata?.managedFields;
  if (operation === 'Apply') return sent;
  const stored = before?.metadata?.managedFields;
  const { owners, entries } = startingPoint(tracking, sent, stored);
  // An object that was never tracked, or whose tracking was reset, is not tracked until somebody applies it.
  if (owners.length === 0 && before) return undefined;
  const type = typesOf(tracking.registry).of(kind.schema);
  const change = compare(withoutManagedFields(before), withoutManagedFields(after), type, kind.builtin);
  const next = updateOwners(owners, change, {
    manager: manager || 'unknown',
    operation: 'Update',
    apiVersion: apiVersionOf(kind),
    subresource: tracking.subresource ?? '',
    time: timeText(tracking.now),
  });
  if (next.length === owners.length && next.every((owner, i) => owner === owners[i])) return entries;
  const out = encodeOwners(next);
  return out.length > 0 ? out : undefined;
}

function startingPoint(
  { subresource }: Tracking,
  sent: ManagedFieldsEntry[] | undefined,
  stored: ManagedFieldsEntry[] | undefined,
): { owners: Owner[]; entries: ManagedFieldsEntry[] | undefined } {
  // One empty entry is upstream's sign for "forget who owns what"; an empty list is what clients send that know nothing of it.
  if (!subresource && sent?.length === 1 && Object.keys(sent[0]!).length === 0)
    return { owners: [], entries: undefined };
  if (!subresource && sent && sent.length > 0) {
    try {
      return { owners: decodeOwners(sent), entries: sent };
    } catch {
      // What a client made up is no reason to lose what is stored.
    }
  }
  try {
    return { owners: decodeOwners(stored), entries: stored };
  } catch {
    return { owners: [], entries: undefined };
  }
}

export function apiVersionOf(kind: { group: string; version: string }): string {
  return kind.group === '' ? kind.version : `${kind.group}/${kind.version}`;
}

/** RFC 3339 in whole seconds, as metav1.Time. */
export function timeText(now: Date): string {
  return `${now.toISOString().slice(0, 19)}Z`;
}

export function withoutManagedFields(object: KubeObject | undefined): KubeObject {
  if (!object?.metadata?.managedFields) return object ?? {};
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}
