import type {
  ApiService,
  ConfigMap,
  Event,
  Lease,
  Namespace,
  PodTemplateSpec,
  RoleBinding,
  Secret,
  ServiceAccount,
} from '../../../kube/types.ts';
import type { KubeObject } from '../schema/types.ts';
import { since } from './age.ts';
import { NONE, printer, UNKNOWN } from './columns.ts';
import { formatLabels, layout } from './workloads.ts';

const size = (map: object | undefined): number => Object.keys(map ?? {}).length;

export const NAMESPACE = printer<Namespace>(['Name', 'Status', 'Age'], ({ metadata, status }, { now }) => [
  metadata?.name ?? '',
  status?.phase ?? '',
  since(metadata?.creationTimestamp, now),
]);

export const CONFIG_MAP = printer<ConfigMap>(
  ['Name', '#Data', 'Age'],
  ({ metadata, data, binaryData }, { now }) => [
    metadata?.name ?? '',
    size(data) + size(binaryData),
    since(metadata?.creationTimestamp, now),
  ],
);

export const SECRET = printer<Secret>(
  ['Name', 'Type', '#Data', 'Age'],
  ({ metadata, type, data }, { now }) => [
    metadata?.name ?? '',
    type ?? '',
    size(data),
    since(metadata?.creationTimestamp, now),
  ],
);

export const SERVICE_ACCOUNT = printer<ServiceAccount>(
  ['Name', '#Secrets', 'Age'],
  ({ metadata, secrets }, { now }) => [
    metadata?.name ?? '',
    secrets?.length ?? 0,
    since(metadata?.creationTimestamp, now),
  ],
);

export const LEASE = printer<Lease>(['Name', 'Holder', 'Age'], ({ metadata, spec }, { now }) => [
  metadata?.name ?? '',
  spec?.holderIdentity ?? '',
  since(metadata?.creationTimestamp, now),
]);

/** Names of the other group's fields are read too, so that one printer shows both. */
interface AnyEvent extends Event {
  regarding?: Event['involvedObject'];
  note?: string;
  deprecatedSource?: Event['source'];
  deprecatedFirstTimestamp?: string;
  deprecatedLastTimestamp?: string;
  deprecatedCount?: number;
  reportingController?: string;
}

export const EVENT = printer<AnyEvent>(
  [
    'Last Seen',
    'Type',
    'Reason',
    'Object',
    'Subobject*',
    'Source*',
    'Message',
    'First Seen*',
    '#Count*',
    'Name*',
  ],
  (event, { now }) => {
    const object = event.involvedObject ?? event.regarding;
    const source = event.source ?? event.deprecatedSource;
    const first = event.firstTimestamp ?? event.deprecatedFirstTimestamp ?? event.eventTime;
    const last =
      event.series?.lastObservedTime ?? event.lastTimestamp ?? event.deprecatedLastTimestamp ?? first;
    const from = source?.component
      ? [source.component, source.host]
      : [event.reportingComponent ?? event.reportingController, event.reportingInstance];
    return [
      since(last, now),
      event.type ?? '',
      event.reason ?? '',
      object?.name ? `${object.kind?.toLowerCase()}/${object.name}` : (object?.kind?.toLowerCase() ?? ''),
      object?.fieldPath ?? '',
      from.filter(Boolean).join(', '),
      (event.message ?? event.note ?? '').trim(),
      since(first, now),
      (event.series?.count ?? event.count ?? event.deprecatedCount) || 1,
      event.metadata?.name ?? '',
    ];
  },
);

export const BINDING = printer<RoleBinding>(
  ['Name', 'Role', 'Age', 'Users*', 'Groups*', 'ServiceAccounts*'],
  ({ metadata, roleRef, subjects }, { now }) => {
    const of = (kind: string) => (subjects ?? []).filter((subject) => subject.kind === kind);
    const names = (kind: string) => of(kind).map(({ name }) => name);
    return [
      metadata?.name ?? '',
      `${roleRef?.kind}/${roleRef?.name}`,
      since(metadata?.creationTimestamp, now),
      names('User').join(', '),
      names('Group').join(', '),
      of('ServiceAccount')
        .map(({ namespace, name }) => `${namespace}/${name}`)
        .join(', '),
    ];
  },
);

/** Roles, limit ranges and CRDs: when they were made, not how long ago. */
export const CREATED = printer<KubeObject>(['Name', 'Created At'], ({ metadata }) => [
  metadata?.name ?? '',
  metadata?.creationTimestamp ?? UNKNOWN,
]);

export const API_SERVICE = printer<ApiService>(
  ['Name', 'Service', 'Available', 'Age'],
  ({ metadata, spec, status }, { now }) => {
    const available = status?.conditions?.find(({ type }) => type === 'Available');
    const reason = available?.status !== 'True' && available?.reason ? ` (${available.reason})` : '';
    return [
      metadata?.name ?? '',
      spec?.service ? `${spec.service.namespace}/${spec.service.name}` : 'Local',
      `${available?.status ?? 'Unknown'}${reason}`,
      since(metadata?.creationTimestamp, now),
    ];
  },
);

export const POD_TEMPLATE = printer<{ metadata?: KubeObject['metadata']; template?: PodTemplateSpec }>(
  ['Name', 'Containers', 'Images', 'Pod Labels'],
  ({ metadata, template }) => [
    metadata?.name ?? '',
    ...layout(template),
    formatLabels(template?.metadata?.labels) || NONE,
  ],
);
