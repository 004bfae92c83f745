import { containerHash } from './labels.ts';
import {
  type Container,
  initContainers,
  isDeleted,
  isSidecar,
  type KubeletPod,
  restartPolicy,
} from './model.ts';
import { type ContainerState, isActive, liveSandbox, newest, type PodRuntime } from './runtime-state.ts';

/** What has to happen for a pod to be what it should be, as far as can be said now. */
export interface Plan {
  /** All that runs of the pod goes first, its sandboxes too. */
  readonly killPod: boolean;
  /** A sandbox has to be made; this many came before. */
  readonly createSandbox?: { readonly attempt: number };
  /** The sandbox to start containers in; none: it has to be made, or there is nothing to do. */
  readonly sandboxId?: string;
  readonly kill: readonly { readonly container: ContainerState; readonly message: string }[];
  /** In this order. */
  readonly start: readonly Container[];
}

/** What probes say of a running container. */
export interface ProbeView {
  /** Undefined: it may go on. Otherwise why it has to be started again. */
  failure(container: ContainerState): 'liveness' | 'startup' | undefined;
  /** Whether it counts as started, so that what waits for it may follow. */
  started(container: ContainerState): boolean;
}

/** Whether a container that is in this state is to be started (again). */
export function shouldStart(
  pod: KubeletPod,
  container: Container,
  last: ContainerState | undefined,
): boolean {
  if (isDeleted(pod)) return false;
  if (!last) return true;
  if (last.state === 'running') return false;
  if (last.state !== 'exited' || isSidecar(container)) return true;
  const policy = restartPolicy(pod);
  return policy === 'Always' || (policy === 'OnFailure' && last.exitCode !== 0);
}

/** Whether the containers proper may start or have started in this sandbox: then init containers are over. */
export function isInitialized(
  pod: KubeletPod,
  runtime: PodRuntime,
  probes: Pick<ProbeView, 'started'>,
  sandboxId: string | undefined,
): boolean {
  const here = runtime.containers.filter((each) => each.sandboxId === sandboxId);
  const names = new Set(pod.spec.containers.map((each) => each.name));
  if (here.some((each) => names.has(each.name))) return true;
  return initContainers(pod).every((container) => {
    const last = here.find((each) => each.name === container.name);
    if (isSidecar(container)) return last?.state === 'running' && probes.started(last);
    return last?.state === 'exited' && last.exitCode === 0;
  });
}

function removals(pod: KubeletPod, runtime: PodRuntime, probes: ProbeView): Plan['kill'] {
  const specs = new Map([...initContainers(pod), ...pod.spec.containers].map((each) => [each.name, each]));
  return runtime.containers.filter(isActive).flatMap((container) => {
    const spec = specs.get(container.name);
    if (container.state === 'unknown') return [{ container, message: 'is in unknown state' }];
    if (!spec) return [{ container, message: 'is no longer part of the pod' }];
    const name = `Container ${container.name}`;
    if (container.hash !== '' && container.hash !== containerHash(spec))
      return [{ container, message: `${name} definition changed, will be restarted` }];
    const failed = probes.failure(container);
    if (!failed) return [];
    const end = restartPolicy(pod) === 'Never' && !isSidecar(spec) ? '' : ', will be restarted';
    return [{ container, message: `${name} failed ${failed} probe${end}` }];
  });
}

/** The init containers to start now: at most one that comes to an end, and sidecars. */
function nextInit(
  pod: KubeletPod,
  runtime: PodRuntime,
  probes: ProbeView,
  sandboxId: string,
  initialized: boolean,
): Container[] {
  const result: Container[] = [];
  for (const container of initContainers(pod)) {
    const last = runtime.containers.find(
      (each) => each.name === container.name && each.sandboxId === sandboxId,
    );
    if (isSidecar(container)) {
      if (last?.state !== 'running') result.push(container);
      if (!initialized && !(last?.state === 'running' && probes.started(last))) break;
      continue;
    }
    if (initialized || (last?.state === 'exited' && last.exitCode === 0)) continue;
    const failedForGood = last?.state === 'exited' && restartPolicy(pod) === 'Never';
    if (last?.state !== 'running' && !failedForGood) result.push(container);
    break;
  }
  return result;
}

/**
 * Compares what a pod should be with what the runtime has. Called again after each step until nothing is left to do;
 * it decides nothing about waiting times between restarts.
 */
export function planPod(pod: KubeletPod, runtime: PodRuntime, probes: ProbeView): Plan {
  const sandbox = liveSandbox(runtime, pod.spec.hostNetwork ?? false);
  const toStart = pod.spec.containers.filter((each) => {
    const last = newest(runtime, each.name);
    const lost = last?.state === 'running' && last.sandboxId !== sandbox?.id;
    return lost || shouldStart(pod, each, last);
  });
  const others = runtime.sandboxes.filter((each) => each.ready && each !== sandbox);
  if (!sandbox) {
    const attempt = runtime.sandboxes[0] ? runtime.sandboxes[0].attempt + 1 : 0;
    const leftovers = others.length > 0 || runtime.containers.some(isActive);
    // With Never, what began in the old sandbox is over with it.
    const over = restartPolicy(pod) === 'Never' && attempt > 0 && runtime.containers.length > 0;
    const initFailed = failedInit(pod, runtime);
    if (isDeleted(pod) || over || initFailed || toStart.length === 0)
      return { killPod: leftovers, kill: [], start: [] };
    return {
      killPod: leftovers || runtime.sandboxes.length > 0,
      createSandbox: { attempt },
      kill: [],
      start: [],
    };
  }
  const initialized = isInitialized(pod, runtime, probes, sandbox.id);
  const kill = removals(pod, runtime, probes);
  const init = nextInit(pod, runtime, probes, sandbox.id, initialized);
  const kept = pod.spec.containers.some((each) => newest(runtime, each.name)?.state === 'running');
  const start = initialized ? [...init, ...toStart] : init;
  const over = initialized ? !kept && toStart.length === 0 : failedInit(pod, runtime);
  if (over) return { killPod: true, kill: [], start: [] };
  return { killPod: false, sandboxId: sandbox.id, kill, start };
}

/** Whether an init container failed that will not be tried again. */
export function failedInit(pod: KubeletPod, runtime: PodRuntime): boolean {
  if (restartPolicy(pod) !== 'Never') return false;
  return initContainers(pod).some((container) => {
    const last = newest(runtime, container.name);
    return !isSidecar(container) && last?.state === 'exited' && last.exitCode !== 0;
  });
}
