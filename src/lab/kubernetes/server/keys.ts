import type { KindInfo } from '../schema/types.ts';
import type { GroupResource } from './status.ts';

// Keys of the store: `group/plural/namespace/name`, `group/plural/name`. The group of the core is empty.

/** Events are one set of objects behind two API groups, as upstream. */
export function storageOf({ group, plural }: GroupResource): GroupResource {
  return group === 'events.k8s.io' && plural === 'events' ? { group: '', plural } : { group, plural };
}

/** What all keys of a resource (in a namespace) begin with. */
export function prefixOf(resource: GroupResource, namespace?: string): string {
  const { group, plural } = storageOf(resource);
  return namespace ? `${group}/${plural}/${namespace}/` : `${group}/${plural}/`;
}

export function keyOf(resource: GroupResource, namespace: string | undefined, name: string): string {
  return prefixOf(resource, namespace) + name;
}

export interface ParsedKey {
  /** `group/plural/` */
  resource: string;
  namespace: string | undefined;
  name: string;
}

export function parseKey(key: string): ParsedKey {
  const parts = key.split('/');
  return {
    resource: `${parts[0]}/${parts[1]}/`,
    namespace: parts.length === 4 ? parts[2] : undefined,
    name: parts[parts.length - 1] ?? '',
  };
}

/** `apps/v1`, `v1` */
export function apiVersionOf(kind: Pick<KindInfo, 'group' | 'version'>): string {
  return kind.group ? `${kind.group}/${kind.version}` : kind.version;
}
