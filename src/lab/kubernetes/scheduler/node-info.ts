// A node with its pods, as a scheduling round sees it.
import type { Node, Pod, PodAffinityTerm } from '../controllers/common/objects.ts';
import { add, parse, podRequests, type Resources } from './resources.ts';

export interface HostPort {
  address: string;
  protocol: string;
  port: number;
}

export interface WeightedTerm {
  weight: number;
  term: PodAffinityTerm;
}

/** What a pod means for scheduling, worked out once for each version of it. */
export interface PodInfo {
  readonly pod: Pod;
  readonly requests: Resources;
  readonly estimate: Resources;
  readonly ports: readonly HostPort[];
  readonly affinity: readonly PodAffinityTerm[];
  readonly antiAffinity: readonly PodAffinityTerm[];
  readonly preferred: readonly WeightedTerm[];
  readonly priority: number;
}

const infos = new WeakMap<Pod, PodInfo>();

export function podInfo(pod: Pod): PodInfo {
  let info = infos.get(pod);
  if (!info) {
    info = makeInfo(pod);
    infos.set(pod, info);
  }
  return info;
}

function makeInfo(pod: Pod): PodInfo {
  const { spec } = pod;
  const { podAffinity, podAntiAffinity } = spec.affinity ?? {};
  const weighted = (
    terms: { weight: number; podAffinityTerm: PodAffinityTerm }[] | undefined,
    sign: number,
  ): WeightedTerm[] =>
    (terms ?? []).map(({ weight, podAffinityTerm }) => ({ weight: sign * weight, term: podAffinityTerm }));
  return {
    pod,
    requests: podRequests(spec),
    estimate: podRequests(spec, true),
    ports: portsOf(pod),
    affinity: podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [],
    antiAffinity: podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [],
    preferred: [
      ...weighted(podAffinity?.preferredDuringSchedulingIgnoredDuringExecution, 1),
      ...weighted(podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution, -1),
    ],
    priority: spec.priority ?? 0,
  };
}

function portsOf(pod: Pod): HostPort[] {
  const sidecars = (pod.spec.initContainers ?? []).filter((c) => c.restartPolicy === 'Always');
  return [...pod.spec.containers, ...sidecars].flatMap((container) =>
    (container.ports ?? [])
      .filter((p) => p.hostPort || pod.spec.hostNetwork)
      .map((p) => ({
        address: p.hostIP || '0.0.0.0',
        protocol: p.protocol ?? 'TCP',
        port: p.hostPort || p.containerPort,
      })),
  );
}

export function portsConflict(a: HostPort, b: HostPort): boolean {
  return (
    a.port === b.port &&
    a.protocol === b.protocol &&
    (a.address === b.address || a.address === '0.0.0.0' || b.address === '0.0.0.0')
  );
}

/** What a node can give: its allocatable, or its capacity while the kubelet says no more. */
export class NodeInfo {
  readonly node: Node;
  readonly allocatable: Resources;
  readonly pods = new Map<string, PodInfo>();
  readonly requested: Resources = {};
  /** With defaults for what asks for nothing: cpu and memory, for scores. */
  readonly estimated: Resources = { cpu: 0, memory: 0 };

  constructor(node: Node, pods: Iterable<PodInfo> = []) {
    this.node = node;
    this.allocatable = parse(node.status.allocatable ?? node.status.capacity);
    for (const pod of pods) this.add(pod);
  }

  get name(): string {
    return this.node.metadata.name;
  }

  add(info: PodInfo): void {
    this.remove(info.pod.metadata.uid);
    this.pods.set(info.pod.metadata.uid, info);
    add(this.requested, info.requests);
    add(this.estimated, info.estimate);
  }

  remove(uid: string): void {
    const info = this.pods.get(uid);
    if (!info) return;
    this.pods.delete(uid);
    add(this.requested, info.requests, -1);
    add(this.estimated, info.estimate, -1);
  }

  /** A copy without some pods and with others. */
  with(without: Iterable<PodInfo>, more: Iterable<PodInfo> = []): NodeInfo {
    const copy = new NodeInfo(this.node, this.pods.values());
    for (const info of without) copy.remove(info.pod.metadata.uid);
    for (const info of more) copy.add(info);
    return copy;
  }
}
