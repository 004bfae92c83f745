import type { KubeletPod, PodStatus } from '../model.ts';
import { timestamp } from '../model.ts';
import { isInitialized } from '../plan.ts';
import { qosClass } from '../resources.ts';
import { type ContainerState, liveSandbox, type PodRuntime } from '../runtime-state.ts';
import { podConditions } from './conditions.ts';
import { containerStatuses, type WaitingReason } from './container-statuses.ts';
import { podPhase } from './phase.ts';

export interface PodStatusInputs {
  readonly runtime: PodRuntime;
  readonly waiting: ReadonlyMap<string, WaitingReason>;
  readonly probes: {
    ready(container: ContainerState): boolean;
    started(container: ContainerState): boolean;
  };
  /** The node's addresses, first the one that pods in its network have. */
  readonly nodeIps: readonly string[];
  /** Nothing is started any more: the pod is deleted, or over. */
  readonly ending: boolean;
  /** The kubelet's own word about the pod: `Failed` for what it refused or ended. */
  readonly verdict?: { readonly reason: string; readonly message: string } | undefined;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** A pod's status as its kubelet reports it, from what the runtime has and what was reported before. */
export function podStatus(pod: KubeletPod, inputs: PodStatusInputs): PodStatus {
  const { runtime, probes, nodeIps, ending, verdict, now, waiting } = inputs;
  const hostNetwork = pod.spec.hostNetwork ?? false;
  const sandbox = liveSandbox(runtime, hostNetwork);
  const done = isInitialized(pod, runtime, probes, sandbox?.id ?? runtime.sandboxes[0]?.id);
  const before = pod.object.status ?? {};
  const begunBefore = (before.containerStatuses ?? []).some((each) => each.containerID);
  const { containers, init } = containerStatuses(pod, {
    runtime,
    waiting,
    initialized: done,
    ready: (container) => probes.ready(container),
    started: (container) => probes.started(container),
    ending,
  });
  const old = before.phase;
  const running = runtime.containers.some((each) => each.state === 'running');
  const isOver = old === 'Failed' || old === 'Succeeded';
  // Over is over: a phase never goes back, whatever was cleaned up since.
  const phase = verdict ? 'Failed' : isOver ? old : podPhase(pod, containers, init, done, ending && !running);
  const view = { containers, init, phase, begun: done || begunBefore, hasSandbox: sandbox !== undefined };
  const ips = hostNetwork ? nodeIps : (sandbox?.addresses ?? []);
  const podIps = ips.length > 0 ? ips : (before.podIPs ?? []).flatMap(({ ip }) => (ip ? [ip] : []));
  const words = verdict ?? (isOver ? { reason: before.reason, message: before.message } : {});
  return {
    phase,
    conditions: podConditions(pod, view, now),
    ...(words.reason ? { reason: words.reason } : {}),
    ...(words.message ? { message: words.message } : {}),
    hostIP: nodeIps[0] ?? '',
    hostIPs: nodeIps.map((ip) => ({ ip })),
    ...(podIps[0] ? { podIP: podIps[0], podIPs: podIps.map((ip) => ({ ip })) } : {}),
    startTime: before.startTime ?? timestamp(now),
    ...(init.length > 0 ? { initContainerStatuses: init } : {}),
    containerStatuses: containers,
    qosClass: before.qosClass ?? qosClass(pod),
  };
}
