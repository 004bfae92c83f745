import { parseQuantity, Quantity } from '../../kube/quantity.ts';
import type { CriRequest } from './cri-schema.ts';
import { allContainers, type Container, initContainers, isSidecar, type KubeletPod } from './model.ts';

/** What a node has for pods. */
export interface NodeResources {
  readonly cpu: Quantity;
  readonly memory: Quantity;
  readonly ephemeralStorage: Quantity;
}

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';
type Kind = 'requests' | 'limits';

const ZERO = new Quantity(0n);
/** The kernel's, microseconds (Documentation/scheduler/sched-bwc). */
const CFS_PERIOD = 100_000;
const MIN_QUOTA = 1000;
const MIN_SHARES = 2;
const MAX_SHARES = 262_144;

/** A container's request or limit; a missing request is its limit, as API servers default it. */
export function amount(container: Container, kind: Kind, name: string): Quantity | undefined {
  const { requests, limits } = container.resources ?? {};
  const text = kind === 'limits' ? limits?.[name] : (requests?.[name] ?? limits?.[name]);
  return text === undefined ? undefined : parseQuantity(text);
}

/** The class by which the kernel chooses who goes first when memory is short. */
export function qosClass(pod: KubeletPod): QosClass {
  let any = false;
  let guaranteed = true;
  for (const container of allContainers(pod)) {
    for (const name of ['cpu', 'memory']) {
      const request = amount(container, 'requests', name);
      const limit = amount(container, 'limits', name);
      if ((request && !request.isZero()) || (limit && !limit.isZero())) any = true;
      if (!limit || limit.isZero() || !request || request.compare(limit) !== 0) guaranteed = false;
    }
  }
  if (!any) return 'BestEffort';
  return guaranteed ? 'Guaranteed' : 'Burstable';
}

const larger = (a: Quantity, b: Quantity): Quantity => (a.compare(b) >= 0 ? a : b);

/**
 * What a pod asks for as a whole: its containers and sidecars together, or the largest moment of its init containers
 * when that is more; and the overhead of its runtime class.
 */
export function podRequest(pod: KubeletPod, name: string, kind: Kind = 'requests'): Quantity {
  let sum = ZERO;
  for (const each of pod.spec.containers) sum = sum.add(amount(each, kind, name) ?? ZERO);
  let sidecars = ZERO;
  let starting = ZERO;
  for (const each of initContainers(pod)) {
    const own = amount(each, kind, name) ?? ZERO;
    if (isSidecar(each)) sidecars = sidecars.add(own);
    starting = larger(starting, isSidecar(each) ? sidecars : sidecars.add(own));
  }
  const overhead = pod.spec.overhead?.[name];
  const total = larger(sum.add(sidecars), starting);
  return overhead === undefined ? total : total.add(parseQuantity(overhead));
}

/** The weight of a share of processors among others. @param milli - thousandths of one */
export function cpuShares(milli: number): number {
  if (milli === 0) return MIN_SHARES;
  return Math.min(MAX_SHARES, Math.max(MIN_SHARES, Math.floor((milli * 1024) / 1000)));
}

/** Microseconds of each {@link CFS_PERIOD}; 0 is no limit. @param milli - thousandths of a processor */
export function cpuQuota(milli: number): number {
  return milli === 0 ? 0 : Math.max(MIN_QUOTA, Math.floor((milli * CFS_PERIOD) / 1000));
}

/** How eager the kernel is to kill a process when memory is short, -1000..1000, as kubelets set it. */
export function oomScoreAdj(pod: KubeletPod, container: Container, memoryCapacity: Quantity): number {
  if ((pod.spec.priority ?? 0) >= 2_000_000_000) return -997;
  const qos = qosClass(pod);
  if (qos === 'Guaranteed') return -997;
  if (qos === 'BestEffort') return 1000;
  const request = amount(container, 'requests', 'memory') ?? ZERO;
  const score = 1000n - (1000n * request.nanos) / (memoryCapacity.nanos || 1n);
  return Math.min(999, Math.max(3, Number(score)));
}

/** A container's limits as the runtime takes them. */
export function linuxResources(
  pod: KubeletPod,
  container: Container,
  node: NodeResources,
): CriRequest<'LinuxContainerResources'> {
  const request = amount(container, 'requests', 'cpu')?.milliValue() ?? 0;
  const limit = amount(container, 'limits', 'cpu')?.milliValue() ?? 0;
  return {
    cpuShares: cpuShares(request),
    cpuPeriod: CFS_PERIOD,
    cpuQuota: cpuQuota(limit),
    memoryLimitInBytes: amount(container, 'limits', 'memory')?.value() ?? 0,
    oomScoreAdj: oomScoreAdj(pod, container, node.memory),
  };
}

/** The pod's place among cgroups, below the machine's own root. */
export function podCgroup(pod: KubeletPod): string {
  const qos = qosClass(pod);
  return qos === 'Guaranteed' ? `/kubepods/pod${pod.uid}` : `/kubepods/${qos.toLowerCase()}/pod${pod.uid}`;
}

/**
 * `limits.cpu` and the like for variables and downward API files, in units of `divisor`, rounded up. What is not
 * limited is limited by the node.
 */
export function containerResource(
  container: Container,
  resource: string,
  divisor: string | number | undefined,
  node: NodeResources,
): string {
  const [kind, name] = [
    resource.slice(0, resource.indexOf('.')) as Kind,
    resource.slice(resource.indexOf('.') + 1),
  ];
  const whole: Record<string, Quantity> = {
    cpu: node.cpu,
    memory: node.memory,
    'ephemeral-storage': node.ephemeralStorage,
  };
  const found = amount(container, kind, name) ?? (kind === 'limits' ? whole[name] : undefined) ?? ZERO;
  const unit = divisor === undefined || divisor === '0' ? parseQuantity('1') : parseQuantity(divisor);
  const quotient = (found.nanos + unit.nanos - 1n) / unit.nanos;
  return String(quotient);
}
