import { parseCidr } from '../../../address/cidr.ts';
import { tryQuantity } from '../../../kube/quantity.ts';
import { qualifiedNameErrors } from '../../../kube/selector.ts';
import type {
  ControllerRevision,
  HorizontalPodAutoscaler,
  IngressClass,
  Lease,
  LimitRange,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  PriorityClass,
  ResourceQuota,
  Role,
  RoleBinding,
  StorageClass,
} from '../../../kube/types.ts';
import { type Report, same } from './report.ts';
import { checkResourceList } from './resources.ts';
import { EFFECTS } from './scheduling.ts';

const RBAC = 'rbac.authorization.k8s.io';
/** Upstream's HighestUserDefinablePriority. */
const HIGHEST_PRIORITY = 1_000_000_000;

export function checkNode(report: Report, { spec, status }: Node): void {
  for (const [index, { key, effect }] of (spec?.taints ?? []).entries()) {
    const at = `spec.taints[${index}]`;
    report.all(`${at}.key`, key, qualifiedNameErrors(key));
    report.requiredOneOf(`${at}.effect`, effect, EFFECTS);
  }
  report.unique('spec.taints', spec?.taints, ({ key, effect }) => `${key}:${effect}`);
  const blocks = spec?.podCIDRs ?? [];
  for (const [index, block] of blocks.entries())
    try {
      parseCidr(block);
    } catch {
      report.invalid(
        `spec.podCIDRs[${index}]`,
        block,
        'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
      );
    }
  if (blocks.length > 2)
    report.invalid('spec.podCIDRs', blocks, 'may specify no more than one CIDR for each IP family');
  checkResourceList(report, 'status.capacity', status?.capacity);
  checkResourceList(report, 'status.allocatable', status?.allocatable);
}

export function checkNodeUpdate(report: Report, now: Node, old: Node): void {
  const before = old.spec?.podCIDRs ?? [];
  if (before.length > 0 && !same(now.spec?.podCIDRs, before))
    report.forbidden('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid');
  if (old.spec?.providerID && now.spec?.providerID !== old.spec.providerID)
    report.forbidden('spec.providerID', 'node updates may not change providerID except from "" to valid');
}

/** Role and ClusterRole. */
export function checkRole(report: Report, { metadata, rules }: Role): void {
  for (const [index, rule] of (rules ?? []).entries()) {
    const at = `rules[${index}]`;
    if (!rule.verbs?.length) report.required(`${at}.verbs`, 'verbs must contain at least one value');
    if (rule.nonResourceURLs?.length) {
      if (metadata?.namespace)
        report.invalid(
          `${at}.nonResourceURLs`,
          rule.nonResourceURLs,
          'namespaced rules cannot apply to non-resource URLs',
        );
      if (rule.apiGroups?.length || rule.resources?.length || rule.resourceNames?.length)
        report.invalid(
          `${at}.nonResourceURLs`,
          rule.nonResourceURLs,
          'rules cannot apply to both regular resources and non-resource URLs',
        );
      continue;
    }
    if (!rule.apiGroups?.length)
      report.required(`${at}.apiGroups`, 'resource rules must supply at least one api group');
    if (!rule.resources?.length)
      report.required(`${at}.resources`, 'resource rules must supply at least one resource');
  }
}

/** RoleBinding and ClusterRoleBinding. */
export function checkBinding(report: Report, { metadata, roleRef, subjects }: RoleBinding): void {
  if (roleRef?.apiGroup !== RBAC) report.oneOf('roleRef.apiGroup', roleRef?.apiGroup ?? '', [RBAC]);
  report.oneOf(
    'roleRef.kind',
    roleRef?.kind ?? '',
    metadata?.namespace ? ['Role', 'ClusterRole'] : ['ClusterRole'],
  );
  if (!roleRef?.name) report.required('roleRef.name');
  for (const [index, { kind, name, namespace, apiGroup }] of (subjects ?? []).entries()) {
    const at = `subjects[${index}]`;
    if (!name) report.required(`${at}.name`);
    if (kind === 'ServiceAccount') {
      if (apiGroup) report.oneOf(`${at}.apiGroup`, apiGroup, ['']);
      if (!namespace) report.required(`${at}.namespace`);
    } else if (kind === 'User' || kind === 'Group') report.oneOf(`${at}.apiGroup`, apiGroup, [RBAC]);
    else report.oneOf(`${at}.kind`, kind, ['ServiceAccount', 'User', 'Group']);
  }
}

