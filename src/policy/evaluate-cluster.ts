import { formatAddress, isAddress, parseAddress } from '../address/ip.ts';
import {
  type Cluster,
  type ClusterPolicy,
  type ClusterPolicyKind,
  keyOf,
  type Labels,
  NAMESPACE_NAME_LABEL,
  type NodeObject,
  type PodObject,
} from './objects.ts';

export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export function samePod(a: PodObject, b: PodObject): boolean {
  return keyOf(a) === keyOf(b);
}

/** Who has the address; never a pod in its host's network, nor one that has ended. */
export function podAt(cluster: Cluster, address: string): PodObject | undefined {
  return cluster.pods
    .filter((pod) => !pod.spec?.hostNetwork && !hasEnded(pod) && addressesOf(pod).includes(address))
    .sort((a, b) => compare(ageOf(b), ageOf(a)) || compare(keyOf(b), keyOf(a)))[0];
}

function ageOf(pod: PodObject): string {
  return pod.metadata?.creationTimestamp ?? '';
}

function hasEnded(pod: PodObject): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}

function addressesOf({ status }: PodObject): string[] {
  const all = [status?.podIP, ...(status?.podIPs ?? []).map((one) => one.ip)];
  return all.filter((one) => typeof one === 'string' && isAddress(one)).map((one) => spelled(one!));
}

function spelled(address: string): string {
  return formatAddress(parseAddress(address));
}

/** Whether the address is one of the node that the pod runs on. */
export function ownNodeHas(cluster: Cluster, pod: PodObject, address: string): boolean {
  return cluster.nodes.some((node) => node.metadata?.name === pod.spec?.nodeName && nodeHas(node, address));
}

export function nodeHas(node: NodeObject, address: string): boolean {
  return (node.status?.addresses ?? []).some(
    ({ address: one }) => typeof one === 'string' && isAddress(one) && spelled(one) === address,
  );
}

/** The labels of a pod's namespace. One that is not known has at least its name for a label, as every namespace. */
export function namespaceLabels(cluster: Cluster, pod: PodObject): Labels {
  const name = pod.metadata?.namespace ?? '';
  const found = cluster.namespaces.find(({ metadata }) => metadata?.name === name);
  return found ? (found.metadata?.labels ?? {}) : { [NAMESPACE_NAME_LABEL]: name };
}

interface Ranked {
  readonly kind: ClusterPolicyKind;
  readonly policy: ClusterPolicy;
}

/** Within one tier: priority, kind, name. */
export function byPrecedence(a: Ranked, b: Ranked): number {
  return (
    priorityOf(a) - priorityOf(b) ||
    compare(a.kind, b.kind) ||
    compare(a.policy.metadata?.name ?? '', b.policy.metadata?.name ?? '')
  );
}

function priorityOf({ kind, policy }: Ranked): number {
  return kind === 'BaselineAdminNetworkPolicy' ? Number.MAX_SAFE_INTEGER : (policy.spec?.priority ?? 0);
}
