import { type ContainerStatus, isSidecar, type KubeletPod, type PodCondition, timestamp } from '../model.ts';
import { namesWhere } from './container-statuses.ts';
import type { Phase } from './phase.ts';

type Verdict = Omit<PodCondition, 'lastTransitionTime' | 'lastProbeTime'>;

/** The conditions that a kubelet writes; all others are somebody else's. */
export const OWN_CONDITIONS = [
  'PodReadyToStartContainers',
  'Initialized',
  'Ready',
  'ContainersReady',
  'PodScheduled',
];

function initialized(
  pod: KubeletPod,
  init: readonly ContainerStatus[],
  phase: Phase,
  over: boolean,
): Verdict {
  const type = 'Initialized';
  if (init.length === 0) return { type, status: 'True' };
  const specs = pod.spec.initContainers ?? [];
  const incomplete = (status: ContainerStatus): boolean => {
    const spec = specs.find((each) => each.name === status.name);
    return spec && isSidecar(spec) ? !status.started : !status.ready;
  };
  if (phase === 'Succeeded') return { type, status: 'True', reason: 'PodCompleted' };
  if (over || !init.some(incomplete)) return { type, status: 'True' };
  return {
    type,
    status: 'False',
    reason: 'ContainersNotInitialized',
    message: `containers with incomplete status: ${namesWhere(init, incomplete)}`,
  };
}

function containersReady(
  pod: KubeletPod,
  containers: readonly ContainerStatus[],
  init: readonly ContainerStatus[],
  phase: Phase,
): Verdict {
  const type = 'ContainersReady';
  if (phase === 'Succeeded') return { type, status: 'False', reason: 'PodCompleted' };
  if (phase === 'Failed') return { type, status: 'False', reason: 'PodFailed' };
  const specs = pod.spec.initContainers ?? [];
  const sidecars = init.filter((status) =>
    specs.some((each) => each.name === status.name && isSidecar(each)),
  );
  const all = [...sidecars, ...containers];
  if (all.every((status) => status.ready)) return { type, status: 'True' };
  return {
    type,
    status: 'False',
    reason: 'ContainersNotReady',
    message: `containers with unready status: ${namesWhere(all, (status) => !status.ready)}`,
  };
}

function ready(pod: KubeletPod, containers: Verdict): Verdict {
  const type = 'Ready';
  if (containers.status !== 'True') return { ...containers, type };
  const conditions = pod.object.status?.conditions ?? [];
  const missing = (pod.spec.readinessGates ?? []).flatMap(({ conditionType }) => {
    const found = conditions.find((each) => each.type === conditionType);
    if (!found) return [`corresponding condition of pod readiness gate "${conditionType}" does not exist.`];
    if (found.status === 'True') return [];
    return [`the status of pod readiness gate "${conditionType}" is not "True", but ${found.status}`];
  });
  if (missing.length === 0) return { type, status: 'True' };
  return { type, status: 'False', reason: 'ReadinessGatesNotReady', message: missing.join(', ') };
}

/** A pod's conditions as a kubelet sees them, with the time of the last change of each kept. */
export function podConditions(
  pod: KubeletPod,
  view: {
    readonly containers: readonly ContainerStatus[];
    readonly init: readonly ContainerStatus[];
    readonly phase: Phase;
    /** The containers proper have begun, so that init containers are over whatever is left of them. */
    readonly begun: boolean;
    readonly hasSandbox: boolean;
  },
  now: number,
): PodCondition[] {
  const { containers, init, phase, begun, hasSandbox } = view;
  const unready = containersReady(pod, containers, init, phase);
  const verdicts: Verdict[] = [
    { type: 'PodReadyToStartContainers', status: hasSandbox ? 'True' : 'False' },
    initialized(pod, init, phase, begun),
    ready(pod, unready),
    unready,
    { type: 'PodScheduled', status: 'True' },
  ];
  const before = pod.object.status?.conditions ?? [];
  return verdicts.map((verdict) => {
    const old = before.find((each) => each.type === verdict.type);
    const same = old?.status === verdict.status && old.lastTransitionTime;
    return { ...verdict, lastTransitionTime: same ? old.lastTransitionTime! : timestamp(now) };
  });
}