export function checkBindingUpdate(report: Report, now: RoleBinding, old: RoleBinding): void {
  report.immutable('roleRef', now.roleRef, old.roleRef, 'cannot change roleRef');
}

export function checkLease(report: Report, { spec }: Lease): void {
  if (spec?.leaseDurationSeconds !== undefined && spec.leaseDurationSeconds <= 0)
    report.invalid('spec.leaseDurationSeconds', spec.leaseDurationSeconds, 'must be greater than 0');
  report.notNegative('spec.leaseTransitions', spec?.leaseTransitions);
}

const ACCESS_MODES = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod'];

export function checkClaim(report: Report, { spec }: PersistentVolumeClaim): void {
  if (!spec?.accessModes?.length) report.required('spec.accessModes', 'at least 1 access mode is required');
  for (const mode of spec?.accessModes ?? []) report.oneOf('spec.accessModes', mode, ACCESS_MODES);
  if (spec?.resources?.requests?.storage === undefined) report.required('spec.resources[storage]');
  else checkResourceList(report, 'spec.resources', spec.resources.requests);
  report.oneOf('spec.volumeMode', spec?.volumeMode, ['Block', 'Filesystem']);
}

export function checkClaimUpdate(
  report: Report,
  now: PersistentVolumeClaim,
  old: PersistentVolumeClaim,
): void {
  const rest = ({ spec }: PersistentVolumeClaim) => {
    const { resources: _, volumeAttributesClassName: __, ...fixed } = spec ?? {};
    // A binder may still say which volume it is
    if (!old.spec?.volumeName) delete fixed.volumeName;
    if (!old.spec?.storageClassName) delete fixed.storageClassName;
    return fixed;
  };
  if (!same(rest(now), rest(old)))
    report.forbidden(
      'spec',
      'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims',
    );
}

export function checkVolume(report: Report, { spec }: PersistentVolume): void {
  if (!spec?.accessModes?.length) report.required('spec.accessModes');
  for (const mode of spec?.accessModes ?? []) report.oneOf('spec.accessModes', mode, ACCESS_MODES);
  if (!spec?.capacity || Object.keys(spec.capacity).length === 0) report.required('spec.capacity');
  else checkResourceList(report, 'spec.capacity', spec.capacity);
  report.oneOf('spec.persistentVolumeReclaimPolicy', spec?.persistentVolumeReclaimPolicy, [
    'Delete',
    'Recycle',
    'Retain',
  ]);
}

export function checkStorageClass(report: Report, storage: StorageClass): void {
  if (!storage.provisioner) report.required('provisioner');
  report.oneOf('reclaimPolicy', storage.reclaimPolicy, ['Delete', 'Retain']);
  report.requiredOneOf('volumeBindingMode', storage.volumeBindingMode, ['Immediate', 'WaitForFirstConsumer']);
}

export function checkStorageClassUpdate(report: Report, now: StorageClass, old: StorageClass): void {
  if (!same(now.parameters, old.parameters))
    report.forbidden('parameters', 'updates to parameters are forbidden.');
  if (now.provisioner !== old.provisioner)
    report.forbidden('provisioner', 'updates to provisioner are forbidden.');
  report.immutable('reclaimPolicy', now.reclaimPolicy, old.reclaimPolicy);
  report.immutable('volumeBindingMode', now.volumeBindingMode, old.volumeBindingMode);
}

