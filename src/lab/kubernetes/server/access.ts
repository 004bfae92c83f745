import type { KindInfo, KubeObject } from '../schema/types.ts';
import type { Store } from '../store/store.ts';
import { convert } from './conversion.ts';
import { keyOf, parseKey, prefixOf } from './keys.ts';
import { type GroupResource, internalError, qualified } from './status.ts';
import type { Access, Change, Identity, Plugins } from './types.ts';
import type { WriteOptions, Writer } from './writer.ts';

/** Who writes when the server does. */
const SYSTEM: Identity = { name: 'system:apiserver', groups: ['system:masters'] };

/** What plugins reach of the store; see `Access`. */
export function accessOf(store: Store, plugins: Pick<Plugins, 'kinds'>, writer: () => Writer): Access {
  const kindOf = (resource: GroupResource): KindInfo => {
    const kind = plugins.kinds
      .kinds()
      .find((one) => one.group === resource.group && one.plural === resource.plural);
    if (!kind) throw internalError(`${qualified(resource)} are not served here`);
    return kind;
  };
  const parsed = (resource: GroupResource, text: string): KubeObject => {
    const object = JSON.parse(text) as KubeObject;
    return resource.group === 'events.k8s.io' ? convert(kindOf(resource), object) : object;
  };
  const options = (manager?: string, subresource?: string): WriteOptions => ({
    identity: SYSTEM,
    manager: manager ?? 'kube-apiserver',
    dryRun: false,
    now: new Date(),
    warnings: [],
    subresource,
  });
  return {
    get(resource, namespace, name) {
      const stored = store.get(keyOf(resource, namespace, name));
      return stored && parsed(resource, stored.value);
    },
    list(resource, namespace) {
      const found: KubeObject[] = [];
      for (const { id } of store.current(prefixOf(resource, namespace))) {
        const text = store.value(id);
        if (text !== undefined) found.push(parsed(resource, text));
      }
      return found;
    },
    create: (resource, object, manager) =>
      writer().create(kindOf(resource), object.metadata?.namespace, object, options(manager)),
    update: (resource, object, { subresource, manager } = {}) =>
      writer().update(
        kindOf(resource),
        object.metadata?.namespace,
        object.metadata?.name ?? '',
        () => object,
        options(manager, subresource),
      ),
    async delete(resource, namespace, name) {
      await writer().delete(
        kindOf(resource),
        namespace,
        name,
        { propagationPolicy: 'Background' },
        options(),
      );
    },
    onChange(resource, listener) {
      const prefix = prefixOf(resource);
      return store.onCommit((changes) => {
        for (const change of changes) {
          if (!change.key.startsWith(prefix)) continue;
          let object: KubeObject | undefined;
          const { namespace, name } = parseKey(change.key);
          const told: Change = {
            type: change.deleted ? 'DELETED' : change.created ? 'ADDED' : 'MODIFIED',
            revision: change.revision,
            namespace,
            name,
            object() {
              object ??= parsed(resource, change.value);
              return object;
            },
          };
          listener(told);
        }
      });
    },
  };
}
