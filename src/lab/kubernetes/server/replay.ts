import type { KubeObject } from '../schema/types.ts';
import type { Store } from '../store/store.ts';
import { parseKey, prefixOf } from './keys.ts';
import { type GroupResource, qualified } from './status.ts';
import type { Access } from './types.ts';

/**
 * The same access, but that what exists of one resource is told to its listeners, one object after the other, instead of listed: of pods
 * there may be so many that all of them parsed at once would be the most that the server ever needs.
 */
export function replaying(access: Access, store: Store, resource: GroupResource): Access {
  const same = (other: GroupResource) => qualified(other) === qualified(resource);
  return {
    ...access,
    list: (other, namespace) => (same(other) ? [] : access.list(other, namespace)),
    onChange(other, listener) {
      const end = access.onChange(other, listener);
      if (!same(other)) return end;
      for (const { id, key } of store.current(prefixOf(resource))) {
        const { namespace, name } = parseKey(key);
        const object = () => JSON.parse(store.value(id) ?? '{}') as KubeObject;
        listener({ type: 'ADDED', revision: id, namespace, name, object });
      }
      return end;
    },
  };
}
