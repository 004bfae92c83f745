import type { KubeObject } from '../../schema/types.ts';
import { forbidden, notFound, StatusError } from '../status.ts';
import type { AdmissionStep } from '../types.ts';

const NAMESPACES = { group: '', plural: 'namespaces' };

/** Nothing is made in a namespace that is not there or on its way out. Upstream's NamespaceLifecycle. */
export const namespaceLifecycle: AdmissionStep = (
  { operation, kind, namespace, name, subresource },
  access,
) => {
  if (operation !== 'CREATE' || !namespace || subresource) return;
  const found = access.get(NAMESPACES, undefined, namespace) as
    | (KubeObject & { status?: { phase?: string } })
    | undefined;
  if (!found) throw notFound(NAMESPACES, namespace);
  if (!found.metadata?.deletionTimestamp && found.status?.phase !== 'Terminating') return;
  const error = forbidden(
    kind,
    name,
    `unable to create new content in namespace ${namespace} because it is being terminated`,
  );
  // Controllers that fill namespaces know by this cause that they may give up.
  throw new StatusError(error.code, error.reason, error.message, {
    ...error.details,
    causes: [
      {
        reason: 'NamespaceTerminating',
        message: `namespace ${namespace} is being terminated`,
        field: 'metadata.namespace',
      },
    ],
  });
};
