import fc from 'fast-check';
import type { Packet } from './decision.ts';
import type {
  Cluster,
  ClusterPeer,
  ClusterPolicy,
  ClusterRule,
  LabelSelector,
  Labels,
  NamespaceObject,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  NodeObject,
  PodObject,
} from './objects.ts';
import { node } from './testing.ts';

/** Universes so small that everything meets everything. */

const NAMESPACES = ['a', 'b', 'c'];
const POD_ADDRESSES = ['10.244.0.1', '10.244.0.2', '10.244.0.3', '10.244.1.1', '10.244.1.2', '10.244.1.3'];
const POD_ADDRESSES_6 = ['fd10::1', 'fd10::2', 'fd10::100'];
/** Pods, nodes, the world, and an address of nobody between the pods'. */
export const ADDRESSES = [
  ...POD_ADDRESSES,
  ...POD_ADDRESSES_6,
  '10.0.0.1',
  '10.0.0.2',
  'fd00::1',
  '10.244.0.9',
  '20.1.2.3',
  '20.1.9.9',
  '2001:db8::7',
];
export const PORTS = [0, 53, 79, 80, 81, 8080, 8081, 65_535];

const maybe = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(one, { nil: undefined });
const seldom = <T>(usual: fc.Arbitrary<T>, rare: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ arbitrary: usual, weight: 24 }, { arbitrary: rare, weight: 1 });

const keys = fc.constantFrom('app', 'tier');
const values = fc.constantFrom('x', 'y', 'z');
const labels: fc.Arbitrary<Labels> = fc.dictionary(keys, values, { maxKeys: 2 });

const expressions = seldom<NonNullable<NonNullable<LabelSelector['matchExpressions']>[number]>>(
  fc.oneof(
    fc.record({
      key: keys,
      operator: fc.constantFrom('In', 'NotIn'),
      values: fc.array(values, { minLength: 1, maxLength: 2 }),
    }),
    fc.record({ key: keys, operator: fc.constantFrom('Exists', 'DoesNotExist') }),
  ),
  fc.constantFrom(
    { key: 'app', operator: 'Near', values: ['x'] },
    { key: 'app', operator: 'In', values: [] },
    { key: 'app', operator: 'Exists', values: ['x'] },
  ),
);
const selectors: fc.Arbitrary<LabelSelector> = fc.oneof(
  fc.constant({}),
  labels.map((matchLabels) => ({ matchLabels })),
  fc.array(expressions, { maxLength: 2 }).map((matchExpressions) => ({ matchExpressions })),
  fc.record({ matchLabels: labels, matchExpressions: fc.array(expressions, { maxLength: 1 }) }),
);

const cidrs = seldom(
  fc.constantFrom(
    '0.0.0.0/0',
    '10.244.0.0/16',
    '10.244.0.0/24',
    '10.244.0.2/31',
    '10.244.0.3/32',
    '10.244.1.7/24',
    '20.1.0.0/16',
    '20.1.2.0/24',
    '10.0.0.0/30',
    '::/0',
    'fd10::/120',
    'fd00::1/128',
  ),
  fc.constantFrom('10.244.0.0', '010.244.0.0/16', '10.244.0.0/33', 'pods'),
);
const blocks = fc.record({ cidr: cidrs, except: maybe(fc.array(cidrs, { maxLength: 2 })) });

const networkPeers: fc.Arbitrary<NetworkPolicyPeer> = seldom(
  fc.oneof(
    fc.record({ podSelector: selectors }),
    fc.record({ namespaceSelector: selectors }),
    fc.record({ podSelector: selectors, namespaceSelector: selectors }),
    blocks.map((ipBlock) => ({ ipBlock })),
  ),
  fc.oneof(fc.constant({}), fc.record({ podSelector: selectors, ipBlock: blocks })),
);

