import type { KubeObject } from '../../schema/types.ts';
import { conflict, forbidden } from '../status.ts';
import type { Strategy } from './types.ts';

const RESOURCE = { group: '', plural: 'namespaces' };
const SYSTEM = new Set(['default', 'kube-system', 'kube-public', 'kube-node-lease']);

interface NamespaceObject extends KubeObject {
  spec?: { finalizers?: string[] };
  status?: { phase?: string };
}

const finalizersOf = (object: KubeObject): string[] => (object as NamespaceObject).spec?.finalizers ?? [];

export const namespaceStrategy: Strategy = {
  prepareCreate(object) {
    const namespace = object as NamespaceObject;
    // Removed by the namespace controller, through the finalize subresource, when all that is in it has gone.
    namespace.spec = { finalizers: [...new Set([...finalizersOf(object), 'kubernetes'])] };
    namespace.status = { phase: 'Active' };
    const meta = object.metadata ?? {};
    meta.labels = { ...meta.labels, 'kubernetes.io/metadata.name': meta.name ?? '' };
  },
  prepareUpdate(object, live) {
    object.spec = live.spec;
    const meta = object.metadata ?? {};
    meta.labels = { ...meta.labels, 'kubernetes.io/metadata.name': meta.name ?? '' };
  },
  checkDelete(object) {
    const name = object.metadata?.name ?? '';
    if (SYSTEM.has(name)) throw forbidden(RESOURCE, name, 'this namespace may not be deleted');
    if (object.metadata?.deletionTimestamp && finalizersOf(object).length > 0)
      throw conflict(
        RESOURCE,
        name,
        'The system is ensuring all content is removed from this namespace.  Upon completion, this namespace will automatically be purged by the system.',
      );
  },
  beginDelete(object) {
    object.status = { ...(object as NamespaceObject).status, phase: 'Terminating' };
  },
  held: (object) => finalizersOf(object).length > 0,
};
