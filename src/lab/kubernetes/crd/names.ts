// Which names a CRD gets: those that no other kind of its group has.

import type { KindInfo } from '../schema/types.ts';
import type { Crd, CrdCondition, CrdNames } from './types.ts';
import { conditionOf } from './types.ts';

/** The status of a CRD beside the kinds that others serve; `now` is RFC 3339. The same object when nothing changes. */
export function acceptNames(crd: Crd, others: readonly KindInfo[], now: string): Crd {
  const wanted = completeNames(crd.spec.names);
  const taken = others.filter((kind) => kind.group === crd.spec.group);
  const resources = new Set(taken.flatMap((kind) => [kind.plural, kind.singular, ...kind.shortNames]));
  const kinds = new Set(taken.flatMap((kind) => [kind.kind, kind.listKind]));
  const before = crd.status?.acceptedNames;
  const clashes: { reason: string; message: string }[] = [];
  const clash = (reason: string, name: string): void => {
    clashes.push({ reason, message: `${JSON.stringify(name)} is already in use` });
  };
  const accepted: CrdNames = { plural: before?.plural ?? '', kind: before?.kind ?? '' };
  const pick = (
    field: 'plural' | 'singular' | 'kind' | 'listKind',
    used: Set<string>,
    reason: string,
  ): void => {
    if (!used.has(wanted[field] as string)) accepted[field] = wanted[field] as string;
    else {
      clash(reason, wanted[field] as string);
      if (before?.[field]) accepted[field] = before[field] as string;
    }
  };
  pick('plural', resources, 'PluralConflict');
  pick('singular', resources, 'SingularConflict');
  pick('kind', kinds, 'KindConflict');
  pick('listKind', kinds, 'ListKindConflict');
  const shortClashes = (wanted.shortNames ?? []).filter((name) => resources.has(name));
  for (const name of shortClashes) clash('ShortNamesConflict', name);
  if (shortClashes.length > 0) accepted.shortNames = before?.shortNames ?? [];
  else if (wanted.shortNames) accepted.shortNames = wanted.shortNames;
  if (wanted.categories) accepted.categories = wanted.categories;
  return withStatus(crd, accepted, clashes[0], now);
}

/** With the names that upstream derives from others. */
export function completeNames(names: CrdNames): CrdNames {
  return {
    ...names,
    singular: names.singular || (names.kind ?? '').toLowerCase(),
    listKind: names.listKind || `${names.kind}List`,
  };
}

function withStatus(
  crd: Crd,
  acceptedNames: CrdNames,
  clash: { reason: string; message: string } | undefined,
  now: string,
): Crd {
  const established = conditionOf(crd, 'Established')?.status === 'True' || clash === undefined;
  const conditions = [
    condition(
      crd,
      clash
        ? { type: 'NamesAccepted', status: 'False', reason: clash.reason, message: clash.message }
        : { type: 'NamesAccepted', status: 'True', reason: 'NoConflicts', message: 'no conflicts found' },
      now,
    ),
    condition(
      crd,
      established
        ? {
            type: 'Established',
            status: 'True',
            reason: 'InitialNamesAccepted',
            message: 'the initial names have been accepted',
          }
        : {
            type: 'Established',
            status: 'False',
            reason: 'NotAccepted',
            message: 'not all names are accepted',
          },
      now,
    ),
    ...(crd.status?.conditions ?? []).filter(
      ({ type }) => type !== 'NamesAccepted' && type !== 'Established',
    ),
  ];
  const stored = crd.status?.storedVersions ?? [];
  const storage = crd.spec.versions.find((version) => version.storage)?.name ?? '';
  const storedVersions = stored.includes(storage) ? stored : [...stored, storage];
  const status = { ...crd.status, conditions, acceptedNames, storedVersions };
  return JSON.stringify(status) === JSON.stringify(crd.status) ? crd : { ...crd, status };
}

/** Keeps the time of a condition whose status stays. */
export function condition(crd: Crd, next: CrdCondition, now: string): CrdCondition {
  const before = conditionOf(crd, next.type);
  const { type, status, reason, message } = next;
  const lastTransitionTime = before?.status === status ? (before.lastTransitionTime ?? now) : now;
  return { lastTransitionTime, message, reason, status, type };
}
