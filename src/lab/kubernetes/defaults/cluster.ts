import type {
  HorizontalPodAutoscaler,
  LimitRange,
  Namespace,
  Node,
  PersistentVolume,
  PriorityClass,
  RoleBinding,
  Secret,
  StorageClass,
} from '../../../kube/types.ts';

const RBAC = 'rbac.authorization.k8s.io';

export function namespaceDefaults(namespace: Namespace): void {
  const name = namespace.metadata?.name;
  if (name && namespace.metadata) {
    namespace.metadata.labels ??= {};
    namespace.metadata.labels['kubernetes.io/metadata.name'] = name;
  }
  namespace.status ??= {};
  namespace.status.phase ||= 'Active';
}

/** One block is the first of the blocks; where they differ the older field wins, as upstream. */
export function nodeDefaults({ spec, status }: Node): void {
  if (spec?.podCIDR && spec.podCIDRs?.[0] !== spec.podCIDR) spec.podCIDRs = [spec.podCIDR];
  else if (spec && !spec.podCIDR && spec.podCIDRs?.[0]) spec.podCIDR = spec.podCIDRs[0];
  if (status?.capacity) status.allocatable ??= { ...status.capacity };
}

/** `stringData` is for writing only: it is never stored. */
export function secretDefaults(secret: Secret): void {
  secret.type ||= 'Opaque';
  if (!secret.stringData) return;
  for (const [key, text] of Object.entries(secret.stringData)) {
    secret.data ??= {};
    secret.data[key] = Buffer.from(text).toString('base64');
  }
  delete secret.stringData;
}

/** RoleBinding and ClusterRoleBinding. */
export function bindingDefaults(binding: RoleBinding): void {
  if (binding.roleRef) binding.roleRef.apiGroup ||= RBAC;
  for (const subject of binding.subjects ?? [])
    if (subject.kind === 'User' || subject.kind === 'Group') subject.apiGroup ||= RBAC;
}

export function volumeDefaults(volume: PersistentVolume): void {
  if (volume.spec) {
    volume.spec.persistentVolumeReclaimPolicy ||= 'Retain';
    volume.spec.volumeMode ||= 'Filesystem';
    if (volume.spec.hostPath) volume.spec.hostPath.type ??= '';
  }
  volume.status ??= {};
  volume.status.phase ||= 'Pending';
}

export function limitRangeDefaults({ spec }: LimitRange): void {
  for (const item of spec?.limits ?? []) {
    if (item.type !== 'Container') continue;
    const limits = { ...item.max, ...item.default };
    if (Object.keys(limits).length) item.default = limits;
    const requests = { ...item.min, ...limits, ...item.defaultRequest };
    if (Object.keys(requests).length) item.defaultRequest = requests;
  }
}

export function storageClassDefaults(storage: StorageClass): void {
  storage.reclaimPolicy ||= 'Delete';
  storage.volumeBindingMode ||= 'Immediate';
}

export function priorityClassDefaults(priority: PriorityClass): void {
  priority.preemptionPolicy ||= 'PreemptLowerPriority';
}

export function autoscalerDefaults({ spec }: HorizontalPodAutoscaler): void {
  if (!spec) return;
  spec.minReplicas ??= 1;
  const open = spec as unknown as { metrics?: unknown[] };
  if (!open.metrics?.length)
    open.metrics = [
      {
        type: 'Resource',
        resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } },
      },
    ];
}
