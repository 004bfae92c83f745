import type { Pod } from '../../../kube/types.ts';
import type { CriClient } from '../cri.ts';
import { CONTAINER_RUNNING, type CriReply, SANDBOX_READY } from '../cri-schema.ts';
import { CONTAINER_NAME, POD_NAME, POD_NAMESPACE, POD_UID } from '../labels.ts';
import { StreamingError } from './error.ts';

/** The kubelet's pods with their status as the kubelet knows it, which may be newer than the API server's. */
export interface PodSource {
  get(namespace: string, name: string): Pod | undefined;
  list(): Pod[];
}

export interface ContainerLog {
  /** Absolute. */
  readonly path: string;
  /** Whether more may be written. */
  running(): Promise<boolean>;
}

/** Finds what a stream is about. Every refusal is a {@link StreamingError}. */
export interface PodLookup {
  /** The sandbox that runs, for port-forward. */
  sandbox(namespace: string, pod: string): Promise<string>;
  /** The container that runs, for exec and attach. @returns id, and whether it has a terminal and a stdin */
  container(
    namespace: string,
    pod: string,
    container: string,
  ): Promise<{ id: string; tty: boolean; stdin: boolean }>;
  /** A container's log; `previous` is that of the one before. */
  log(namespace: string, pod: string, container: string, previous: boolean): Promise<ContainerLog>;
  pods(): Pod[];
}

type Status = NonNullable<NonNullable<Pod['status']>['containerStatuses']>[number];

/** `containerd://ID` without the runtime's name. */
const bare = (id: string | undefined): string => id?.replace(/^[^:]*:\/\//, '') ?? '';

function statusOf(pod: Pod, container: string): Status | undefined {
  const { containerStatuses, initContainerStatuses, ephemeralContainerStatuses } = pod.status ?? {};
  return [containerStatuses, initContainerStatuses, ephemeralContainerStatuses]
    .flatMap((list) => list ?? [])
    .find((status) => status.name === container);
}

/** Which container's log is meant. @returns its id; empty when the status does not say @throws StreamingError as upstream's kubelet */
export function logContainer(pod: Pod, container: string, previous: boolean): string {
  const where = `container "${container}" in pod "${pod.metadata?.name}"`;
  const refuse = (text: string): StreamingError => new StreamingError(400, text);
  const status = statusOf(pod, container);
  const last = bare(status?.lastState?.terminated?.containerID);
  if (previous) {
    if (last) return last;
    throw refuse(`previous terminated ${where} not found`);
  }
  const { running, terminated, waiting } = status?.state ?? {};
  if (running) return bare(status?.containerID);
  if (terminated) {
    const id = bare(terminated.containerID) || last;
    if (id) return id;
    throw refuse(`${where} is terminated`);
  }
  if (last) return last;
  if (!waiting) throw refuse(`${where} is waiting to start - no logs yet`);
  if (waiting.reason === 'ErrImagePull') throw refuse(`${where} is waiting to start: image can't be pulled`);
  if (waiting.reason === 'ImagePullBackOff')
    throw refuse(`${where} is waiting to start: trying and failing to pull image`);
  throw refuse(`${where} is waiting to start: ${waiting.reason}`);
}

/** Whether a pod has a container of that name, of any kind. */
function spec(pod: Pod, container: string) {
  const { containers, initContainers, ephemeralContainers } = pod.spec ?? {};
  return [containers, initContainers, ephemeralContainers]
    .flatMap((list) => list ?? [])
    .find((each) => each?.name === container);
}

/** Finds pods in the kubelet's memory and containers at the runtime, by the labels that kubelets write. */
export class CriPodLookup implements PodLookup {
  readonly #cri: CriClient;
  readonly #pods: PodSource;

  constructor(cri: CriClient, pods: PodSource) {
    this.#cri = cri;
    this.#pods = pods;
  }

  pods(): Pod[] {
    return this.#pods.list();
  }

  #pod(namespace: string, name: string): Pod {
    const pod = this.#pods.get(namespace, name);
    if (!pod) throw new StreamingError(404, `pod "${name}" not found`);
    return pod;
  }

  #labels(pod: Pod): Record<string, string> {
    const { namespace = '', name = '', uid } = pod.metadata ?? {};
    return { [POD_NAMESPACE]: namespace, [POD_NAME]: name, ...(uid && { [POD_UID]: uid }) };
  }

  async sandbox(namespace: string, name: string): Promise<string> {
    const pod = this.#pod(namespace, name);
    const filter = { labelSelector: this.#labels(pod), state: { state: SANDBOX_READY } };
    const sandboxes = await this.#cri.listPodSandbox(filter);
    const newest = sandboxes.sort((a, b) => Number(b.createdAt) - Number(a.createdAt))[0];
    if (!newest)
      throw new StreamingError(
        404,
        `unable to forward port because pod is not running. Current status=${pod.status?.phase}`,
      );
    return newest.id;
  }

  async #containers(pod: Pod, container: string): Promise<CriReply<'Container'>[]> {
    const labelSelector = { ...this.#labels(pod), [CONTAINER_NAME]: container };
    const found = await this.#cri.listContainers({ labelSelector });
    return found.sort((a, b) => Number(b.createdAt) - Number(a.createdAt));
  }

  async container(namespace: string, name: string, container: string) {
    const pod = this.#pod(namespace, name);
    const wanted = spec(pod, container);
    const missing = (): StreamingError => new StreamingError(404, `container not found ("${container}")`);
    if (!wanted) throw missing();
    const all = await this.#containers(pod, container);
    const running = all.find((each) => each.state === CONTAINER_RUNNING);
    if (!running) throw missing();
    return { id: running.id, tty: wanted.tty ?? false, stdin: wanted.stdin ?? false };
  }

  async log(namespace: string, name: string, container: string, previous: boolean): Promise<ContainerLog> {
    const pod = this.#pod(namespace, name);
    if (!spec(pod, container))
      throw new StreamingError(404, `container "${container}" not found in pod "${name}"`);
    const all = await this.#containers(pod, container);
    let id: string;
    try {
      id = logContainer(pod, container, previous);
    } catch (error) {
      // The status is told some milliseconds after the start; the runtime knows at once.
      if (previous || !all[0]) throw error;
      id = all[0].id;
    }
    // A container that was started since the last status is newer than the one that the status names.
    if (!previous && all[0]?.state === CONTAINER_RUNNING) id = all[0].id;
    const gone = (): StreamingError =>
      new StreamingError(400, `unable to retrieve container logs for containerd://${id}`);
    if (!all.some((each) => each.id === id)) throw gone();
    const { status } = await this.#cri.containerStatus(id);
    if (!status.logPath) throw gone();
    return {
      path: status.logPath,
      running: async () => {
        try {
          return (await this.#cri.containerStatus(id)).status.state === CONTAINER_RUNNING;
        } catch {
          return false;
        }
      },
    };
  }
}
