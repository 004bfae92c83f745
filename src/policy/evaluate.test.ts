import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import type { DecidedBy, Packet } from './decision.ts';
import { evaluate } from './evaluate.ts';
import type { Cluster, ClusterPolicy, NetworkPolicy, PodObject } from './objects.ts';
import { compile, emptyCluster, lookupBoth, pod } from './testing.ts';

const ADDRESS: Readonly<Record<string, string>> = {
  'default/db': '10.244.0.2',
  'default/frontend': '10.244.1.2',
  'default/other': '10.244.1.3',
  'shop/web': '10.244.1.4',
  'shop/frontend': '10.244.1.5',
  host: '10.0.0.2',
  node: '10.0.0.1',
  world: '198.51.100.9',
  'in block': '172.17.0.9',
  excepted: '172.17.1.9',
};

const PODS: readonly PodObject[] = [
  pod('default/db', ADDRESS['default/db']!, { labels: { role: 'db' }, ports: ['sql=6379', 'dns=53/UDP'] }),
  pod('default/frontend', ADDRESS['default/frontend']!, {
    labels: { role: 'frontend' },
    node: 'n2',
    ports: ['sql=7000'],
  }),
  pod('default/other', ADDRESS['default/other']!, { node: 'n2' }),
  pod('shop/web', ADDRESS['shop/web']!, { labels: { role: 'web' }, node: 'n2' }),
  pod('shop/frontend', ADDRESS['shop/frontend']!, { labels: { role: 'frontend' }, node: 'n2' }),
  {
    ...pod('default/host', ADDRESS.host!, { labels: { role: 'frontend' } }),
    spec: { nodeName: 'n2', hostNetwork: true },
  },
];

function clusterOf(rest: Partial<Cluster>): Cluster {
  const namespaces = [
    { metadata: { name: 'default', labels: { 'kubernetes.io/metadata.name': 'default' } } },
    { metadata: { name: 'shop', labels: { 'kubernetes.io/metadata.name': 'shop', project: 'myproject' } } },
  ];
  return emptyCluster({ pods: PODS, namespaces, ...rest });
}

/** `default/frontend > default/db TCP 6379` */
function packetOf(text: string): Packet {
  const [, from, to, protocol, port] = /^(.+) > (.+) (TCP|UDP|SCTP|other)(?: (\d+))?$/.exec(text)!;
  return {
    source: ADDRESS[from!]!,
    destination: ADDRESS[to!]!,
    protocol: protocol as Packet['protocol'],
    port: Number(port ?? 0),
  };
}

function short(decidedBy: DecidedBy): string {
  return typeof decidedBy === 'string'
    ? decidedBy
    : `${decidedBy.policy} ${decidedBy.direction}[${decidedBy.index}]`;
}

/** Both the evaluator and the tables of both nodes. */
function check(cluster: Cluster, text: string): string {
  const packet = packetOf(text);
  const said = evaluate(cluster, packet);
  expect(lookupBoth([compile('n1', cluster), compile('n2', cluster)], packet)).toEqual(said);
  const deciding = said.egress.verdict === 'deny' ? said.egress : said.ingress;
  return `${said.verdict}: ${short(deciding.decidedBy)}`;
}

const network = (spec: string, name = 'p', namespace = 'default'): NetworkPolicy => ({
  metadata: { namespace, name },
  spec: parse(spec),
});

type Rows = readonly (readonly [packet: string, result: string])[];

function table(title: string, cluster: Cluster, rows: Rows): void {
  describe(title, () => {
    test.each(rows)('%s: %s', (packet, result) => expect(check(cluster, packet)).toBe(result));
  });
}

// The example of "The NetworkPolicy resource" in the Kubernetes documentation
const EXAMPLE = network(`
podSelector: { matchLabels: { role: db } }
policyTypes: [Ingress, Egress]
ingress:
- from:
  - ipBlock: { cidr: 172.17.0.0/16, except: [172.17.1.0/24] }
  - namespaceSelector: { matchLabels: { project: myproject } }
  - podSelector: { matchLabels: { role: frontend } }
  ports: [{ protocol: TCP, port: 6379 }]
egress:
- to:
  - ipBlock: { cidr: 10.0.0.0/24 }
  ports: [{ protocol: TCP, port: 5978 }]
`);
const IN = 'accept: NetworkPolicy default/p ingress[0]';
table('the documentation’s example', clusterOf({ networkPolicies: [EXAMPLE] }), [
  ['in block > default/db TCP 6379', IN],
  ['excepted > default/db TCP 6379', 'deny: isolated'],
  ['shop/web > default/db TCP 6379', IN],
  ['default/frontend > default/db TCP 6379', IN],
  ['default/frontend > default/db TCP 6380', 'deny: isolated'],
  ['default/frontend > default/db UDP 6379', 'deny: isolated'],
  ['default/frontend > default/db other', 'deny: isolated'],
  ['default/other > default/db TCP 6379', 'deny: isolated'],
  ['world > default/db TCP 6379', 'deny: isolated'],
  ['node > default/db TCP 1', 'accept: own node'],
  ['host > default/db TCP 6379', 'deny: isolated'],
  ['default/db > default/db TCP 1', 'accept: itself'],
  ['default/db > host TCP 5978', 'accept: no pod'],
  ['default/db > host TCP 5979', 'deny: isolated'],
  ['default/db > node TCP 22', 'accept: no pod'],
  ['default/db > default/frontend TCP 5978', 'deny: isolated'],
  ['default/frontend > shop/web TCP 1', 'accept: not isolated'],
]);

