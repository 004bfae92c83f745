import { matchLabelSelector } from '../../../kube/selector.ts';
import type {
  CronJob,
  DaemonSet,
  Deployment,
  Job,
  LabelSelector,
  PodDisruptionBudget,
  PodTemplateSpec,
  ReplicaSet,
  ReplicationController,
  StatefulSet,
} from '../../../kube/types.ts';
import { checkTemplate } from './pods.ts';
import { type Report, same } from './report.ts';
import { checkSelector, isEmptySelector } from './selector.ts';

const MISMATCH = '`selector` does not match template `labels`';

/** Selector, template and what they must have in common; of everything that keeps pods running. */
function checkOwner(
  report: Report,
  kind: string,
  selector: LabelSelector | undefined,
  template: PodTemplateSpec | undefined,
): void {
  if (!selector) report.required('spec.selector');
  else {
    checkSelector(report, 'spec.selector', selector);
    if (isEmptySelector(selector))
      report.invalid('spec.selector', selector, `empty selector is invalid for ${kind}`);
    else if (!matchLabelSelector(selector, template?.metadata?.labels))
      report.invalid('spec.template.metadata.labels', template?.metadata?.labels ?? {}, MISMATCH);
  }
  checkTemplate(report, 'spec.template', template);
  if (template?.spec) {
    report.oneOf('spec.template.spec.restartPolicy', template.spec.restartPolicy, ['Always']);
    if (template.spec.activeDeadlineSeconds !== undefined)
      report.forbidden(
        'spec.template.spec.activeDeadlineSeconds',
        `activeDeadlineSeconds in ${kind} is not Supported`,
      );
  }
}

type Portion = number | string | undefined;

/** A number, or a percentage up to 100. */
function checkPortion(report: Report, field: string, value: Portion, limited: boolean): void {
  if (typeof value === 'number') report.notNegative(field, value);
  else if (value !== undefined) {
    if (!/^[0-9]+%$/.test(value))
      report.invalid(
        field,
        value,
        "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
      );
    else if (limited && Number.parseInt(value, 10) > 100)
      report.invalid(field, value, 'must not be greater than 100%');
  }
}

const isZero = (value: Portion): boolean => value === undefined || value === 0 || value === '0%';

export function checkDeployment(report: Report, { spec }: Deployment): void {
  if (!spec) {
    report.required('spec');
    return;
  }
  report.notNegative('spec.replicas', spec.replicas);
  checkOwner(report, 'deployment', spec.selector, spec.template);
  report.oneOf('spec.strategy.type', spec.strategy?.type, ['Recreate', 'RollingUpdate']);
  const rolling = spec.strategy?.rollingUpdate;
  if (spec.strategy?.type === 'Recreate' && rolling)
    report.forbidden(
      'spec.strategy.rollingUpdate',
      "may not be specified when strategy `type` is 'Recreate'",
    );
  else if (rolling) {
    const field = 'spec.strategy.rollingUpdate';
    checkPortion(report, `${field}.maxUnavailable`, rolling.maxUnavailable, true);
    checkPortion(report, `${field}.maxSurge`, rolling.maxSurge, false);
    if (isZero(rolling.maxUnavailable) && isZero(rolling.maxSurge))
      report.invalid(`${field}.maxUnavailable`, rolling.maxUnavailable, 'may not be 0 when `maxSurge` is 0');
  }
  for (const name of ['minReadySeconds', 'revisionHistoryLimit', 'progressDeadlineSeconds'] as const)
    report.notNegative(`spec.${name}`, spec[name]);
  if ((spec.progressDeadlineSeconds ?? 600) <= (spec.minReadySeconds ?? 0))
    report.invalid(
      'spec.progressDeadlineSeconds',
      spec.progressDeadlineSeconds,
      'must be greater than minReadySeconds',
    );
}

export function checkReplicaSet(report: Report, { spec }: ReplicaSet): void {
  if (!spec) {
    report.required('spec');
    return;
  }
  report.notNegative('spec.replicas', spec.replicas);
  report.notNegative('spec.minReadySeconds', spec.minReadySeconds);
  checkOwner(report, 'replica set', spec.selector, spec.template);
}

