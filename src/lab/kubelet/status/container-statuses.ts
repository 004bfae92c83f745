import {
  allContainers,
  type Container,
  type ContainerStatus,
  isSidecar,
  type KubeletPod,
  timestamp,
} from '../model.ts';
import { type ContainerState, newest, type PodRuntime } from '../runtime-state.ts';

/** Why a container does not run although it should: `ImagePullBackOff` and what was said. */
export interface WaitingReason {
  readonly reason: string;
  readonly message: string;
}

export interface StatusInputs {
  readonly runtime: PodRuntime;
  /** By container name; taken back when the container runs. */
  readonly waiting: ReadonlyMap<string, WaitingReason>;
  /** Whether init containers are over. */
  readonly initialized: boolean;
  /** Of running containers: what probes say. */
  ready(container: ContainerState): boolean;
  started(container: ContainerState): boolean;
  /** The pod is being ended, or has ended for good: nothing is started any more. */
  readonly ending: boolean;
}

type State = NonNullable<ContainerStatus['state']>;

const SCHEME = 'containerd://';

function stateOf(container: ContainerState): State {
  if (container.state === 'running') return { running: { startedAt: timestamp(container.startedAt) } };
  if (container.state === 'created') return { waiting: { reason: 'ContainerCreating' } };
  const { exitCode, reason, message, startedAt, finishedAt, id } = container;
  if (container.state === 'unknown') {
    return {
      terminated: {
        exitCode: 137,
        reason: 'ContainerStatusUnknown',
        containerID: SCHEME + id,
        startedAt: timestamp(startedAt),
        finishedAt: timestamp(finishedAt),
      },
    };
  }
  return {
    terminated: {
      exitCode,
      reason: reason || (exitCode === 0 ? 'Completed' : 'Error'),
      ...(message ? { message } : {}),
      startedAt: timestamp(startedAt),
      finishedAt: timestamp(finishedAt),
      containerID: SCHEME + id,
    },
  };
}

/** A container's last end, when what it was is gone from the node: what the status said before. */
function lostState(old: ContainerStatus | undefined, ending: boolean): State | undefined {
  if (old?.state?.terminated) return { terminated: old.state.terminated };
  if (!old?.state?.running || !ending) return undefined;
  return {
    terminated: {
      exitCode: 137,
      reason: 'ContainerStatusUnknown',
      message: 'The container could not be located when the pod was terminated',
      startedAt: old.state.running.startedAt ?? timestamp(0),
      finishedAt: timestamp(0),
      containerID: old.containerID ?? '',
    },
  };
}

function volumeMounts(container: Container): Pick<ContainerStatus, 'volumeMounts'> {
  const mounts = (container.volumeMounts ?? []).map(({ name, mountPath, readOnly }) => ({
    name,
    mountPath,
    ...(readOnly ? { readOnly: true, recursiveReadOnly: 'Disabled' } : {}),
  }));
  return mounts.length === 0 ? {} : { volumeMounts: mounts };
}

function resources(container: Container): Pick<ContainerStatus, 'allocatedResources' | 'resources'> {
  const { requests, limits } = container.resources ?? {};
  if (!requests && !limits) return {};
  return {
    ...(requests ? { allocatedResources: requests } : {}),
    resources: { ...(limits ? { limits } : {}), ...(requests ? { requests } : {}) },
  };
}

function statusOf(
  pod: KubeletPod,
  container: Container,
  isInit: boolean,
  old: ContainerStatus | undefined,
  inputs: StatusInputs,
): ContainerStatus {
  const { runtime, waiting, initialized, ending } = inputs;
  const all = runtime.containers.filter((each) => each.name === container.name);
  const [current, previous] = all;
  const base = {
    name: container.name,
    image: container.image ?? '',
    imageID: '',
    ready: false,
    started: false,
  };
  const extras = { ...resources(container), ...volumeMounts(container) };
  const creating: State = {
    waiting: {
      reason:
        !isInit && (pod.spec.initContainers ?? []).length > 0 && !initialized
          ? 'PodInitializing'
          : 'ContainerCreating',
    },
  };
  const reason = ending ? undefined : waiting.get(container.name);
  if (!current) {
    const lost = lostState(old, ending);
    const restartCount = old?.restartCount ?? 0;
    const state = reason ? { waiting: { ...reason } } : (lost ?? creating);
    const ids = lost && old ? { imageID: old.imageID, containerID: old.containerID ?? '' } : {};
    return {
      ...base,
      ...ids,
      restartCount,
      state,
      lastState: reason && lost ? lost : (old?.lastState ?? {}),
      ...extras,
    };
  }
  const running = current.state === 'running';
  const own = stateOf(current);
  const shown: State = !running && reason ? { waiting: { ...reason } } : own;
  // What waits after an end shows that end; what runs or ended shows the end before.
  const last =
    !running && reason && own.terminated ? own : previous ? stateOf(previous) : (old?.lastState ?? {});
  const isDone = current.state === 'exited' && current.exitCode === 0;
  const started = running && inputs.started(current);
  const proper = !isInit || isSidecar(container);
  return {
    ...base,
    image: current.image || base.image,
    imageID: current.imageId,
    containerID: SCHEME + current.id,
    restartCount: current.restartCount,
    ready: proper ? started && inputs.ready(current) : isDone,
    started,
    state: shown,
    lastState: last.terminated ? last : {},
    ...extras,
  };
}

/** The statuses of a pod's containers in the order of its specification; without an end that nobody has seen. */
export function containerStatuses(
  pod: KubeletPod,
  inputs: StatusInputs,
): { containers: ContainerStatus[]; init: ContainerStatus[] } {
  const before = pod.object.status;
  const old = (name: string, list: readonly ContainerStatus[] | undefined): ContainerStatus | undefined =>
    list?.find((each) => each.name === name);
  return {
    containers: pod.spec.containers.map((each) =>
      statusOf(pod, each, false, old(each.name, before?.containerStatuses), inputs),
    ),
    init: (pod.spec.initContainers ?? []).map((each) =>
      statusOf(pod, each, true, old(each.name, before?.initContainerStatuses), inputs),
    ),
  };
}

/** How often the next start of a container has been tried before. */
export function nextRestartCount(pod: KubeletPod, container: Container, runtime: PodRuntime): number {
  const last = newest(runtime, container.name);
  if (last) return last.restartCount + 1;
  const { containerStatuses: proper = [], initContainerStatuses: init = [] } = pod.object.status ?? {};
  const old = [...proper, ...init].find((each) => each.name === container.name);
  return old?.containerID ? old.restartCount + 1 : 0;
}

/** Names of the containers of which `test` holds, for messages: `[web db]`. */
export function namesWhere(
  statuses: readonly ContainerStatus[],
  test: (status: ContainerStatus) => boolean,
): string {
  return `[${statuses
    .filter(test)
    .map((each) => each.name)
    .join(' ')}]`;
}

export function hasContainer(pod: KubeletPod, name: string): boolean {
  return allContainers(pod).some((each) => each.name === name);
}
