import { createAuth } from '../auth/index.ts';
import { crdPlugin } from '../crd/index.ts';
import { applyDefaults } from '../defaults/index.ts';
import { applyPatch, trackManagedFields } from '../patch/index.ts';
import { proxyHandlers } from '../proxy/index.ts';
import { SchemaRegistry } from '../schema/registry.ts';
import { tableOf } from '../table/index.ts';
import { decodeObject, validateCreate, validateUpdate } from '../validation/index.ts';
import { defaultIngressClass } from './admission/ingresses.ts';
import { namespaceLifecycle } from './admission/namespaces.ts';
import { taintNewNode } from './admission/nodes.ts';
import { defaultTolerations, priority, serviceAccount } from './admission/pods.ts';
import { documents } from './documents.ts';
import { replaying } from './replay.ts';
import type { Plugins } from './types.ts';

export interface WiringOptions {
  /** The folder that `ensurePki` made. */
  pki: string;
  /** Told of what goes wrong in the background. */
  onError: (error: unknown, what: string) => void;
}

/** The rooms of the API server, put together. */
export function wire({ pki, onError }: WiringOptions): Plugins {
  const registry = SchemaRegistry.load();
  const auth = createAuth({ pki, onError: (error) => onError(error, 'authorization') });
  const crds = crdPlugin(registry, (message, error) => onError(error, message));
  return {
    kinds: registry,
    authenticate: auth.authenticate,
    authorize: auth.authorize,
    decode: (kind, text, options) => decodeObject(registry, kind, text, options),
    applyDefaults: (kind, object) =>
      crds.concerns(kind) ? crds.applyDefaults(kind, object) : applyDefaults(kind, object),
    // The rules of the kinds that are built in, metadata of all, and what CRDs say.
    validateCreate: (kind, object) => [...validateCreate(kind, object), ...crds.validateCreate(kind, object)],
    validateUpdate: (kind, object, old) => [
      ...validateUpdate(kind, object, old),
      ...crds.validateUpdate(kind, object, old),
    ],
    applyPatch: (request) => applyPatch({ ...request, registry }),
    trackManagedFields: (request) => trackManagedFields({ ...request, registry }),
    tableOf,
    discovery: documents(registry),
    connect: new Map([...auth.connect, ...proxyHandlers({ pki })]),
    admission: [
      namespaceLifecycle,
      serviceAccount,
      priority,
      defaultTolerations,
      defaultIngressClass,
      taintNewNode,
      crds.admit,
      ...auth.admission,
    ],
    async start(access, store) {
      await auth.start(replaying(access, store, { group: '', plural: 'pods' }));
      crds.start(access);
    },
  };
}