const rules = (spec: string) => clusterOf({ networkPolicies: [network(spec)] });
const FROM_FRONTEND = 'default/frontend > default/db TCP 6379';
const TO_FRONTEND = 'default/db > default/frontend TCP 1';
describe('default policies of the documentation', () => {
  test.each([
    ['deny all ingress', 'podSelector: {}\npolicyTypes: [Ingress]', 'deny: isolated', 'deny: isolated'],
    ['allow all ingress', 'podSelector: {}\ningress: [{}]', IN, IN],
    ['deny all egress', 'podSelector: {}\npolicyTypes: [Egress]', 'deny: isolated', 'deny: isolated'],
    [
      'allow all egress',
      'podSelector: {}\negress: [{}]\npolicyTypes: [Egress]',
      'accept: not isolated',
      'accept: not isolated',
    ],
    [
      'no types, no rules: ingress only',
      'podSelector: { matchLabels: { role: db } }',
      'deny: isolated',
      'accept: not isolated',
    ],
    [
      'no types, egress rules: both',
      'podSelector: { matchLabels: { role: db } }\negress: [{}]',
      'deny: isolated',
      'accept: not isolated',
    ],
    [
      'types Ingress, egress rules: ignored',
      'podSelector: { matchLabels: { role: db } }\npolicyTypes: [Ingress]\negress: [{ ports: [{ port: 9 }] }]',
      'deny: isolated',
      'accept: not isolated',
    ],
    ['empty from: everybody', 'podSelector: {}\ningress: [{ from: [], ports: [] }]', IN, IN],
  ])('%s', (_, spec, toDb, fromDb) => {
    expect(check(rules(spec), FROM_FRONTEND)).toBe(toDb);
    expect(check(rules(spec), TO_FRONTEND)).toBe(fromDb);
  });
});

const SQL = 'podSelector: { matchLabels: { role: db } }\npolicyTypes: [Ingress, Egress]\n';
table(
  'ports',
  rules(`${SQL}ingress:
- ports: [{ port: sql }]
- ports: [{ port: 32000, endPort: 32768 }]
- ports: [{ port: dns, protocol: UDP }]
- ports: [{ protocol: SCTP }]
- ports: [{ port: dns }]
egress:
- to: [{ podSelector: {} }]
  ports: [{ port: sql }]
`),
  [
    ['world > default/db TCP 6379', IN],
    ['world > default/db TCP 7000', 'deny: isolated'],
    ['world > default/db TCP 31999', 'deny: isolated'],
    ['world > default/db TCP 32000', 'accept: NetworkPolicy default/p ingress[1]'],
    ['world > default/db TCP 32768', 'accept: NetworkPolicy default/p ingress[1]'],
    ['world > default/db TCP 32769', 'deny: isolated'],
    ['world > default/db UDP 53', 'accept: NetworkPolicy default/p ingress[2]'],
    ['world > default/db TCP 53', 'deny: isolated'],
    ['world > default/db SCTP 9', 'accept: NetworkPolicy default/p ingress[3]'],
    // The destination's port of that name, which is another than the subject's
    ['default/db > default/frontend TCP 7000', 'accept: not isolated'],
    ['default/db > default/frontend TCP 6379', 'deny: isolated'],
    ['default/db > default/other TCP 7000', 'deny: isolated'],
  ],
);

