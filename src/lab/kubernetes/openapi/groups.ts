import type { SchemaRegistry } from '../schema/registry.ts';
import type { KindInfo } from '../schema/types.ts';

export interface GroupVersionKinds {
  group: string;
  version: string;
  kinds: KindInfo[];
}

export interface Group {
  name: string;
  /** The preferred one first. */
  versions: GroupVersionKinds[];
}

/** Stable before beta before alpha, higher numbers first; names that are no versions last, by alphabet. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [rank(a), rank(b)];
  if (left && right) return right.stage - left.stage || right.major - left.major || right.minor - left.minor;
  if (left || right) return left ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
}

function rank(version: string): { stage: number; major: number; minor: number } | undefined {
  const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version);
  if (!match) return undefined;
  const stage = match[2] === 'alpha' ? 0 : match[2] === 'beta' ? 1 : 2;
  return { stage, major: Number(match[1]), minor: Number(match[3] ?? 0) };
}

/** `v1`, `apps/v1`. */
export function apiVersionOf({ group, version }: { group: string; version: string }): string {
  return group ? `${group}/${version}` : version;
}

/** All groups in the registry's order, the core (empty name) among them. */
export function groupsOf(registry: SchemaRegistry): Group[] {
  const groups = new Map<string, Map<string, KindInfo[]>>();
  for (const kind of registry.kinds()) {
    const versions = groups.get(kind.group) ?? new Map<string, KindInfo[]>();
    groups.set(kind.group, versions);
    const kinds = versions.get(kind.version);
    if (kinds) kinds.push(kind);
    else versions.set(kind.version, [kind]);
  }
  return [...groups].map(([name, versions]) => ({
    name,
    versions: [...versions]
      .map(([version, kinds]) => ({
        group: name,
        version,
        kinds: kinds.toSorted((a, b) => (a.plural < b.plural ? -1 : 1)),
      }))
      .sort((a, b) => compareVersions(a.version, b.version)),
  }));
}
