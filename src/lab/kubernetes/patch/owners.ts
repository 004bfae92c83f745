// managedFields as a list of owners: read, changed by an update, and written again.

import type { ManagedFieldsEntry } from '../schema/types.ts';
import { FieldSet } from './field-set.ts';
import type { Comparison } from './field-sets.ts';

export interface Owner {
  manager: string;
  operation: 'Apply' | 'Update';
  apiVersion: string;
  subresource: string;
  /** RFC 3339, whole seconds. */
  time: string | undefined;
  fields: FieldSet;
}

/** As upstream: more updaters than this are folded into one, oldest first. */
const MOST_UPDATERS = 10;
const ANCIENT = 'ancient-changes';

/** Fields that belong to the server, or name the object: nobody owns them. */
const NOT_OWNED = FieldSet.of(
  ['f:apiVersion'],
  ['f:kind'],
  ['f:metadata'],
  ...['name', 'namespace', 'creationTimestamp', 'selfLink', 'uid', 'clusterName', 'generation'].map(
    (name) => ['f:metadata', `f:${name}`],
  ),
  ['f:metadata', 'f:managedFields'],
  ['f:metadata', 'f:resourceVersion'],
);

/** Whether two owners are one entry; an applier is one whatever version it applies in. */
export function isSame(a: Omit<Owner, 'fields' | 'time'>, b: Omit<Owner, 'fields' | 'time'>): boolean {
  return (
    a.manager === b.manager &&
    a.operation === b.operation &&
    a.subresource === b.subresource &&
    (a.operation === 'Apply' || a.apiVersion === b.apiVersion)
  );
}

/** @throws PatchError when an entry's fields are malformed. */
export function decodeOwners(entries: readonly ManagedFieldsEntry[] | undefined): Owner[] {
  return (entries ?? []).map((entry) => ({
    manager: entry.manager ?? '',
    operation: entry.operation === 'Apply' ? 'Apply' : 'Update',
    apiVersion: entry.apiVersion ?? '',
    subresource: entry.subresource ?? '',
    time: entry.time,
    fields: FieldSet.parse(entry.fieldsV1 ?? {}),
  }));
}

export function encodeOwners(owners: readonly Owner[]): ManagedFieldsEntry[] {
  return capped(owners)
    .toSorted(inOrder)
    .map((owner) => ({
      manager: owner.manager,
      operation: owner.operation,
      apiVersion: owner.apiVersion,
      ...(owner.time === undefined ? {} : { time: owner.time }),
      fieldsType: 'FieldsV1',
      fieldsV1: owner.fields.toFieldsV1(),
      ...(owner.subresource === '' ? {} : { subresource: owner.subresource }),
    }));
}

function inOrder(a: Owner, b: Owner): number {
  return (
    order(a.operation, b.operation) ||
    order(a.time ?? '', b.time ?? '') ||
    order(a.manager, b.manager) ||
    order(a.apiVersion, b.apiVersion) ||
    order(a.subresource, b.subresource)
  );
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function capped(owners: readonly Owner[]): readonly Owner[] {
  const updaters = owners.filter((owner) => owner.operation === 'Update');
  if (updaters.length <= MOST_UPDATERS) return owners;
  const oldest = updaters.toSorted(inOrder).slice(0, updaters.length - MOST_UPDATERS + 1);
  const kept = owners.filter((owner) => !oldest.includes(owner));
  for (const owner of oldest) {
    const ancient = kept.find((one) => one.manager === ANCIENT && one.apiVersion === owner.apiVersion);
    if (ancient) {
      ancient.fields = ancient.fields.union(owner.fields);
      ancient.time = owner.time;
    } else kept.push({ ...owner, manager: ANCIENT, subresource: '' });
  }
  return kept;
}

/** What nobody owns goes from the set. */
export function ownable(fields: FieldSet): FieldSet {
  return fields.difference(NOT_OWNED);
}

/**
 * What an update leaves of the owners: who owned what it changed or removed loses that, the updater has it. An update that changed
 * nothing leaves them as they are.
 */
export function updateOwners(
  owners: readonly Owner[],
  change: Comparison,
  updater: Omit<Owner, 'fields'>,
): Owner[] {
  const taken = ownable(change.added.union(change.modified));
  const out = loseTo(owners, change);
  if (taken.empty) return out;
  const mine = out.find((owner) => isSame(owner, updater));
  if (mine)
    return out.map((owner) =>
      owner === mine ? { ...mine, time: updater.time, fields: mine.fields.union(taken) } : owner,
    );
  return [...out, { ...updater, fields: taken }];
}

/** The owners without what the change took from them; who has nothing left is gone. */
export function loseTo(owners: readonly Owner[], change: Comparison, but?: Owner): Owner[] {
  const changed = ownable(change.added.union(change.modified));
  const removed = ownable(change.removed);
  if (changed.empty && removed.empty) return [...owners];
  return owners
    .map((owner) =>
      owner === but
        ? owner
        : { ...owner, fields: owner.fields.difference(changed).recursiveDifference(removed) },
    )
    .filter((owner) => !owner.fields.empty);
}