const protocols = seldom(fc.constantFrom('TCP', 'UDP', 'SCTP', undefined), fc.constant('ICMP'));
const names = seldom(fc.constantFrom('http', 'dns'), fc.constantFrom('HTTP', '80', ''));
const numbers = seldom(fc.constantFrom(53, 80, 81, 8080), fc.constantFrom(0, 70_000));
const networkPorts: fc.Arbitrary<NetworkPolicyPort> = fc.oneof(
  fc.record({ protocol: protocols, port: fc.oneof(numbers, names) }),
  fc.record({ protocol: protocols }),
  fc.record({
    protocol: protocols,
    port: numbers,
    endPort: seldom(fc.constantFrom(80, 8080, 65_535), fc.constantFrom(1, 70_000)),
  }),
  seldom<NetworkPolicyPort>(
    fc.constant({ port: 80 }),
    fc.constantFrom({ endPort: 90 }, { port: 'http', endPort: 90 }),
  ),
);

const few = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(one, { maxLength: 2 });

export const networkPolicies: fc.Arbitrary<NetworkPolicy> = fc.record({
  metadata: fc.record({ namespace: fc.constantFrom(...NAMESPACES), name: fc.constantFrom('p', 'q', 'r') }),
  spec: fc.record({
    podSelector: selectors,
    policyTypes: seldom<string[] | undefined>(
      fc.constantFrom(undefined, [], ['Ingress'], ['Egress'], ['Ingress', 'Egress']),
      fc.constant(['Both']),
    ),
    ingress: maybe(few(fc.record({ from: maybe(few(networkPeers)), ports: maybe(few(networkPorts)) }))),
    egress: maybe(few(fc.record({ to: maybe(few(networkPeers)), ports: maybe(few(networkPorts)) }))),
  }),
});

const namespacedPods = fc.record({ namespaceSelector: maybe(selectors), podSelector: selectors });
const podPeers: fc.Arbitrary<ClusterPeer> = seldom<ClusterPeer>(
  fc.oneof(
    selectors.map((namespaces) => ({ namespaces })),
    namespacedPods.map((pods) => ({ pods })),
  ),
  fc.constantFrom({}, { namespaces: {}, pods: { podSelector: {} } }),
);
const egressPeers: fc.Arbitrary<ClusterPeer> = fc.oneof(
  { arbitrary: podPeers, weight: 4 },
  { arbitrary: selectors.map((nodes) => ({ nodes })), weight: 2 },
  { arbitrary: fc.array(cidrs, { minLength: 1, maxLength: 2 }).map((networks) => ({ networks })), weight: 2 },
  seldom<ClusterPeer>(podPeers, fc.constant({ domainNames: ['example.com'] })),
);
const adminPorts = fc.oneof(
  fc.record({ protocol: protocols, port: numbers }).map((portNumber) => ({ portNumber })),
  names.map((namedPort) => ({ namedPort })),
  fc
    .record({ protocol: protocols, start: fc.constantFrom(1, 53, 80), end: fc.constantFrom(80, 8080) })
    .map((portRange) => ({ portRange })),
);
const destinationPorts = fc.oneof(
  numbers.map((number) => ({ destinationPort: { number } })),
  fc.constant({ destinationPort: { range: { start: 53, end: 80 } } }),
  fc.constant({}),
);
const clusterProtocols = fc.oneof(
  destinationPorts.map((tcp) => ({ tcp })),
  destinationPorts.map((udp) => ({ udp })),
  destinationPorts.map((sctp) => ({ sctp })),
  names.map((destinationNamedPort) => ({ destinationNamedPort })),
);
const actions = seldom(fc.constantFrom('Accept', 'Allow', 'Deny', 'Pass'), fc.constant('Log'));
const peersOf = (peers: fc.Arbitrary<ClusterPeer>) =>
  seldom(fc.array(peers, { minLength: 1, maxLength: 2 }), fc.constant<ClusterPeer[]>([]));
const clusterRules = (
  direction: 'from' | 'to',
  peers: fc.Arbitrary<ClusterPeer>,
): fc.Arbitrary<ClusterRule> =>
  fc
    .record({
      action: actions,
      peers: peersOf(peers),
      ports: maybe(fc.array(adminPorts, { minLength: 1, maxLength: 2 })),
      protocols: maybe(fc.array(clusterProtocols, { minLength: 1, maxLength: 2 })),
    })
    .map(({ peers: some, ...rule }) => ({ ...rule, [direction]: some }));

