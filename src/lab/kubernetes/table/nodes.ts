import type { Node } from '../../../kube/types.ts';
import { since } from './age.ts';
import { NONE, printer, UNKNOWN } from './columns.ts';

const ROLE = 'node-role.kubernetes.io/';
const OLD_ROLE = 'kubernetes.io/role';

/** Sorted, each once. */
export function rolesOf(labels: Record<string, string> | undefined): string[] {
  const roles = new Set<string>();
  for (const [key, value] of Object.entries(labels ?? {})) {
    if (key.startsWith(ROLE) && key.length > ROLE.length) roles.add(key.slice(ROLE.length));
    else if (key === OLD_ROLE && value) roles.add(value);
  }
  return [...roles].sort();
}

function statusOf({ spec, status }: Node): string {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  const text = ready ? (ready.status === 'True' ? 'Ready' : 'NotReady') : 'Unknown';
  return spec?.unschedulable ? `${text},SchedulingDisabled` : text;
}

export const NODE = printer<Node>(
  [
    'Name',
    'Status',
    'Roles',
    'Age',
    'Version',
    'Internal-IP*',
    'External-IP*',
    'OS-Image*',
    'Kernel-Version*',
    'Container-Runtime*',
  ],
  (node, { now }) => {
    const { metadata, status } = node;
    const info = status?.nodeInfo;
    const address = (type: string) => status?.addresses?.find((one) => one.type === type)?.address || NONE;
    return [
      metadata?.name ?? '',
      statusOf(node),
      rolesOf(metadata?.labels).join(',') || NONE,
      since(metadata?.creationTimestamp, now),
      info?.kubeletVersion ?? '',
      address('InternalIP'),
      address('ExternalIP'),
      info?.osImage || UNKNOWN,
      info?.kernelVersion || UNKNOWN,
      info?.containerRuntimeVersion || UNKNOWN,
    ];
  },
);
