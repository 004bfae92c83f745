import type {
  PersistentVolume,
  PersistentVolumeClaim,
  PriorityClass,
  ResourceQuota,
  StorageClass,
} from '../../../kube/types.ts';
import { since } from './age.ts';
import { printer, UNSET } from './columns.ts';

const MODES: Record<string, string> = {
  ReadWriteOnce: 'RWO',
  ReadOnlyMany: 'ROX',
  ReadWriteMany: 'RWX',
  ReadWriteOncePod: 'RWOP',
};
const modes = (list: string[] | undefined): string =>
  Object.keys(MODES)
    .filter((mode) => list?.includes(mode))
    .map((mode) => MODES[mode])
    .join(',');
const DEFAULT_CLASS = 'storageclass.kubernetes.io/is-default-class';

export const PERSISTENT_VOLUME = printer<PersistentVolume>(
  [
    'Name',
    'Capacity',
    'Access Modes',
    'Reclaim Policy',
    'Status',
    'Claim',
    'StorageClass',
    'VolumeAttributesClass',
    'Reason',
    'Age',
    'VolumeMode*',
  ],
  ({ metadata, spec, status }, { now }) => [
    metadata?.name ?? '',
    spec?.capacity?.storage ?? '',
    modes(spec?.accessModes),
    spec?.persistentVolumeReclaimPolicy ?? '',
    metadata?.deletionTimestamp ? 'Terminating' : (status?.phase ?? ''),
    spec?.claimRef ? `${spec.claimRef.namespace}/${spec.claimRef.name}` : '',
    spec?.storageClassName ?? '',
    spec?.volumeAttributesClassName ?? UNSET,
    status?.reason ?? '',
    since(metadata?.creationTimestamp, now),
    spec?.volumeMode ?? UNSET,
  ],
);

export const PERSISTENT_VOLUME_CLAIM = printer<PersistentVolumeClaim>(
  [
    'Name',
    'Status',
    'Volume',
    'Capacity',
    'Access Modes',
    'StorageClass',
    'VolumeAttributesClass',
    'Age',
    'VolumeMode*',
  ],
  ({ metadata, spec, status }, { now }) => [
    metadata?.name ?? '',
    metadata?.deletionTimestamp ? 'Terminating' : (status?.phase ?? ''),
    spec?.volumeName ?? '',
    spec?.volumeName ? (status?.capacity?.storage ?? '') : '',
    spec?.volumeName ? modes(status?.accessModes) : '',
    spec?.storageClassName ?? '',
    spec?.volumeAttributesClassName ?? UNSET,
    since(metadata?.creationTimestamp, now),
    spec?.volumeMode ?? UNSET,
  ],
);

export const STORAGE_CLASS = printer<StorageClass>(
  ['Name', 'Provisioner', 'ReclaimPolicy', 'VolumeBindingMode', 'AllowVolumeExpansion', 'Age'],
  ({ metadata, provisioner, reclaimPolicy, volumeBindingMode, allowVolumeExpansion }, { now }) => [
    `${metadata?.name}${metadata?.annotations?.[DEFAULT_CLASS] === 'true' ? ' (default)' : ''}`,
    provisioner ?? '',
    reclaimPolicy ?? 'Delete',
    volumeBindingMode ?? 'Immediate',
    allowVolumeExpansion ?? false,
    since(metadata?.creationTimestamp, now),
  ],
);

export const PRIORITY_CLASS = printer<PriorityClass>(
  ['Name', '#Value', 'Global-Default', 'Age', 'PreemptionPolicy'],
  ({ metadata, value, globalDefault, preemptionPolicy }, { now }) => [
    metadata?.name ?? '',
    value ?? 0,
    globalDefault ?? false,
    since(metadata?.creationTimestamp, now),
    preemptionPolicy ?? '',
  ],
);

export const RESOURCE_QUOTA = printer<ResourceQuota>(
  ['Name', 'Request', 'Limit', 'Age'],
  ({ metadata, status }, { now }) => {
    const lines = Object.entries(status?.hard ?? {})
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, hard]) => `${name}: ${status?.used?.[name] ?? 0}/${hard}`);
    const limits = lines.filter((line) => line.startsWith('limits.'));
    return [
      metadata?.name ?? '',
      lines.filter((line) => !line.startsWith('limits.')).join(', '),
      limits.join(', '),
      since(metadata?.creationTimestamp, now),
    ];
  },
);
