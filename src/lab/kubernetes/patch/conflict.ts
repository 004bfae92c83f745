// Conflicts of a server-side apply, in upstream's words.

import { PatchError } from './error.ts';
import { type FieldSet, pathText } from './field-set.ts';
import type { Owner } from './owners.ts';

export interface Conflict {
  owner: Owner;
  fields: FieldSet;
}

/** 409 with a cause for each field that somebody else owns. */
export class ConflictError extends PatchError {
  override name = 'ConflictError';
  readonly conflicts: readonly Conflict[];

  constructor(conflicts: readonly Conflict[]) {
    const flat = conflicts.flatMap(({ owner, fields }) =>
      fields.paths().map((path) => ({ owner: ownerText(owner), field: pathText(path) })),
    );
    super(
      409,
      'Conflict',
      messageOf(flat),
      flat.map(({ owner, field }) => ({
        reason: 'FieldManagerConflict',
        message: `conflict with ${owner}`,
        field,
      })),
    );
    this.conflicts = conflicts;
  }
}

function messageOf(flat: { owner: string; field: string }[]): string {
  if (flat.length === 1)
    return `Apply failed with 1 conflict: conflict with ${flat[0]!.owner}: ${flat[0]!.field}`;
  const owners = [...new Set(flat.map(({ owner }) => owner))].toSorted();
  const lines = owners.flatMap((owner) => [
    `conflicts with ${owner}:`,
    ...flat.filter((one) => one.owner === owner).map(({ field }) => `- ${field}`),
  ]);
  return `Apply failed with ${flat.length} conflicts: ${lines.join('\n')}`;
}

function ownerText(owner: Owner): string {
  const name = JSON.stringify(owner.manager);
  const full = owner.subresource ? `${name} with subresource ${JSON.stringify(owner.subresource)}` : name;
  // Identities carry no time, so upstream's text has none either.
  return owner.operation === 'Update' ? `${full} using ${owner.apiVersion}` : full;
}
