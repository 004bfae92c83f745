import type { Container, ContainerStatus, Pod } from '../../../kube/types.ts';
import { humanDuration, since } from './age.ts';
import { type Cell, type Context, NONE, printer } from './columns.ts';

/** What the STATUS, READY and RESTARTS columns are made of; as printPod upstream. */
export interface PodSummary {
  ready: number;
  total: number;
  reason: string;
  restarts: number;
  /** Milliseconds since the epoch; 0 when nothing restarted. */
  lastRestart: number;
}

type Terminated = NonNullable<NonNullable<ContainerStatus['state']>['terminated']>;

const isSidecar = (container: Container | undefined): boolean => container?.restartPolicy === 'Always';

function exit({ reason, signal, exitCode }: Terminated): string {
  return reason || (signal ? `Signal:${signal}` : `ExitCode:${exitCode}`);
}

class Restarts {
  count = 0;
  last = 0;
  add(status: ContainerStatus): void {
    this.count += status.restartCount ?? 0;
    const finished = status.lastState?.terminated?.finishedAt;
    if (finished) this.last = Math.max(this.last, Date.parse(finished));
  }
}

interface Initialization {
  /** What holds it up. */
  reason: string | undefined;
  ready: number;
  all: Restarts;
  sidecars: Restarts;
}

function initialization(pod: Pod): Initialization {
  const specs = pod.spec?.initContainers ?? [];
  const result: Initialization = {
    reason: undefined,
    ready: 0,
    all: new Restarts(),
    sidecars: new Restarts(),
  };
  for (const [index, status] of (pod.status?.initContainerStatuses ?? []).entries()) {
    const { terminated, waiting } = status.state ?? {};
    const sidecar = isSidecar(specs.find(({ name }) => name === status.name));
    result.all.add(status);
    if (sidecar) result.sidecars.add(status);
    if (terminated && terminated.exitCode === 0) continue;
    if (sidecar && status.started) {
      if (status.ready) result.ready++;
      continue;
    }
    if (terminated) result.reason = `Init:${exit(terminated)}`;
    else if (waiting?.reason && waiting.reason !== 'PodInitializing')
      result.reason = `Init:${waiting.reason}`;
    else result.reason = `Init:${index}/${specs.length}`;
    break;
  }
  return result;
}

function isTrue(pod: Pod, type: string): boolean {
  return pod.status?.conditions?.some((one) => one.type === type && one.status === 'True') ?? false;
}

export function summarize(pod: Pod): PodSummary {
  const { spec, status, metadata } = pod;
  let reason = status?.reason || status?.phase || '';
  if (status?.conditions?.some((one) => one.type === 'PodScheduled' && one.reason === 'SchedulingGated'))
    reason = 'SchedulingGated';
  const total = (spec?.containers?.length ?? 0) + (spec?.initContainers ?? []).filter(isSidecar).length;
  const init = initialization(pod);
  let ready = init.ready;
  let restarts = init.all;
  if (init.reason !== undefined) reason = init.reason;
  if (init.reason === undefined || isTrue(pod, 'Initialized')) {
    restarts = init.sidecars;
    let running = false;
    // From the last to the first: the first container's reason is the one that is told
    for (const one of (status?.containerStatuses ?? []).toReversed()) {
      restarts.add(one);
      const { waiting, terminated, running: runs } = one.state ?? {};
      if (waiting?.reason) reason = waiting.reason;
      else if (terminated) reason = exit(terminated);
      else if (one.ready && runs) {
        running = true;
        ready++;
      }
    }
    if (reason === 'Completed' && running) reason = isTrue(pod, 'Ready') ? 'Running' : 'NotReady';
  }
  const ended = status?.phase === 'Succeeded' || status?.phase === 'Failed';
  if (metadata?.deletionTimestamp && status?.reason === 'NodeLost') reason = 'Unknown';
  else if (metadata?.deletionTimestamp && !ended) reason = 'Terminating';
  return { ready, total, reason, restarts: restarts.count, lastRestart: restarts.last };
}

function readinessGates({ spec, status }: Pod): string {
  const gates = spec?.readinessGates ?? [];
  if (gates.length === 0) return NONE;
  const met = gates.filter(({ conditionType }) =>
    status?.conditions?.some((one) => one.type === conditionType && one.status === 'True'),
  );
  return `${met.length}/${gates.length}`;
}

function cells(pod: Pod, { now }: Context): Cell[] {
  const { ready, total, reason, restarts, lastRestart } = summarize(pod);
  const ago = restarts && lastRestart ? ` (${humanDuration(now.getTime() - lastRestart)} ago)` : '';
  return [
    pod.metadata?.name ?? '',
    `${ready}/${total}`,
    reason,
    `${restarts}${ago}`,
    since(pod.metadata?.creationTimestamp, now),
    pod.status?.podIPs?.[0]?.ip || pod.status?.podIP || NONE,
    pod.spec?.nodeName || NONE,
    pod.status?.nominatedNodeName || NONE,
    readinessGates(pod),
  ];
}

const COMPLETED = {
  Succeeded: { reason: 'Succeeded', message: 'The pod has completed successfully.' },
  Failed: { reason: 'Failed', message: 'The pod failed.' },
};

export const POD = printer<Pod>(
  ['Name', 'Ready', 'Status', 'Restarts', 'Age', 'IP*', 'Node*', 'Nominated Node*', 'Readiness Gates*'],
  cells,
  ({ status }) => {
    const phase = status?.phase;
    if (phase !== 'Succeeded' && phase !== 'Failed') return undefined;
    return [{ type: 'Completed', status: 'True', ...COMPLETED[phase] }];
  },
);
