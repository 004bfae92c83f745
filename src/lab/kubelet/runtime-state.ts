/** What the runtime knows of a pod: the only memory that the kubelet has of what it did. */
export interface PodRuntime {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** Newest first. */
  readonly sandboxes: readonly SandboxState[];
  /** Newest first, of all sandboxes. */
  readonly containers: readonly ContainerState[];
}

export interface SandboxState {
  readonly id: string;
  readonly attempt: number;
  readonly ready: boolean;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** The first one is the pod's; none for pods in the node's network. */
  readonly addresses: readonly string[];
}

export interface ContainerState {
  readonly id: string;
  readonly name: string;
  readonly sandboxId: string;
  readonly state: 'created' | 'running' | 'exited' | 'unknown';
  /** How often the container was started before this. */
  readonly restartCount: number;
  /** Of the part of the specification that a running container cannot change. */
  readonly hash: string;
  /** Milliseconds since 1970; 0 when it has not happened. */
  readonly createdAt: number;
  readonly startedAt: number;
  readonly finishedAt: number;
  readonly exitCode: number;
  /** The runtime's word: `Completed`, `Error`, `OOMKilled`, `StartError`. */
  readonly reason: string;
  /** The termination message, or what the runtime said. */
  readonly message: string;
  readonly image: string;
  readonly imageId: string;
}

export function emptyRuntime(pod: { uid: string; namespace: string; name: string }): PodRuntime {
  return { uid: pod.uid, namespace: pod.namespace, name: pod.name, sandboxes: [], containers: [] };
}

/** The last container of that name, whatever became of it. */
export function newest(runtime: PodRuntime, name: string): ContainerState | undefined {
  return runtime.containers.find((container) => container.name === name);
}

/** The sandbox in which the pod lives, if it can live there. */
export function liveSandbox(runtime: PodRuntime, hostNetwork: boolean): SandboxState | undefined {
  const [sandbox] = runtime.sandboxes;
  return sandbox?.ready && (hostNetwork || sandbox.addresses.length > 0) ? sandbox : undefined;
}

export function isActive(container: ContainerState): boolean {
  return container.state === 'running' || container.state === 'unknown';
}