describe('what an older API let through is closed', () => {
  test.each([
    ['a range that is none', 'from: [{ ipBlock: { cidr: 10.244.1.0/33 } }]'],
    ['an exception that is none', 'from: [{ ipBlock: { cidr: 10.244.0.0/16, except: [x] } }]'],
    [
      'an operator that is unknown',
      'from: [{ podSelector: { matchExpressions: [{ key: role, operator: Is, values: [frontend] }] } }]',
    ],
    ['a peer that names nobody', 'from: [{}]'],
    ['a port out of range', 'ports: [{ port: 0 }]'],
    ['a range of ports backwards', 'ports: [{ port: 7000, endPort: 6000 }]'],
    ['an unknown protocol', 'ports: [{ protocol: ICMP }]'],
  ])('%s', (_, rule) => {
    expect(check(rules(`podSelector: {}\ningress: [{ ${rule} }]`), FROM_FRONTEND)).toBe('deny: isolated');
  });
});

const admin = (name: string, spec: string): ClusterPolicy => ({ metadata: { name }, spec: parse(spec) });
const ALL = 'subject: { namespaces: {} }';
const tiers = clusterOf({
  networkPolicies: [
    network('podSelector: { matchLabels: { role: db } }\ningress: [{ ports: [{ port: 6379 }] }]'),
  ],
  adminNetworkPolicies: [
    admin('low', `priority: 20\n${ALL}\ningress: [{ action: Deny, from: [{ namespaces: {} }] }]`),
    admin(
      'high',
      `priority: 10\n${ALL}\ningress:
- { action: Pass, from: [{ pods: { podSelector: { matchLabels: { role: frontend } } } }] }
- { action: Allow, from: [{ namespaces: { matchLabels: { project: myproject } } }], ports: [{ portNumber: { port: 80 } }] }`,
    ),
  ],
  clusterNetworkPolicies: [
    admin(
      'base',
      `tier: Baseline\npriority: 0\n${ALL}\ningress: [{ action: Deny, from: [{ pods: { podSelector: { matchLabels: { role: frontend } } } }] }]
egress: [{ action: Deny, to: [{ networks: [198.51.100.0/24] }], protocols: [{ tcp: { destinationPort: { number: 25 } } }] }]`,
    ),
  ],
  baselineAdminNetworkPolicies: [admin('default', `${ALL}\negress: [{ action: Deny, to: [{ nodes: {} }] }]`)],
});
table('tiers', tiers, [
  // Passed to the NetworkPolicy, which has the last word where it selects
  ['shop/frontend > default/db TCP 6379', IN],
  ['shop/frontend > default/db TCP 1', 'deny: isolated'],
  ['shop/frontend > shop/web TCP 1', 'deny: ClusterNetworkPolicy base ingress[0]'],
  ['shop/web > default/db TCP 80', 'accept: AdminNetworkPolicy high ingress[1]'],
  ['shop/web > default/db TCP 6379', 'deny: AdminNetworkPolicy low ingress[0]'],
  ['world > default/db TCP 6379', IN],
  ['world > default/other TCP 1', 'accept: not isolated'],
  ['default/other > world TCP 25', 'deny: ClusterNetworkPolicy base egress[0]'],
  ['default/other > world UDP 25', 'accept: no pod'],
  ['default/other > node TCP 1', 'deny: BaselineAdminNetworkPolicy default egress[0]'],
]);

describe('api-network-policy: two items of `from` are alternatives, and DNS goes by TCP only', () => {
  const policy: NetworkPolicy = {
    metadata: { namespace: 'default', name: 'api-network-policy' },
    spec: parse(`
podSelector: { matchLabels: { role: db } }
policyTypes: [Ingress, Egress]
ingress:
- from:
  - namespaceSelector: { matchLabels: { project: myproject } }
  - podSelector: { matchLabels: { role: frontend } }
  ports: [{ protocol: TCP, port: 8080 }]
egress:
- to: [{ podSelector: { matchLabels: { app: database } } }]
  ports: [{ protocol: TCP, port: 5432 }]
- to: [{ namespaceSelector: {} }]
  ports: [{ protocol: TCP, port: 53 }]
`),
  };
  const allowed = 'accept: NetworkPolicy default/api-network-policy ingress[0]';
  test.each<[string, string]>([
    ['shop/web > default/db TCP 8080', allowed],
    ['default/frontend > default/db TCP 8080', allowed],
    ['shop/frontend > default/db TCP 8080', allowed],
    ['default/other > default/db TCP 8080', 'deny: isolated'],
    ['default/frontend > default/db TCP 80', 'deny: isolated'],
    ['default/db > shop/web TCP 53', 'accept: not isolated'],
    ['default/db > shop/web UDP 53', 'deny: isolated'],
    ['default/db > world TCP 53', 'deny: isolated'],
  ])('%s: %s', (packet, result) => {
    expect(check(clusterOf({ networkPolicies: [policy] }), packet)).toBe(result);
  });
});
