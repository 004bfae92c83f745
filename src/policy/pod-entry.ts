import { formatAddress, type IpAddress, isAddress, parseAddress } from '../address/ip.ts';
import { PROTOCOLS } from './decision.ts';
import { type ContainerPort, type Identity, identityKey } from './identity.ts';
import type { Labels, PodObject } from './objects.ts';
import type { Profile } from './profile.ts';
import { listOf } from './read-parts.ts';

/** What is kept of a pod that has addresses of its own. */
export interface PodEntry {
  readonly key: string;
  readonly identity: Identity;
  readonly addresses: readonly PodAddress[];
  /** On the node that the tables are for. */
  readonly local: boolean;
  readonly created: string;
  /** Of local pods, once their policies are known; null: no policy concerns it. */
  ingress: Profile | null | undefined;
  egress: Profile | null | undefined;
}

export interface PodAddress extends IpAddress {
  readonly text: string;
}

/** Whether policies can be about the pod: it lives, and has a network of its own. */
export function takesPart({ spec, status }: PodObject): boolean {
  return !spec?.hostNetwork && status?.phase !== 'Succeeded' && status?.phase !== 'Failed';
}

export function podAddresses({ status }: PodObject): readonly PodAddress[] {
  const found = new Map<string, PodAddress>();
  for (const text of [status?.podIP, ...listOf(status?.podIPs).map(({ ip }) => ip)]) {
    if (typeof text !== 'string' || !isAddress(text)) continue;
    const address = parseAddress(text);
    const spelled = formatAddress(address);
    if (!found.has(spelled)) found.set(spelled, { ...address, text: spelled });
  }
  return [...found.values()];
}

/** Named ports of containers that stay: init containers only where they are sidecars. */
function namedPorts({ spec }: PodObject): readonly ContainerPort[] {
  const sidecars = listOf(spec?.initContainers).filter(({ restartPolicy }) => restartPolicy === 'Always');
  return [...listOf(spec?.containers), ...sidecars].flatMap(({ ports }) =>
    listOf(ports).flatMap(({ name, containerPort, protocol: given }): ContainerPort[] => {
      const protocol = PROTOCOLS.find((one) => one === (given || 'TCP'));
      if (!name || !protocol || typeof containerPort !== 'number') return [];
      return [{ name, protocol, first: containerPort, last: containerPort }];
    }),
  );
}

export interface Traits {
  readonly key: string;
  readonly namespace: string;
  readonly labels: Labels;
  readonly ports: readonly ContainerPort[];
}

export function traitsOf(pod: PodObject): Traits {
  const namespace = pod.metadata?.namespace ?? '';
  const labels = pod.metadata?.labels ?? {};
  const ports = namedPorts(pod);
  return { key: identityKey(namespace, labels, ports), namespace, labels, ports };
}
