import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type LintedCluster, type LintedPolicy, lint } from './lint.ts';
import { pod } from './testing.ts';

const policy = (spec: string, name = 'p'): LintedPolicy => ({
  kind: 'NetworkPolicy',
  object: { metadata: { namespace: 'production', name }, spec: parse(spec) },
});

const CLUSTER: LintedCluster = {
  pods: [
    pod('production/api', '10.244.0.1', { labels: { app: 'api' }, ports: ['http=8080'] }),
    pod('production/web', '10.244.0.2', { labels: { role: 'frontend' } }),
  ],
  namespaces: [{ metadata: { name: 'production', labels: { environment: 'production' } } }],
  services: [
    {
      metadata: { namespace: 'production', name: 'api' },
      spec: { selector: { app: 'api' }, ports: [{ port: 80, targetPort: 8080 }] },
    },
  ],
};

const checks = (policies: LintedPolicy[], cluster?: LintedCluster) =>
  lint(policies, cluster).map(({ check, field }) => `${check}: ${field}`);

const API = `
podSelector: { matchLabels: { app: api } }
policyTypes: [Ingress, Egress]
ingress:
- from:
  - namespaceSelector: { matchLabels: { environment: production } }
  - podSelector: { matchLabels: { role: frontend } }
  ports: [{ protocol: TCP, port: 8080 }]
egress:
- to: [{ podSelector: { matchLabels: { app: database } } }]
  ports: [{ protocol: TCP, port: 5432 }]
- to: [{ namespaceSelector: {} }]
  ports: [{ protocol: TCP, port: 53 }]
`;

test('api-network-policy: its two traps, with field, value, rule and way out', () => {
  const found = lint([policy(API, 'api-network-policy')]);
  expect(found).toEqual([
    {
      check: 'dns-tcp-only',
      field: 'NetworkPolicy production/api-network-policy spec.egress[1].ports',
      value: 'TCP 53',
      rule: expect.stringContaining('UDP'),
      fix: 'add { protocol: UDP, port: 53 }',
    },
    {
      check: 'alternatives',
      field: 'NetworkPolicy production/api-network-policy spec.ingress[0].from',
      value: 'items 0 and 1',
      rule: expect.stringContaining('every pod of those namespaces'),
      fix: expect.stringContaining('one item'),
    },
  ]);
});

test('against a cluster: a selector that matches nothing', () => {
  expect(checks([policy(API)], CLUSTER).slice(2)).toEqual([
    'selects-nothing: NetworkPolicy production/p spec.egress[0].to',
  ]);
  expect(checks([policy('podSelector: { matchLabels: { app: apo } }')], CLUSTER)).toEqual([
    'selects-nothing: NetworkPolicy production/p spec.podSelector',
  ]);
});

describe('what is right is not told', () => {
  test.each([
    ['DNS by both', 'podSelector: {}\negress: [{ ports: [{ port: 53 }, { protocol: UDP, port: 53 }] }]'],
    [
      'DNS by both, in two rules',
      'podSelector: {}\negress: [{ ports: [{ port: 53 }] }, { ports: [{ protocol: UDP }] }]',
    ],
    [
      'both selectors in one item',
      'podSelector: {}\ningress: [{ from: [{ podSelector: {}, namespaceSelector: {} }] }]',
    ],
    [
      'an exception inside',
      'podSelector: {}\ningress: [{ from: [{ ipBlock: { cidr: 10.0.0.0/8, except: [10.1.0.0/16] } }] }]',
    ],
    [
      'the port of the pod',
      'podSelector: { matchLabels: { app: api } }\ningress: [{ ports: [{ port: 8080 }] }]',
    ],
  ])('%s', (_, spec) => expect(lint([policy(spec)], CLUSTER)).toEqual([]));
});

test.each([
  ['outside', '10.0.0.0/8', '192.168.0.0/16', 'takes nothing'],
  ['of another family', '10.0.0.0/8', 'fd00::/8', 'takes nothing'],
  ['the whole', '10.0.0.0/8', '10.0.0.0/8', 'matches nothing'],
])('an exception %s', (_, cidr, except, rule) => {
  const spec = `podSelector: {}\ningress: [{ from: [{ ipBlock: { cidr: ${cidr}, except: ["${except}"] } }] }]`;
  expect(lint([policy(spec)])).toEqual([
    {
      check: 'except',
      field: 'NetworkPolicy production/p spec.ingress[0].from[0].ipBlock.except[0]',
      value: except,
      rule: expect.stringContaining(rule),
      fix: expect.stringContaining(cidr),
    },
  ]);
});

test('the port of a Service where the pod has another', () => {
  const inbound = 'podSelector: { matchLabels: { app: api } }\ningress: [{ ports: [{ port: 80 }] }]';
  expect(lint([policy(inbound)], CLUSTER)).toEqual([
    {
      check: 'service-port',
      field: 'NetworkPolicy production/p spec.ingress[0].ports',
      value: 'TCP 80',
      rule: expect.stringContaining('Service production/api'),
      fix: "name the pods' port: 8080",
    },
  ]);
  const outbound = `podSelector: { matchLabels: { role: frontend } }
policyTypes: [Egress]
egress: [{ to: [{ podSelector: { matchLabels: { app: api } } }], ports: [{ port: 80 }] }]`;
  expect(checks([policy(outbound)], CLUSTER)).toEqual([
    'service-port: NetworkPolicy production/p spec.egress[0].ports',
  ]);
});

describe('useless', () => {
  const narrow = policy(
    'podSelector: { matchLabels: { app: api } }\ningress: [{ ports: [{ port: 80 }] }]',
    'narrow',
  );
  const wide = policy('podSelector: {}\ningress: [{ ports: [{ port: 1, endPort: 100 }] }]', 'wide');
  const deny = policy('podSelector: {}', 'deny');

  test('by another policy', () => {
    expect(checks([narrow, wide])).toEqual(['useless: NetworkPolicy production/narrow spec']);
    expect(checks([deny, wide])).toEqual(['useless: NetworkPolicy production/deny spec']);
    expect(checks([deny, narrow])).toEqual([]);
    expect(checks([policy('podSelector: {}\negress: [{}]', 'out'), wide])).toEqual([]);
  });

  test('of two that are the same, the later', () => {
    expect(checks([deny, policy('podSelector: {}', 'deny-2')])).toEqual([
      'useless: NetworkPolicy production/deny-2 spec',
    ]);
  });

  test('a rule, by another of its policy', () => {
    const both = policy('podSelector: {}\ningress: [{ ports: [{ port: 80 }] }, {}, {}]');
    expect(checks([both])).toEqual([
      'useless: NetworkPolicy production/p spec.ingress[0]',
      'useless: NetworkPolicy production/p spec.ingress[2]',
    ]);
  });
});

test('what an older API let through', () => {
  const spec = 'podSelector: {}\ningress: [{ from: [{ ipBlock: { cidr: 010.0.0.0/8 } }] }]';
  const [found] = lint([policy(spec)]);
  expect(found).toMatchObject({
    check: 'unreadable',
    field: 'NetworkPolicy production/p spec.ingress[0].from[0].ipBlock.cidr',
    value: '010.0.0.0/8',
  });
});