export function checkPriorityClass(
  report: Report,
  { metadata, value, preemptionPolicy }: PriorityClass,
): void {
  if (metadata?.name?.startsWith('system-')) {
    if (!['system-node-critical', 'system-cluster-critical'].includes(metadata.name))
      report.forbidden(
        'metadata.name',
        "priority class names with 'system-' prefix are reserved for system use only. error: it is not a known system priority class",
      );
  } else if ((value ?? 0) > HIGHEST_PRIORITY)
    report.forbidden('value', `maximum allowed value of a user defined priority is ${HIGHEST_PRIORITY}`);
  report.oneOf('preemptionPolicy', preemptionPolicy, ['Never', 'PreemptLowerPriority']);
}

export function checkPriorityClassUpdate(report: Report, now: PriorityClass, old: PriorityClass): void {
  if (now.value !== old.value) report.forbidden('value', 'may not be changed in an update.');
  report.immutable('preemptionPolicy', now.preemptionPolicy, old.preemptionPolicy);
}

/** Names without a `/` that a quota may have; hugepages come in sizes. */
const QUOTA =
  /^((requests\.|limits\.)?(cpu|memory|ephemeral-storage)|requests\.storage|pods|services(\.nodeports|\.loadbalancers)?|resourcequotas|replicationcontrollers|secrets|configmaps|persistentvolumeclaims|(requests\.)?hugepages-.+)$/;

export function checkQuota(report: Report, { spec }: ResourceQuota): void {
  for (const name of Object.keys(spec?.hard ?? {})) {
    const wrong = qualifiedNameErrors(name);
    report.all(`spec.hard[${name}]`, name, wrong);
    if (wrong.length === 0 && !name.includes('/') && !QUOTA.test(name))
      report.invalid(`spec.hard[${name}]`, name, 'must be a standard resource for quota');
  }
  checkResourceList(report, 'spec.hard', spec?.hard);
}

export function checkAutoscaler(report: Report, { spec }: HorizontalPodAutoscaler): void {
  if (!spec) {
    report.required('spec');
    return;
  }
  if ((spec.minReplicas ?? 1) < 1)
    report.invalid('spec.minReplicas', spec.minReplicas, 'must be greater than or equal to 1');
  if (spec.maxReplicas < 1) report.invalid('spec.maxReplicas', spec.maxReplicas, 'must be greater than 0');
  else if (spec.maxReplicas < (spec.minReplicas ?? 1))
    report.invalid('spec.maxReplicas', spec.maxReplicas, 'must be greater than or equal to `minReplicas`');
  if (!spec.scaleTargetRef?.kind) report.required('spec.scaleTargetRef.kind');
  if (!spec.scaleTargetRef?.name) report.required('spec.scaleTargetRef.name');
}

export function checkRevision(report: Report, { revision }: ControllerRevision): void {
  report.notNegative('revision', revision);
}

export function checkRevisionUpdate(report: Report, now: ControllerRevision, old: ControllerRevision): void {
  report.immutable('data', now.data, old.data);
}

export function checkIngressClass(report: Report, { spec }: IngressClass): void {
  const controller = spec?.controller;
  if (!controller) report.required('spec.controller');
  else if (!controller.includes('/'))
    report.invalid('spec.controller', controller, 'must be a domain-prefixed path (such as "acme.io/foo")');
}

export function checkIngressClassUpdate(report: Report, now: IngressClass, old: IngressClass): void {
  report.immutable('spec.controller', now.spec?.controller, old.spec?.controller);
}

export function checkLimitRange(report: Report, { spec }: LimitRange): void {
  for (const [index, item] of (spec?.limits ?? []).entries()) {
    const at = `spec.limits[${index}]`;
    if (!item.type) report.required(`${at}.type`);
    for (const part of ['max', 'min', 'default', 'defaultRequest'] as const)
      checkResourceList(report, `${at}.${part}`, item[part]);
    for (const [name, amount] of Object.entries(item.min ?? {})) {
      const [least, most] = [tryQuantity(amount), tryQuantity(item.max?.[name])];
      if (least && most && least.compare(most) > 0)
        report.invalid(`${at}.min[${name}]`, amount, `min value ${least} is greater than max value ${most}`);
    }
  }
}
