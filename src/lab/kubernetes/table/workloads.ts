import { formatLabelSelector, type LabelSelector } from '../../../kube/selector.ts';
import type {
  ControllerRevision,
  CronJob,
  DaemonSet,
  Deployment,
  HorizontalPodAutoscaler,
  Job,
  PodDisruptionBudget,
  PodTemplateSpec,
  ReplicaSet,
  ReplicationController,
  StatefulSet,
} from '../../../kube/types.ts';
import { humanDuration, since } from './age.ts';
import { type Cell, NONE, printer, UNKNOWN } from './columns.ts';

/** The wide columns of everything that makes pods. */
function layout(template: PodTemplateSpec | undefined): [names: string, images: string] {
  const containers = template?.spec?.containers ?? [];
  return [containers.map(({ name }) => name).join(','), containers.map(({ image }) => image ?? '').join(',')];
}

const labels = (selector: Record<string, string> | undefined): string =>
  Object.entries(selector ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`)
    .join(',') || NONE;

const selectorOf = (selector: unknown): string => formatLabelSelector(selector as LabelSelector | undefined);
const WIDE = ['Containers*', 'Images*', 'Selector*'];

export const DEPLOYMENT = printer<Deployment>(
  ['Name', 'Ready', '#Up-to-date', '#Available', 'Age', ...WIDE],
  ({ metadata, spec, status }, { now }) => [
    metadata?.name ?? '',
    `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`,
    status?.updatedReplicas ?? 0,
    status?.availableReplicas ?? 0,
    since(metadata?.creationTimestamp, now),
    ...layout(spec?.template),
    selectorOf(spec?.selector),
  ],
);

const REPLICAS = ['Name', '#Desired', '#Current', '#Ready', 'Age', ...WIDE];

export const REPLICA_SET = printer<ReplicaSet>(REPLICAS, ({ metadata, spec, status }, { now }) => [
  metadata?.name ?? '',
  spec?.replicas ?? 0,
  status?.replicas ?? 0,
  status?.readyReplicas ?? 0,
  since(metadata?.creationTimestamp, now),
  ...layout(spec?.template),
  selectorOf(spec?.selector),
]);

export const REPLICATION_CONTROLLER = printer<ReplicationController>(
  REPLICAS,
  ({ metadata, spec, status }, { now }) => [
    metadata?.name ?? '',
    spec?.replicas ?? 0,
    status?.replicas ?? 0,
    status?.readyReplicas ?? 0,
    since(metadata?.creationTimestamp, now),
    ...layout(spec?.template),
    labels(spec?.selector),
  ],
);

export const DAEMON_SET = printer<DaemonSet>(
  ['Name', '#Desired', '#Current', '#Ready', '#Up-to-date', '#Available', 'Node Selector', 'Age', ...WIDE],
  ({ metadata, spec, status }, { now }) => [
    metadata?.name ?? '',
    status?.desiredNumberScheduled ?? 0,
    status?.currentNumberScheduled ?? 0,
    status?.numberReady ?? 0,
    status?.updatedNumberScheduled ?? 0,
    status?.numberAvailable ?? 0,
    labels(spec?.template?.spec?.nodeSelector),
    since(metadata?.creationTimestamp, now),
    ...layout(spec?.template),
    selectorOf(spec?.selector),
  ],
);

export const STATEFUL_SET = printer<StatefulSet>(
  ['Name', 'Ready', 'Age', 'Containers*', 'Images*'],
  ({ metadata, spec, status }, { now }) => [
    metadata?.name ?? '',
    `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`,
    since(metadata?.creationTimestamp, now),
    ...layout(spec?.template),
  ],
);

export const CONTROLLER_REVISION = printer<ControllerRevision>(
  ['Name', 'Controller', '#Revision', 'Age'],
  ({ metadata, revision }, { now }) => {
    const owner = metadata?.ownerReferences?.find(({ controller }) => controller);
    const group = owner?.apiVersion.includes('/') ? `.${owner.apiVersion.split('/')[0]}` : '';
    return [
      metadata?.name ?? '',
      owner ? `${owner.kind.toLowerCase()}${group}/${owner.name}` : NONE,
      revision ?? 0,
      since(metadata?.creationTimestamp, now),
    ];
  },
);

function jobStatus({ metadata, status }: Job): string {
  const has = (type: string) => status?.conditions?.some((one) => one.type === type && one.status === 'True');
  if (has('Complete')) return 'Complete';
  if (has('Failed')) return 'Failed';
  if (metadata?.deletionTimestamp) return 'Terminating';
  return ['Suspended', 'FailureTarget', 'SuccessCriteriaMet'].find(has) ?? 'Running';
}

function completions({ spec, status }: Job): string {
  const succeeded = status?.succeeded ?? 0;
  if (spec?.completions !== undefined) return `${succeeded}/${spec.completions}`;
  const parallelism = spec?.parallelism ?? 0;
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`;
}

