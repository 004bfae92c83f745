import type { KubeObject } from '../schema/types.ts';
import { forbidden } from '../server/status.ts';
import type { AdmissionRequest, AdmissionStep } from '../server/types.ts';
import { nodeOf } from './node-access.ts';

const nodeNameOf = (pod: KubeObject | undefined): string =>
  (pod?.spec as { nodeName?: string } | undefined)?.nodeName ?? '';

const PODS = { group: '', plural: 'pods' };
const NODES = { group: '', plural: 'nodes' };
const MIRROR = 'kubernetes.io/config.mirror';
/** What a kubelet may say about itself; all other labels below kubernetes.io and k8s.io are the cluster's to give. */
const OWN_LABELS = new Set([
  'kubernetes.io/hostname',
  'kubernetes.io/arch',
  'kubernetes.io/os',
  'beta.kubernetes.io/arch',
  'beta.kubernetes.io/os',
  'beta.kubernetes.io/instance-type',
  'node.kubernetes.io/instance-type',
  'failure-domain.beta.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
  'topology.kubernetes.io/region',
  'topology.kubernetes.io/zone',
]);
const OWN_PREFIX = /(^|\.)(kubelet|node)\.kubernetes\.io$/;

function mayLabel(key: string): boolean {
  const domain = key.includes('/') ? key.slice(0, key.indexOf('/')) : '';
  if (domain === 'node-restriction.kubernetes.io' || domain.endsWith('.node-restriction.kubernetes.io'))
    return false;
  const guarded = /(^|\.)(kubernetes|k8s)\.io$/.test(domain);
  return !guarded || OWN_LABELS.has(key) || OWN_PREFIX.test(domain);
}

function changedLabels(request: AdmissionRequest): string[] {
  const now = request.object?.metadata?.labels ?? {};
  const before = request.oldObject?.metadata?.labels ?? {};
  return [...new Set([...Object.keys(now), ...Object.keys(before)])]
    .filter((key) => now[key] !== before[key])
    .sort();
}

function admitPod(node: string, request: AdmissionRequest, live: KubeObject | undefined): void {
  const { operation, subresource, name, object } = request;
  const refuse = (why: string): Error => forbidden(PODS, name, why);
  if (operation === 'CREATE' && !subresource) {
    if (object?.metadata?.annotations?.[MIRROR] === undefined)
      throw refuse(`pod does not have "${MIRROR}" annotation, node "${node}" can only create mirror pods`);
    if (nodeNameOf(object) !== node)
      throw refuse(`node "${node}" can only create pods with spec.nodeName set to itself`);
    return;
  }
  const owner = nodeNameOf(request.oldObject ?? live ?? object);
  if (owner === node && (operation === 'DELETE' || subresource === 'status' || subresource === 'eviction'))
    return;
  if (operation === 'DELETE')
    throw refuse(`node "${node}" can only delete pods with spec.nodeName set to itself`);
  if (subresource === 'status')
    throw refuse(`node "${node}" can only update pod status for pods with spec.nodeName set to itself`);
  if (subresource === 'eviction')
    throw refuse(`node ${node} can only evict pods with spec.nodeName set to itself`);
  throw refuse(`unexpected pod subresource "${subresource ?? ''}", only "status" and "eviction" are allowed`);
}

function admitNode(node: string, request: AdmissionRequest): void {
  const refuse = (why: string): Error => forbidden(NODES, request.name, why);
  if (request.name !== node)
    throw refuse(
      `node "${node}" is not allowed to ${request.operation === 'CREATE' ? 'create' : 'modify'} node "${request.name}"`,
    );
  if (request.operation === 'DELETE') throw refuse(`node "${node}" is not allowed to delete itself`);
  const labels = changedLabels(request).filter((key) => !mayLabel(key));
  if (labels.length > 0) throw refuse(`is not allowed to modify labels: ${labels.join(', ')}`);
  if (request.operation !== 'UPDATE') return;
  const spec = (object: KubeObject | undefined): Record<string, unknown> => (object?.spec ?? {}) as never;
  const [now, before] = [spec(request.object), spec(request.oldObject)];
  if (JSON.stringify(now.taints ?? []) !== JSON.stringify(before.taints ?? []))
    throw refuse(`node "${node}" is not allowed to modify taints`);
  if (now.configSource && JSON.stringify(now.configSource) !== JSON.stringify(before.configSource))
    throw refuse(`node "${node}" is not allowed to update configSource`);
}

/** NodeRestriction: a kubelet writes its own node and the status of its own pods, and no labels that others trust. */
export const nodeRestriction: AdmissionStep = (request, access) => {
  const node = nodeOf(request.identity);
  if (node === undefined || request.kind.group !== '') return;
  if (request.kind.plural === 'nodes') admitNode(node, request);
  else if (request.kind.plural === 'pods')
    admitPod(node, request, request.oldObject ?? access.get(PODS, request.namespace, request.name));
};
