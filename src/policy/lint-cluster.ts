import { peerIsPod } from './anchor-index.ts';
import type { Finding, ServiceObject } from './finding.ts';
import type { LintedCluster } from './lint.ts';
import { NAMESPACE_NAME_LABEL, type PodObject } from './objects.ts';
import { takesPart } from './pod-entry.ts';
import type { PodPeer, Policy, PortRange, Rule } from './policy.ts';
import { listOf } from './read-parts.ts';

/** What can be seen only with the pods and Services that are there. */
export function lintAgainst(policy: Policy, cluster: LintedCluster): readonly Finding[] {
  const { key, subject } = policy;
  if (!subject) return [];
  const found: Finding[] = [];
  const subjects = podsOf(subject, cluster);
  if (subjects.length === 0)
    found.push(nothing(`${key} spec.${policy.tier === 'network-policy' ? 'podSelector' : 'subject'}`));
  for (const rule of [...(policy.ingress ?? []), ...(policy.egress ?? [])]) {
    const { direction, index } = rule.ref;
    const at = `${key} spec.${direction}[${index}]`;
    const peers = (rule.peers === 'any' ? [] : rule.peers).filter((peer) => peer.kind === 'pods');
    for (const peer of peers)
      if (podsOf(peer, cluster).length === 0)
        found.push(nothing(`${at}.${direction === 'ingress' ? 'from' : 'to'}`, textOf(peer)));
    const destinations = direction === 'ingress' ? subjects : peers.flatMap((peer) => podsOf(peer, cluster));
    found.push(...servicePorts(rule, at, destinations, cluster.services));
  }
  return found;
}

function nothing(field: string, value = ''): Finding {
  return {
    check: 'selects-nothing',
    field,
    value,
    rule: 'selects no pod that is there now (pods in the network of their node are never selected)',
    fix: 'compare with `kubectl get pods -A --show-labels` and `kubectl get namespaces --show-labels`',
  };
}

function textOf({ namespaces, pods }: PodPeer): string {
  const where =
    typeof namespaces === 'string' ? `namespace ${namespaces}` : `namespaces ${namespaces.text || 'all'}`;
  return `${where}, pods ${pods.text || 'all'}`;
}

function podsOf(peer: PodPeer, { pods, namespaces }: LintedCluster): readonly PodObject[] {
  return pods.filter((pod) => {
    const namespace = pod.metadata?.namespace ?? '';
    const known = namespaces.find(({ metadata }) => metadata?.name === namespace);
    const labels = known ? (known.metadata?.labels ?? {}) : { [NAMESPACE_NAME_LABEL]: namespace };
    return takesPart(pod) && peerIsPod(peer, namespace, pod.metadata?.labels ?? {}, labels);
  });
}

/** A rule with a port that only a Service has: the packet bears the pod's when a policy sees it. */
function servicePorts(
  rule: Rule,
  at: string,
  destinations: readonly PodObject[],
  services: readonly ServiceObject[],
): readonly Finding[] {
  if (rule.ports === 'any') return [];
  const ports = services
    .filter((service) => destinations.some((pod) => leadsTo(service, pod)))
    .flatMap((service) =>
      listOf(service.spec?.ports).map((port) => ({
        name: `${service.metadata?.namespace ?? ''}/${service.metadata?.name ?? ''}`,
        protocol: port.protocol || 'TCP',
        port: port.port,
        target: port.targetPort ?? port.port,
      })),
    );
  return rule.ports.ranges.flatMap((range): Finding[] => {
    if (range.first !== range.last) return [];
    const same = ports.filter(({ protocol }) => protocol === range.protocol);
    const translated = same.find(({ port, target }) => port === range.first && target !== range.first);
    if (!translated || same.some(({ target }) => target === range.first)) return [];
    if (destinations.some((pod) => listens(pod, range))) return [];
    return [
      {
        check: 'service-port',
        field: `${at}.ports`,
        value: `${range.protocol} ${range.first}`,
        rule: `is the port of Service ${translated.name}, which leads to port ${translated.target} of its pods`,
        fix: `name the pods' port: ${translated.target}`,
      },
    ];
  });
}

function leadsTo({ metadata, spec }: ServiceObject, pod: PodObject): boolean {
  const selector = Object.entries(spec?.selector ?? {});
  const labels = pod.metadata?.labels ?? {};
  return (
    selector.length > 0 &&
    metadata?.namespace === pod.metadata?.namespace &&
    selector.every(([key, value]) => labels[key] === value)
  );
}

function listens({ spec }: PodObject, { protocol, first }: PortRange): boolean {
  return listOf(spec?.containers)
    .flatMap(({ ports }) => listOf(ports))
    .some((port) => port.containerPort === first && (port.protocol || 'TCP') === protocol);
}
