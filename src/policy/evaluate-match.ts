import { cidrContains, cidrOf, parseInterfaceAddress } from '../address/cidr.ts';
import { isAddressError } from '../address/error.ts';
import { parseAddress } from '../address/ip.ts';
import type { Direction, Packet } from './decision.ts';
import { namespaceLabels, nodeHas, podAt } from './evaluate-cluster.ts';
import type {
  AdminPort,
  Cluster,
  ClusterPeer,
  ClusterProtocol,
  ClusterRule,
  ClusterSubject,
  ContainerObject,
  LabelSelector,
  Labels,
  Maybe,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  PodObject,
} from './objects.ts';

/** Undefined: cannot be read. */
type Answer = boolean | undefined;

function present<T>(value: T): value is NonNullable<T> {
  return value !== undefined && value !== null;
}

/** What a selector says about labels: all requirements must hold; without any it selects everything. */
function matches(selector: LabelSelector, labels: Maybe<Labels>): Answer {
  const answers: Answer[] = Object.entries(selector.matchLabels ?? {}).map(([key, value]) =>
    typeof value === 'string' ? labelOf(labels, key) === value : undefined,
  );
  for (const { key, operator, values } of selector.matchExpressions ?? []) {
    const value = labelOf(labels, key ?? '');
    const listed = (values ?? []).includes(value ?? '');
    const some = (values ?? []).length > 0;
    if (!key) answers.push(undefined);
    else if (operator === 'In' && some) answers.push(value !== undefined && listed);
    else if (operator === 'NotIn' && some) answers.push(value === undefined || !listed);
    else if (operator === 'Exists' && !some) answers.push(value !== undefined);
    else if (operator === 'DoesNotExist' && !some) answers.push(value === undefined);
    else answers.push(undefined);
  }
  return answers.includes(undefined) ? undefined : answers.every(Boolean);
}

function labelOf(labels: Maybe<Labels>, key: string): string | undefined {
  return labels && Object.hasOwn(labels, key) ? labels[key] : undefined;
}

export function readable(selector: LabelSelector): boolean {
  return matches(selector, {}) !== undefined;
}

export function selects({ metadata, spec }: NetworkPolicy, pod: PodObject): boolean {
  if ((metadata?.namespace ?? '') !== (pod.metadata?.namespace ?? '')) return false;
  return matches(spec?.podSelector ?? {}, pod.metadata?.labels) ?? true;
}

export function networkRuleMatches(
  cluster: Cluster,
  policy: NetworkPolicy,
  rule: {
    readonly from?: Maybe<readonly NetworkPolicyPeer[]>;
    readonly to?: Maybe<readonly NetworkPolicyPeer[]>;
    readonly ports?: Maybe<readonly NetworkPolicyPort[]>;
  },
  direction: Direction,
  pod: PodObject,
  packet: Packet,
): boolean {
  const peers = (direction === 'ingress' ? rule.from : rule.to) ?? [];
  const address = direction === 'ingress' ? packet.source : packet.destination;
  const destination = direction === 'ingress' ? pod : podAt(cluster, packet.destination);
  const ports = rule.ports ?? [];
  return (
    (peers.length === 0 ||
      peers.some((peer) => networkPeerMatches(cluster, policy, peer, address) === true)) &&
    (ports.length === 0 || ports.some((port) => networkPortMatches(port, destination, packet) === true))
  );
}

function networkPeerMatches(
  cluster: Cluster,
  policy: NetworkPolicy,
  peer: NetworkPolicyPeer,
  address: string,
): Answer {
  const { ipBlock, podSelector, namespaceSelector } = peer;
  if (present(ipBlock)) {
    if (present(podSelector) || present(namespaceSelector)) return undefined;
    const inBlock = inRange(ipBlock.cidr, address);
    const excepted = (ipBlock.except ?? []).map((one) => inRange(one, address));
    if (inBlock === undefined || excepted.includes(undefined)) return undefined;
    return inBlock && !excepted.includes(true);
  }
  if (!present(podSelector) && !present(namespaceSelector)) return undefined;
  const pod = podAt(cluster, address);
  if (pod === undefined) return false;
  const byNamespace = present(namespaceSelector)
    ? matches(namespaceSelector, namespaceLabels(cluster, pod))
    : (pod.metadata?.namespace ?? '') === (policy.metadata?.namespace ?? '');
  const byPod = matches(podSelector ?? {}, pod.metadata?.labels);
  return byNamespace === undefined || byPod === undefined ? undefined : byNamespace && byPod;
}

function inRange(text: Maybe<string>, address: string): Answer {
  try {
    const range = parseInterfaceAddress((text ?? '').trim());
    return cidrContains(cidrOf(range.address, range.prefixLength), parseAddress(address));
  } catch (error) {
    if (!isAddressError(error)) throw error;
    return undefined;
  }
}

function networkPortMatches(
  { protocol, port, endPort }: NetworkPolicyPort,
  destination: PodObject | undefined,
  packet: Packet,
): Answer {
  const wanted = protocol || 'TCP';
  if (wanted !== 'TCP' && wanted !== 'UDP' && wanted !== 'SCTP') return undefined;
  if (typeof port === 'string') {
    if (present(endPort) || !isPortName(port)) return undefined;
    return packet.protocol === wanted && hasNamedPort(destination, port, packet);
  }
  if (!present(port)) return present(endPort) ? undefined : packet.protocol === wanted;
  return inPorts(wanted, port, endPort ?? port, packet);
}

function inPorts(protocol: string, first: Maybe<number>, last: Maybe<number>, packet: Packet): Answer {
  if (!isPort(first) || !isPort(last) || last < first) return undefined;
  return packet.protocol === protocol && packet.port >= first && packet.port <= last;
}

