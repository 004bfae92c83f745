import { type ContainerStatus, isSidecar, type KubeletPod, restartPolicy } from '../model.ts';

export type Phase = 'Pending' | 'Running' | 'Succeeded' | 'Failed';

const failed = (status: ContainerStatus): boolean => (status.state?.terminated?.exitCode ?? 0) !== 0;

/**
 * A pod's phase, by upstream's rules: pending until each container ran once, running while one runs or will run
 * again, and over when none will.
 */
export function podPhase(
  pod: KubeletPod,
  containers: readonly ContainerStatus[],
  init: readonly ContainerStatus[],
  initialized: boolean,
  /** The pod is deleted or ended and nothing runs of it any more. */
  ended = false,
): Phase {
  const policy = restartPolicy(pod);
  const specs = pod.spec.initContainers ?? [];
  const inits = init.filter((_, index) => specs[index] && !isSidecar(specs[index]));
  const sidecars = init.filter((_, index) => specs[index] && isSidecar(specs[index]));
  if (policy === 'Never' && inits.some(failed)) return 'Failed';
  if (ended) {
    const good = [...containers, ...inits].every((each) => each.state?.terminated?.exitCode === 0);
    return good ? 'Succeeded' : 'Failed';
  }
  let [waiting, running, stopped, succeeded] = [0, 0, 0, 0];
  for (const { state, lastState } of containers) {
    if (state?.running) running++;
    else if (state?.terminated || lastState?.terminated) {
      stopped++;
      if (state?.terminated?.exitCode === 0) succeeded++;
    } else waiting++;
  }
  const begun = running + stopped > 0;
  if (!initialized && !begun) return 'Pending';
  if (waiting > 0) return 'Pending';
  if (running > 0) return 'Running';
  if (policy === 'Always' || sidecars.some((each) => each.state?.running)) return 'Running';
  // What waits to be started again after an end is not over.
  if (containers.some((each) => each.state?.waiting)) return 'Running';
  if (stopped === succeeded) return 'Succeeded';
  return policy === 'Never' ? 'Failed' : 'Running';
}
