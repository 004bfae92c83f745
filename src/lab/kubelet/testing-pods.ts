import { containerHash } from './labels.ts';
import { type Container, type KubeletPod, type PodSpec, toKubeletPod } from './model.ts';
import type { ContainerState, PodRuntime, SandboxState } from './runtime-state.ts';

/** A pod for tests, with one container unless its specification says otherwise. */
export function testPod(
  spec: Partial<PodSpec> = {},
  more: { metadata?: object; status?: object } = {},
): KubeletPod {
  return toKubeletPod({
    metadata: { name: 'p', namespace: 'n', uid: 'u', ...more.metadata },
    spec: { containers: [{ name: 'c', image: 'i:1' }], ...spec },
    ...(more.status ? { status: more.status as never } : {}),
  });
}

let serial = 0;

/** A container as the runtime has it. */
export function testContainer(spec: Container, more: Partial<ContainerState> = {}): ContainerState {
  serial++;
  return {
    id: `${spec.name}-${serial}`,
    name: spec.name,
    sandboxId: 's0',
    state: 'running',
    restartCount: 0,
    hash: containerHash(spec),
    createdAt: serial,
    startedAt: 1000,
    finishedAt: 0,
    exitCode: 0,
    reason: '',
    message: '',
    image: spec.image ?? '',
    imageId: 'sha256:1',
    ...more,
  };
}

export const SANDBOX: SandboxState = {
  id: 's0',
  attempt: 0,
  ready: true,
  createdAt: 1,
  addresses: ['10.1.0.2'],
};

/** @param containers - newest first */
export function testRuntime(containers: ContainerState[], sandboxes: SandboxState[] = [SANDBOX]): PodRuntime {
  return { uid: 'u', namespace: 'n', name: 'p', sandboxes, containers };
}

export const exited = (exitCode: number, more: Partial<ContainerState> = {}): Partial<ContainerState> => ({
  state: 'exited',
  exitCode,
  finishedAt: 5000,
  ...more,
});

/** Probes that find nothing wrong. */
export const HEALTHY = { failure: () => undefined, started: () => true, ready: () => true };