function isPort(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 65_535;
}

/** RFC 6335: at most 15 of a-z, 0-9 and -, with a letter in it. */
function isPortName(name: string): boolean {
  return /^(?=.*[a-z])[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?$/.test(name) && !name.includes('--');
}

/** Whether the packet goes to a port that a container of the pod calls so, by the same protocol. */
function hasNamedPort(pod: PodObject | undefined, name: string, packet: Packet): boolean {
  const sidecars = (pod?.spec?.initContainers ?? []).filter((one) => one.restartPolicy === 'Always');
  const containers: ContainerObject[] = [...(pod?.spec?.containers ?? []), ...sidecars];
  return containers
    .flatMap(({ ports }) => ports ?? [])
    .some(
      (port) =>
        port.name === name &&
        port.containerPort === packet.port &&
        (port.protocol || 'TCP') === packet.protocol,
    );
}

/** Whether a cluster-wide policy is about the pod. Without exactly one readable field: about nobody. */
export function subjectMatches(subject: Maybe<ClusterSubject>, pod: PodObject, namespace: Labels): boolean {
  return podsMatch(subject ?? {}, pod, namespace) ?? false;
}

function podsMatch({ namespaces, pods }: ClusterSubject, pod: PodObject, namespace: Labels): Answer {
  if (present(namespaces) === present(pods)) return undefined;
  if (present(namespaces)) return matches(namespaces, namespace);
  if (!present(pods) || !present(pods.podSelector)) return undefined;
  const byNamespace = matches(pods.namespaceSelector ?? {}, namespace);
  const byPod = matches(pods.podSelector, pod.metadata?.labels);
  return byNamespace === undefined || byPod === undefined ? undefined : byNamespace && byPod;
}

/** What a rule does with the packet; undefined when it does not match. */
export function clusterRuleMatches(
  cluster: Cluster,
  rule: ClusterRule,
  direction: Direction,
  pod: PodObject,
  packet: Packet,
): 'accept' | 'deny' | 'pass' | undefined {
  const peers = (direction === 'ingress' ? rule.from : rule.to) ?? [];
  const address = direction === 'ingress' ? packet.source : packet.destination;
  const destination = direction === 'ingress' ? pod : podAt(cluster, packet.destination);
  const byPeer = peers.map((peer) => clusterPeerMatches(cluster, peer, direction, address));
  const byPort = [
    ...(rule.ports ?? []).map((port) => adminPortMatches(port, destination, packet)),
    ...(rule.protocols ?? []).map((protocol) => protocolMatches(protocol, destination, packet)),
  ];
  const allows = rule.action === 'Allow' || rule.action === 'Accept';
  const known = allows || rule.action === 'Deny' || rule.action === 'Pass';
  if (!known || peers.length === 0 || byPeer.includes(undefined) || byPort.includes(undefined))
    return allows ? undefined : 'deny';
  if (!byPeer.includes(true) || (byPort.length > 0 && !byPort.includes(true))) return undefined;
  return allows ? 'accept' : rule.action === 'Deny' ? 'deny' : 'pass';
}

function clusterPeerMatches(
  cluster: Cluster,
  peer: ClusterPeer,
  direction: Direction,
  address: string,
): Answer {
  const { namespaces, pods, nodes, networks, domainNames } = peer;
  if ([namespaces, pods, nodes, networks, domainNames].filter(present).length !== 1) return undefined;
  if (present(namespaces) || present(pods)) {
    const pod = podAt(cluster, address);
    if (pod) return podsMatch(peer, pod, namespaceLabels(cluster, pod));
    return podsMatch(peer, {}, {}) === undefined ? undefined : false;
  }
  if (direction === 'ingress') return undefined;
  if (present(nodes)) {
    if (!readable(nodes)) return undefined;
    return cluster.nodes.some(
      (node) => matches(nodes, node.metadata?.labels) === true && nodeHas(node, address),
    );
  }
  // Names are not resolved here: a rule that allows some allows none, as the API demands of what is not supported.
  if (!present(networks) || networks.length === 0) return undefined;
  const answers = networks.map((network) => inRange(network, address));
  return answers.includes(undefined) ? undefined : answers.includes(true);
}

function adminPortMatches(port: AdminPort, destination: PodObject | undefined, packet: Packet): Answer {
  const { portNumber, namedPort, portRange } = port;
  if ([portNumber, namedPort, portRange].filter(present).length !== 1) return undefined;
  if (present(namedPort))
    return isPortName(namedPort) ? hasNamedPort(destination, namedPort, packet) : undefined;
  const protocol = (portNumber ?? portRange)?.protocol || 'TCP';
  if (protocol !== 'TCP' && protocol !== 'UDP' && protocol !== 'SCTP') return undefined;
  return present(portNumber)
    ? inPorts(protocol, portNumber.port, portNumber.port, packet)
    : inPorts(protocol, portRange?.start, portRange?.end, packet);
}

function protocolMatches(
  { tcp, udp, sctp, destinationNamedPort: name }: ClusterProtocol,
  destination: PodObject | undefined,
  packet: Packet,
): Answer {
  if ([tcp, udp, sctp, name].filter(present).length !== 1) return undefined;
  if (present(name)) return isPortName(name) ? hasNamedPort(destination, name, packet) : undefined;
  const protocol = present(tcp) ? 'TCP' : present(udp) ? 'UDP' : 'SCTP';
  const port = (tcp ?? udp ?? sctp)?.destinationPort;
  if (!present(port)) return packet.protocol === protocol;
  if (present(port.number) === present(port.range)) return undefined;
  return present(port.number)
    ? inPorts(protocol, port.number, port.number, packet)
    : inPorts(protocol, port.range?.start, port.range?.end, packet);
}
