import { isDeepStrictEqual } from 'node:util';
import { nthAddress } from '../../../address/cidr.ts';
import { formatAddress } from '../../../address/ip.ts';
import type { KubeObject } from '../schema/types.ts';
import type { Runtime } from './runtime.ts';
import type { GroupResource } from './status.ts';
import type { Access } from './types.ts';

const NAMESPACES = { group: '', plural: 'namespaces' };
const SERVICES = { group: '', plural: 'services' };
const ENDPOINTS = { group: '', plural: 'endpoints' };
const SLICES = { group: 'discovery.k8s.io', plural: 'endpointslices' };
const ACCOUNTS = { group: '', plural: 'serviceaccounts' };
const DEFAULT_NAMESPACES = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];
/** How often the `kubernetes` Service is put right. Milliseconds, upstream's. */
const RECONCILE = 10_000;

/** Creates what is not there. */
async function ensure(access: Access, resource: GroupResource, object: KubeObject): Promise<void> {
  if (access.get(resource, object.metadata?.namespace, object.metadata?.name ?? '')) return;
  await access.create(resource, object);
}

/** The namespaces that every cluster has. */
export async function ensureNamespaces(access: Access): Promise<void> {
  for (const name of DEFAULT_NAMESPACES)
    await ensure(access, NAMESPACES, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
}

/**
 * Gives every namespace its `default` ServiceAccount in the moment it is made, so that the first pod of a new namespace need not wait for a
 * controller. The controller puts back what is deleted later.
 */
export function followNamespaces(
  access: Access,
  onError: (error: unknown, what: string) => void,
): () => void {
  const account = (namespace: string) =>
    ensure(access, ACCOUNTS, {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { namespace, name: 'default' },
    }).catch((error: unknown) => {
      // The controller was faster, or the namespace is gone again.
      const code = (error as { code?: number }).code;
      if (code !== 409 && code !== 404 && code !== 403) onError(error, 'default service account');
    });
  return access.onChange(NAMESPACES, ({ type, name }) => {
    if (type === 'ADDED') account(name);
  });
}

export interface KubernetesServiceOptions {
  /** Where nodes and pods reach this server. */
  address: string;
  port: number;
}

const LABELS = { component: 'apiserver', provider: 'kubernetes' };
const META = { namespace: 'default', name: 'kubernetes' };

async function put(access: Access, resource: GroupResource, wanted: KubeObject): Promise<void> {
  const { namespace, name = '' } = wanted.metadata ?? {};
  const live = access.get(resource, namespace, name);
  if (!live) {
    await access.create(resource, wanted);
    return;
  }
  const { metadata: _a, ...contents } = wanted;
  const { metadata: _b, ...present } = live;
  const same = Object.entries(contents).every(([field, value]) => {
    if (field !== 'spec') return isDeepStrictEqual(present[field], value);
    // Of the Service only what is ours: the address cannot change.
    return isDeepStrictEqual(
      (present.spec as { ports?: unknown }).ports,
      (value as { ports?: unknown }).ports,
    );
  });
  if (!same)
    await access.update(resource, {
      ...live,
      ...contents,
      ...(contents.spec !== undefined && {
        spec: { ...(live.spec as object), ...(contents.spec as object) },
      }),
    });
}

/** The Service `kubernetes`, by which pods find this server, and what is behind it. */
export async function ensureKubernetesService(
  { access, serviceCidr }: Pick<Runtime, 'access' | 'serviceCidr'>,
  { address, port }: KubernetesServiceOptions,
): Promise<void> {
  const clusterIP = formatAddress(nthAddress(serviceCidr, 1));
  await put(access, SERVICES, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { ...META, labels: LABELS },
    spec: {
      type: 'ClusterIP',
      clusterIP,
      clusterIPs: [clusterIP],
      ports: [{ name: 'https', port: 443, protocol: 'TCP', targetPort: port }],
    },
  });
  await put(access, ENDPOINTS, {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { ...META, labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } },
    subsets: [{ addresses: [{ ip: address }], ports: [{ name: 'https', port, protocol: 'TCP' }] }],
  });
  await put(access, SLICES, {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { ...META, labels: { 'kubernetes.io/service-name': 'kubernetes' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: [address], conditions: { ready: true } }],
    ports: [{ name: 'https', port, protocol: 'TCP' }],
  });
}

/** Keeps it so. Returns what ends it. */
export function keepKubernetesService(
  runtime: Pick<Runtime, 'access' | 'serviceCidr'>,
  options: KubernetesServiceOptions,
  onError: (error: unknown, what: string) => void,
): () => void {
  const timer = setInterval(() => {
    ensureKubernetesService(runtime, options).catch((error: unknown) => onError(error, 'service kubernetes'));
  }, RECONCILE).unref();
  return () => clearInterval(timer);
}
