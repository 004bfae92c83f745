import { matchesNode } from '../../../kube/node-selector.ts';
import { Quantity } from '../../../kube/quantity.ts';
import { allContainers, type KubeletPod, type Node } from '../model.ts';
import { type NodeResources, podRequest } from '../resources.ts';

/** Why a node does not take a pod that was given to it: the pod has failed. */
export interface Refusal {
  readonly reason: string;
  readonly message: string;
}

export interface NodeView {
  readonly resources: NodeResources;
  readonly maxPods: number;
  /** The node's labels; undefined while the node is not known yet. */
  readonly labels: Readonly<Record<string, string>> | undefined;
  readonly taints?: NonNullable<Node['spec']>['taints'];
}

function hostPorts(pod: KubeletPod): string[] {
  return allContainers(pod)
    .flatMap((container) => container.ports ?? [])
    .flatMap(({ hostPort, protocol, hostIP }) =>
      hostPort ? [`${protocol ?? 'TCP'}/${hostPort}/${hostIP || '0.0.0.0'}`] : [],
    );
}

function conflict(a: string, b: string): boolean {
  const [protocol, port, ip] = a.split('/');
  const [otherProtocol, otherPort, otherIp] = b.split('/');
  const sameIp = ip === otherIp || ip === '0.0.0.0' || otherIp === '0.0.0.0';
  return protocol === otherProtocol && port === otherPort && sameIp;
}

const total = (pods: readonly KubeletPod[], name: string): Quantity =>
  pods.reduce((sum, pod) => sum.add(podRequest(pod, name)), new Quantity(0n));

/**
 * The node's own look at a pod before it starts it: the scheduler may have been late, or somebody wrote nodeName.
 *
 * @param others - the pods that the node runs already, without those that are over
 */
export function refuse(
  pod: KubeletPod,
  others: readonly KubeletPod[],
  node: NodeView,
  nodeName: string,
): Refusal | undefined {
  if (node.labels && !matchesNode(pod.spec, { metadata: { name: nodeName, labels: node.labels } })) {
    return {
      reason: 'NodeAffinity',
      message:
        "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
    };
  }
  const out = (name: string, requested: bigint, used: bigint, capacity: bigint): Refusal => ({
    reason: `OutOf${name}`,
    message: `Pod was rejected: Node didn't have enough resource: ${name}, requested: ${requested}, used: ${used}, capacity: ${capacity}`,
  });
  if (others.length + 1 > node.maxPods) return out('pods', 1n, BigInt(others.length), BigInt(node.maxPods));
  for (const [name, capacity, unit] of [
    ['cpu', node.resources.cpu, 1_000_000n],
    ['memory', node.resources.memory, 1_000_000_000n],
    ['ephemeral-storage', node.resources.ephemeralStorage, 1_000_000_000n],
  ] as const) {
    const request = podRequest(pod, name);
    const used = total(others, name);
    if (!request.isZero() && used.add(request).compare(capacity) > 0)
      return out(name, request.nanos / unit, used.nanos / unit, capacity.nanos / unit);
  }
  const taken = others.flatMap(hostPorts);
  if (hostPorts(pod).some((port) => taken.some((other) => conflict(port, other)))) {
    return {
      reason: 'NodePorts',
      message:
        "Pod was rejected: Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
    };
  }
  return undefined;
}