export function checkReplicationController(report: Report, { spec }: ReplicationController): void {
  if (!spec) {
    report.required('spec');
    return;
  }
  report.notNegative('spec.replicas', spec.replicas);
  if (Object.keys(spec.selector ?? {}).length === 0) report.required('spec.selector');
  else checkOwner(report, 'replication controller', { matchLabels: spec.selector ?? {} }, spec.template);
}

export function checkDaemonSet(report: Report, { spec }: DaemonSet): void {
  if (!spec) {
    report.required('spec');
    return;
  }
  checkOwner(report, 'daemonset', spec.selector, spec.template);
  report.oneOf('spec.updateStrategy.type', spec.updateStrategy?.type, ['OnDelete', 'RollingUpdate']);
  const rolling = spec.updateStrategy?.rollingUpdate;
  const field = 'spec.updateStrategy.rollingUpdate';
  checkPortion(report, `${field}.maxUnavailable`, rolling?.maxUnavailable, true);
  checkPortion(report, `${field}.maxSurge`, rolling?.maxSurge, true);
  if (rolling && isZero(rolling.maxUnavailable) && isZero(rolling.maxSurge))
    report.invalid(
      `${field}.maxUnavailable`,
      rolling.maxUnavailable ?? 0,
      'may not be 0 when `maxSurge` is 0',
    );
  report.notNegative('spec.minReadySeconds', spec.minReadySeconds);
}

export function checkStatefulSet(report: Report, { spec }: StatefulSet): void {
  if (!spec) {
    report.required('spec');
    return;
  }
  report.notNegative('spec.replicas', spec.replicas);
  checkOwner(report, 'statefulset', spec.selector, withClaims(spec));
  report.oneOf('spec.podManagementPolicy', spec.podManagementPolicy, ['OrderedReady', 'Parallel']);
  report.oneOf('spec.updateStrategy.type', spec.updateStrategy?.type, ['OnDelete', 'RollingUpdate']);
  report.notNegative(
    'spec.updateStrategy.rollingUpdate.partition',
    spec.updateStrategy?.rollingUpdate?.partition,
  );
}

/** Claims become volumes of the pods, so their mounts have what they name. */
function withClaims(spec: NonNullable<StatefulSet['spec']>): PodTemplateSpec | undefined {
  const claims = spec.volumeClaimTemplates ?? [];
  if (claims.length === 0 || !spec.template?.spec) return spec.template;
  const names = new Set(claims.map(({ metadata }) => metadata?.name ?? ''));
  const volumes = [
    ...(spec.template.spec.volumes ?? []).filter(({ name }) => !names.has(name)),
    ...[...names].map((name) => ({ name, persistentVolumeClaim: { claimName: name } })),
  ];
  return { ...spec.template, spec: { ...spec.template.spec, volumes } };
}

const STATEFUL_SET_FREE = new Set([
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
]);

export function checkStatefulSetUpdate(report: Report, now: StatefulSet, old: StatefulSet): void {
  const rest = (spec: object | undefined) =>
    Object.fromEntries(Object.entries(spec ?? {}).filter(([key]) => !STATEFUL_SET_FREE.has(key)));
  if (!same(rest(now.spec), rest(old.spec)))
    report.forbidden(
      'spec',
      "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
    );
}

/** Deployments, replica sets, daemon sets. */
export function checkSelectorUpdate(report: Report, now: Deployment, old: Deployment): void {
  report.immutable('spec.selector', now.spec?.selector, old.spec?.selector);
}

function checkJobSpec(report: Report, field: string, spec: NonNullable<Job['spec']>): void {
  for (const name of [
    'parallelism',
    'completions',
    'activeDeadlineSeconds',
    'backoffLimit',
    'ttlSecondsAfterFinished',
  ] as const)
    report.notNegative(`${field}.${name}`, spec[name]);
  report.oneOf(`${field}.completionMode`, spec.completionMode, ['Indexed', 'NonIndexed']);
  if (spec.completionMode === 'Indexed' && spec.completions === undefined)
    report.required(`${field}.completions`, 'when completion mode is Indexed');
  checkTemplate(report, `${field}.template`, spec.template);
  const policy = spec.template?.spec?.restartPolicy;
  if (policy === 'Always')
    report.required(`${field}.template.spec.restartPolicy`, 'valid values: "OnFailure", "Never"');
  else report.oneOf(`${field}.template.spec.restartPolicy`, policy, ['OnFailure', 'Never']);
}