export const clusterPolicies: fc.Arbitrary<ClusterPolicy> = fc.record({
  metadata: fc.record({ name: fc.constantFrom('k', 'l', 'm') }),
  spec: fc.record({
    tier: seldom(fc.constantFrom('Admin', 'Baseline'), fc.constant('Middle')),
    priority: fc.constantFrom(0, 5, 10),
    subject: seldom(
      fc.oneof(
        selectors.map((namespaces) => ({ namespaces })),
        namespacedPods.map((pods) => ({ pods })),
      ),
      fc.constant({}),
    ),
    ingress: maybe(few(clusterRules('from', podPeers))),
    egress: maybe(few(clusterRules('to', egressPeers))),
  }),
});

const containers = fc.record({
  ports: fc.array(
    fc.record({
      name: fc.constantFrom('http', 'dns'),
      containerPort: fc.constantFrom(53, 80, 8080),
      protocol: fc.constantFrom('TCP', 'UDP', undefined),
    }),
    { maxLength: 2 },
  ),
});

export const pods: fc.Arbitrary<PodObject> = fc.record({
  metadata: fc.record({
    namespace: fc.constantFrom(...NAMESPACES),
    name: fc.constantFrom('u', 'v', 'w'),
    labels: maybe(labels),
    creationTimestamp: fc.constantFrom('2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'),
  }),
  spec: fc.record({
    nodeName: fc.constantFrom('n1', 'n1', 'n2', 'n3', undefined),
    hostNetwork: seldom(fc.constant(false), fc.constant(true)),
    containers: fc.array(containers, { maxLength: 2 }),
    initContainers: maybe(
      fc.array(
        fc
          .tuple(containers, maybe(fc.constant('Always')))
          .map(([one, restartPolicy]) => ({ ...one, restartPolicy })),
        {
          maxLength: 1,
        },
      ),
    ),
  }),
  status: fc
    .record({
      phase: seldom(fc.constant('Running'), fc.constantFrom('Succeeded', 'Pending')),
      four: fc.constantFrom(...POD_ADDRESSES),
      six: maybe(fc.constantFrom(...POD_ADDRESSES_6)),
      none: seldom(fc.constant(false), fc.constant(true)),
    })
    .map(({ phase, four, six, none }) =>
      none ? { phase } : { phase, podIP: four, podIPs: [{ ip: four }, ...(six ? [{ ip: six }] : [])] },
    ),
});

export const namespaces: fc.Arbitrary<NamespaceObject> = fc
  .tuple(fc.constantFrom(...NAMESPACES), labels)
  .map(([name, own]) => ({ metadata: { name, labels: { ...own, 'kubernetes.io/metadata.name': name } } }));

export const nodes: fc.Arbitrary<NodeObject> = fc
  .tuple(fc.constantFrom('n1', 'n2', 'n3'), labels)
  .map(([name, own]) => node(name, own));

const byName = ({ metadata }: NamespaceObject): string => `${metadata?.namespace}/${metadata?.name}`;
const different = <T extends NamespaceObject>(one: fc.Arbitrary<T>, maxLength: number, minLength = 0) =>
  fc.uniqueArray(one, { selector: byName, minLength, maxLength });

export const clusters: fc.Arbitrary<Cluster> = fc.record({
  pods: different(pods, 8, 3),
  namespaces: different(namespaces, 3),
  nodes: different(nodes, 3),
  networkPolicies: different(networkPolicies, 5),
  adminNetworkPolicies: different(clusterPolicies, 1),
  baselineAdminNetworkPolicies: different(clusterPolicies, 1),
  clusterNetworkPolicies: different(clusterPolicies, 2),
});

const FOUR = ADDRESSES.filter((address) => !address.includes(':'));
const SIX = ADDRESSES.filter((address) => address.includes(':'));
const protocolsOfPackets = fc.constantFrom<Packet['protocol'][]>('TCP', 'TCP', 'UDP', 'SCTP', 'other');

const packetsAmong = (addresses: readonly string[]): fc.Arbitrary<Packet> =>
  fc.record({
    source: fc.constantFrom(...addresses),
    destination: fc.constantFrom(...addresses),
    protocol: protocolsOfPackets,
    port: fc.constantFrom(...PORTS),
  });

export const packets = fc.oneof(
  { arbitrary: packetsAmong(FOUR), weight: 3 },
  { arbitrary: packetsAmong(SIX), weight: 1 },
);