function jobDuration({ status }: Job, now: Date): string {
  if (!status?.startTime) return '';
  const end = status.completionTime ? Date.parse(status.completionTime) : now.getTime();
  return humanDuration(end - Date.parse(status.startTime));
}

export const JOB = printer<Job>(
  ['Name', 'Status', 'Completions', 'Duration', 'Age', ...WIDE],
  (job, { now }) => [
    job.metadata?.name ?? '',
    jobStatus(job),
    completions(job),
    jobDuration(job, now),
    since(job.metadata?.creationTimestamp, now),
    ...layout(job.spec?.template),
    selectorOf(job.spec?.selector),
  ],
);

export const CRON_JOB = printer<CronJob>(
  ['Name', 'Schedule', 'Timezone', 'Suspend', '#Active', 'Last Schedule', 'Age', ...WIDE],
  ({ metadata, spec, status }, { now }) => [
    metadata?.name ?? '',
    spec?.schedule ?? '',
    spec?.timeZone ?? NONE,
    spec?.suspend === undefined ? '<unset>' : spec.suspend ? 'True' : 'False',
    status?.active?.length ?? 0,
    status?.lastScheduleTime ? since(status.lastScheduleTime, now) : NONE,
    since(metadata?.creationTimestamp, now),
    ...layout(spec?.jobTemplate?.spec?.template),
    selectorOf(spec?.jobTemplate?.spec?.selector),
  ],
);

export const DISRUPTION_BUDGET = printer<PodDisruptionBudget>(
  ['Name', 'Min Available', 'Max Unavailable', '#Allowed Disruptions', 'Age'],
  ({ metadata, spec, status }, { now }) => [
    metadata?.name ?? '',
    String(spec?.minAvailable ?? 'N/A'),
    String(spec?.maxUnavailable ?? 'N/A'),
    status?.disruptionsAllowed ?? 0,
    since(metadata?.creationTimestamp, now),
  ],
);

interface Metric {
  type: string;
  resource?: {
    name?: string;
    target?: { averageUtilization?: number; averageValue?: string };
    current?: { averageUtilization?: number; averageValue?: string };
  };
}

function targets(autoscaler: HorizontalPodAutoscaler): string {
  const { spec, status } = autoscaler as unknown as {
    spec?: { metrics?: Metric[] };
    status?: { currentMetrics?: Metric[] };
  };
  const metrics = spec?.metrics ?? [];
  if (metrics.length === 0) return NONE;
  const shown = metrics.slice(0, 2).map((metric, index) => {
    const target = metric.resource?.target;
    const current = status?.currentMetrics?.[index]?.resource?.current;
    const name = metric.resource?.name ? `${metric.resource.name}: ` : '';
    if (target?.averageUtilization !== undefined)
      return `${name}${current?.averageUtilization === undefined ? UNKNOWN : `${current.averageUtilization}%`}/${target.averageUtilization}%`;
    return `${name}${current?.averageValue ?? UNKNOWN}/${target?.averageValue ?? UNKNOWN}`;
  });
  return metrics.length > 2 ? `${shown.join(', ')} + ${metrics.length - 2} more...` : shown.join(', ');
}

export const AUTOSCALER = printer<HorizontalPodAutoscaler>(
  ['Name', 'Reference', 'Targets', 'MinPods', 'MaxPods', '#Replicas', 'Age'],
  (autoscaler, { now }): Cell[] => {
    const { metadata, spec, status } = autoscaler;
    return [
      metadata?.name ?? '',
      `${spec?.scaleTargetRef?.kind}/${spec?.scaleTargetRef?.name}`,
      targets(autoscaler),
      String(spec?.minReplicas ?? '<unset>'),
      String(spec?.maxReplicas ?? ''),
      status?.currentReplicas ?? 0,
      since(metadata?.creationTimestamp, now),
    ];
  },
);

export { labels as formatLabels, layout };