export function checkJob(report: Report, { spec }: Job): void {
  if (!spec) {
    report.required('spec');
    return;
  }
  if (!spec.selector) report.required('spec.selector');
  else {
    checkSelector(report, 'spec.selector', spec.selector);
    if (!matchLabelSelector(spec.selector, spec.template?.metadata?.labels))
      report.invalid('spec.template.metadata.labels', spec.template?.metadata?.labels ?? {}, MISMATCH);
  }
  checkJobSpec(report, 'spec', spec);
}

export function checkJobUpdate(report: Report, now: Job, old: Job): void {
  if (now.spec?.completionMode !== 'Indexed')
    report.immutable('spec.completions', now.spec?.completions, old.spec?.completions);
  report.immutable('spec.selector', now.spec?.selector, old.spec?.selector);
  // While a job is suspended and has not begun, where its pods may run can still change
  if (!(old.spec?.suspend && !old.status?.startTime))
    report.immutable('spec.template', now.spec?.template, old.spec?.template);
  report.immutable('spec.completionMode', now.spec?.completionMode, old.spec?.completionMode);
}

const CRON = /^(@(yearly|annually|monthly|weekly|daily|midnight|hourly)|@every \S+|(\S+\s+){4}\S+)$/;
const CRON_FIELD = /^[\d*,/\-?A-Za-z]+$/;
/** The name of a job that a cron job makes has eleven characters more. */
const MAX_CRON_NAME = 52;

export function checkCronJob(report: Report, { metadata, spec }: CronJob): void {
  if (!spec) {
    report.required('spec');
    return;
  }
  if ((metadata?.name?.length ?? 0) > MAX_CRON_NAME)
    report.invalid('metadata.name', metadata?.name, `must be no more than ${MAX_CRON_NAME} characters`);
  const schedule = spec.schedule?.trim();
  if (!schedule) report.required('spec.schedule');
  else if (/TZ=/.test(schedule))
    report.invalid(
      'spec.schedule',
      schedule,
      'cannot use TZ or CRON_TZ in schedule, use timeZone field instead',
    );
  else if (!CRON.test(schedule))
    report.invalid(
      'spec.schedule',
      schedule,
      `expected exactly 5 fields, found ${schedule.split(/\s+/).length}: ${JSON.stringify(schedule.split(/\s+/))}`,
    );
  else if (!schedule.startsWith('@'))
    for (const part of schedule.split(/\s+/))
      if (!CRON_FIELD.test(part))
        report.invalid('spec.schedule', schedule, `failed to parse int from ${part}`);
  report.notNegative('spec.startingDeadlineSeconds', spec.startingDeadlineSeconds);
  report.notNegative('spec.successfulJobsHistoryLimit', spec.successfulJobsHistoryLimit);
  report.notNegative('spec.failedJobsHistoryLimit', spec.failedJobsHistoryLimit);
  report.requiredOneOf('spec.concurrencyPolicy', spec.concurrencyPolicy, ['Allow', 'Forbid', 'Replace']);
  if (spec.jobTemplate?.spec) checkJobSpec(report, 'spec.jobTemplate.spec', spec.jobTemplate.spec);
  else report.required('spec.jobTemplate.spec.template');
}

export function checkDisruptionBudget(report: Report, { spec }: PodDisruptionBudget): void {
  if (spec?.minAvailable !== undefined && spec.maxUnavailable !== undefined)
    report.invalid('spec', spec, 'minAvailable and maxUnavailable cannot be both set');
  checkPortion(report, 'spec.minAvailable', spec?.minAvailable, true);
  checkPortion(report, 'spec.maxUnavailable', spec?.maxUnavailable, true);
  checkSelector(report, 'spec.selector', spec?.selector);
}
