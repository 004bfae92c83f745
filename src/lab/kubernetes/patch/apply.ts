// Server-side apply: a manager says what it wants of an object; the server merges that in, keeps the books of who owns which
// field, and refuses to take a field from another owner unless forced.

import type { KindInfo, KubeObject, ManagedFieldsEntry } from '../schema/types.ts';
import { type Conflict, ConflictError } from './conflict.ts';
import { badPatch, PatchError } from './error.ts';
import { FieldSet } from './field-set.ts';
import { compare, fieldsOf } from './field-sets.ts';
import { allowedByLastApplied, withLastApplied } from './last-applied.ts';
import { mergeTyped } from './merge.ts';
import { decodeOwners, encodeOwners, isSame, loseTo, type Owner, ownable, updateOwners } from './owners.ts';
import { prune } from './prune.ts';
import { apiVersionOf, timeText, withoutManagedFields } from './track.ts';
import type { Type } from './type.ts';
import { typedErrors } from './typed-check.ts';
import { isObject, sameJson } from './value.ts';

export interface Application {
  kind: KindInfo;
  type: Type;
  /** As stored; undefined when there is none yet, and the apply creates it. */
  live: KubeObject | undefined;
  config: unknown;
  manager: string;
  force: boolean;
  subresource?: string | undefined;
  now: Date;
}

/** The manager that owns what was there before the first apply to an object that was not tracked. */
const BEFORE_FIRST = 'before-first-apply';
/** kubectl's own: it takes over what `kubectl apply` on the client's side wrote, without a conflict. */
const KUBECTL = 'kubectl';

/** @returns the object with its new managedFields. @throws PatchError; ConflictError when others own what is applied. */
export function applyConfiguration(application: Application): KubeObject {
  const config = checked(application);
  try {
    return withLastApplied(applyOnce(application, config, application.force), config, application.manager);
  } catch (error) {
    if (!(error instanceof ConflictError) || application.manager !== KUBECTL || !application.live)
      throw error;
    const allowed = allowedByLastApplied(application.live, application.type);
    const rest = error.conflicts
      .map(({ owner, fields }) => ({ owner, fields: fields.difference(allowed) }))
      .filter(({ fields }) => !fields.empty);
    if (rest.length > 0) throw new ConflictError(rest);
    return withLastApplied(applyOnce(application, config, true), config, application.manager);
  }
}

function checked({ kind, type, config, subresource }: Application): KubeObject {
  if (!isObject(config)) throw badPatch('error decoding YAML: an apply patch is one object');
  const object = config as KubeObject;
  const expected = apiVersionOf(kind);
  if (object.apiVersion !== expected)
    throw badPatch(
      `Incorrect version specified in apply patch. Specified patch version: ${object.apiVersion ?? ''}, expected: ${expected}`,
    );
  if (object.metadata?.managedFields) throw badPatch('metadata.managedFields must be nil');
  const wrong = typedErrors(object, type);
  if (wrong) {
    const name = `${object.metadata?.namespace ?? ''}/${object.metadata?.name ?? ''}; ${expected}, Kind=${object.kind ?? ''}`;
    throw new PatchError(500, '', `failed to create typed patch object (${name}): ${wrong}`);
  }
  return withoutOthersPart(object, kind, subresource);
}

/** The status is only applied by its subresource, which in turn applies nothing else. */
function withoutOthersPart(object: KubeObject, kind: KindInfo, subresource: string | undefined): KubeObject {
  if (subresource === 'status') {
    const { spec: _, ...rest } = object;
    return rest;
  }
  if (subresource || object.status === undefined) return object;
  if (!kind.subresources.some(({ name }) => name === 'status')) return object;
  const { status: _, ...rest } = object;
  return rest;
}

function applyOnce(application: Application, config: KubeObject, force: boolean): KubeObject {
  const { kind, type } = application;
  const live = withoutManagedFields(application.live);
  const owners = ownersOf(application, live);
  const me: Omit<Owner, 'fields'> = {
    manager: application.manager || 'unknown',
    operation: 'Apply',
    apiVersion: apiVersionOf(kind),
    subresource: application.subresource ?? '',
    time: timeText(application.now),
  };
  const former = owners.find((owner) => isSame(owner, me));
  const mine: Owner = { ...me, fields: fieldsOf(config, type) };
  const all = [...owners.filter((owner) => owner !== former), mine];

  let merged = mergeTyped(live, config, type) as KubeObject;
  if (former) {
    const owned = all.reduce((sum, owner) => sum.union(owner.fields), new FieldSet());
    merged = prune(merged, former.fields, owned, type) as KubeObject;
  }
  const change = compare(live, merged, type, kind.builtin);
  const changed = change.added.union(change.modified);
  const conflicts = all
    .filter((owner) => owner !== mine)
    .map((owner): Conflict => ({ owner, fields: owner.fields.intersection(changed) }))
    .filter(({ fields }) => !fields.empty);
  if (conflicts.length > 0 && !force) throw new ConflictError(conflicts);

  mine.fields = ownable(mine.fields);
  const next = loseTo(all, change, mine).filter((owner) => owner !== mine || !owner.fields.empty);
  return withOwners(application.live, merged, next, former, mine);
}

function ownersOf({ live: stored, kind, type, now }: Application, live: KubeObject): Owner[] {
  let owners: Owner[] = [];
  try {
    owners = decodeOwners(stored?.metadata?.managedFields);
  } catch {
    // Unreadable books are as none: what is there belongs to nobody that could be asked.
  }
  if (owners.length > 0 || !stored) return owners;
  return updateOwners([], compare({}, live, type, kind.builtin), {
    manager: BEFORE_FIRST,
    operation: 'Update',
    apiVersion: apiVersionOf(kind),
    subresource: '',
    time: timeText(now),
  });
}

/** An apply that changes nothing keeps its former time, so that nothing is written. */
function withOwners(
  stored: KubeObject | undefined,
  merged: KubeObject,
  owners: Owner[],
  former: Owner | undefined,
  mine: Owner,
): KubeObject {
  if (former && sameJson(withoutManagedFields(stored), merged)) {
    const before = stored?.metadata?.managedFields;
    const entries = encodeOwners(
      owners.map((owner) => (owner === mine ? { ...mine, time: former.time } : owner)),
    );
    if (sameJson(entries, before)) return withEntries(merged, before);
  }
  return withEntries(merged, encodeOwners(owners));
}

function withEntries(object: KubeObject, managedFields: ManagedFieldsEntry[] | undefined): KubeObject {
  const metadata = { ...object.metadata };
  if (managedFields && managedFields.length > 0) metadata.managedFields = managedFields;
  return { ...object, metadata };
}
