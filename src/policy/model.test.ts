import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Direction } from './decision.ts';
import { PolicyModel } from './model.ts';
import {
  type ClusterPolicy,
  type ClusterPolicyKind,
  keyOf,
  type NamespaceObject,
  type NetworkPolicy,
  type NodeObject,
  type PodObject,
  policyKey,
} from './objects.ts';
import {
  OPEN_PROFILE,
  POD_CLASS,
  type PolicyChange,
  type PolicyTables,
  rowOf,
  WORLD_CLASS,
} from './tables.ts';
import { CLUSTER_KINDS, compile, emptyCluster, node, pod } from './testing.ts';
import { clusterPolicies, namespaces, networkPolicies, nodes, pods } from './testing-clusters.ts';

type Step =
  | { readonly pod: PodObject }
  | { readonly namespace: NamespaceObject }
  | { readonly node: NodeObject }
  | { readonly network: NetworkPolicy }
  | { readonly kind: ClusterPolicyKind; readonly policy: ClusterPolicy }
  | { readonly gone: number }
  | 'take';

const kinds = fc.constantFrom(...CLUSTER_KINDS.map(([kind]) => kind));
const steps = fc.array(
  fc.oneof<{ arbitrary: fc.Arbitrary<Step>; weight: number }[]>(
    { arbitrary: pods.map((one) => ({ pod: one })), weight: 8 },
    { arbitrary: namespaces.map((one) => ({ namespace: one })), weight: 3 },
    { arbitrary: nodes.map((one) => ({ node: one })), weight: 2 },
    { arbitrary: networkPolicies.map((one) => ({ network: one })), weight: 6 },
    { arbitrary: fc.record({ kind: kinds, policy: clusterPolicies }), weight: 3 },
    { arbitrary: fc.nat(30).map((gone) => ({ gone })), weight: 5 },
    { arbitrary: fc.constant('take' as const), weight: 4 },
  ),
  { minLength: 20, maxLength: 60 },
);

/** What is there, as an API server would have it. */
class Store {
  readonly held = new Map<string, Exclude<Step, 'take' | { gone: number }>>();

  apply(step: Exclude<Step, 'take'>, model: PolicyModel): void {
    if ('gone' in step) {
      const key = [...this.held.keys()][step.gone];
      if (key === undefined) return;
      this.held.delete(key);
      const [, what, name] = /^(\w+) (.*)$/.exec(key)!;
      if (what === 'pod') model.deletePod(name!);
      else if (what === 'namespace') model.deleteNamespace(name!);
      else if (what === 'node') model.deleteNode(name!);
      else model.deletePolicy(key);
    } else if ('pod' in step) {
      this.held.set(`pod ${keyOf(step.pod)}`, step);
      model.setPod(step.pod);
    } else if ('namespace' in step) {
      this.held.set(`namespace ${step.namespace.metadata?.name}`, step);
      model.setNamespace(step.namespace);
    } else if ('node' in step) {
      this.held.set(`node ${step.node.metadata?.name}`, step);
      model.setNode(step.node);
    } else if ('network' in step) {
      this.held.set(policyKey('NetworkPolicy', step.network), step);
      model.setPolicy('NetworkPolicy', step.network);
    } else {
      this.held.set(policyKey(step.kind, step.policy), step);
      model.setPolicy(step.kind, step.policy);
    }
  }

  cluster() {
    const all = [...this.held.values()];
    const of = (kind: ClusterPolicyKind) =>
      all.flatMap((step) => ('kind' in step && step.kind === kind ? [step.policy] : []));
    return emptyCluster({
      pods: all.flatMap((step) => ('pod' in step ? [step.pod] : [])),
      namespaces: all.flatMap((step) => ('namespace' in step ? [step.namespace] : [])),
      nodes: all.flatMap((step) => ('node' in step ? [step.node] : [])),
      networkPolicies: all.flatMap((step) => ('network' in step ? [step.network] : [])),
      adminNetworkPolicies: of('AdminNetworkPolicy'),
      baselineAdminNetworkPolicies: of('BaselineAdminNetworkPolicy'),
      clusterNetworkPolicies: of('ClusterNetworkPolicy'),
    });
  }
}

type Copy = { -readonly [T in keyof PolicyTables]: Map<string | number, unknown> };

/** What a kernel holds that was told the changes and nothing else. */
function apply(copy: Copy, change: PolicyChange): void {
  for (const name of Object.keys(copy) as (keyof Copy)[]) {
    const { set, gone } = change[name];
    for (const key of gone) expect(copy[name].delete(key)).toBe(true);
    for (const [key, value] of set) copy[name].set(key, value);
  }
}

const emptyCopy = (): Copy => ({
  node: new Map(),
  ingress: new Map(),
  egress: new Map(),
  addresses: new Map(),
  networks: new Map(),
  rows: new Map(),
  outcomes: new Map(),
});

/** The same for tables that differ in nothing but their numbers. */
function withoutNumbers(tables: PolicyTables) {
  const outcome = (id: number) => {
    const { rest, pieces } = tables.outcomes.get(id)!;
    return JSON.stringify([rest, pieces]);
  };
  const profiles = new Map<number, string[]>();
  const members = new Map<number, string>([
    [WORLD_CLASS, 'the world'],
    [POD_CLASS, 'pods'],
  ]);
  const into = (id: number, text: string) => members.set(id, `${members.get(id) ?? ''} ${text}`);
  for (const [address, id] of [...tables.addresses].sort()) into(id, address);
  for (const [key, network] of [...tables.networks].sort()) into(network.class, key);
  for (const [key, id] of tables.rows) {
    const row = rowOf(key);
    // A row of nobody would be a leak
    expect(members.has(row.class)).toBe(true);
    const rows = profiles.get(row.profile) ?? [];
    rows.push(`${members.get(row.class)}: ${outcome(id)}`);
    profiles.set(row.profile, rows.sort());
  }
  const subjects = (direction: Direction) =>
    [...tables[direction]].map(([address, id]) => [address, id === OPEN_PROFILE ? 'open' : profiles.get(id)]);
  return {
    node: [...tables.node.keys()].sort(),
    ingress: Object.fromEntries(subjects('ingress')),
    egress: Object.fromEntries(subjects('egress')),
    classes: [...members.values()].sort(),
    profiles: [...profiles.values()].map(String).sort(),
    outcomes: [...tables.outcomes.keys()].map(outcome).sort(),
  };
}

test('whatever comes in whatever order, the tables are those of what is there, and the changes add up', () => {
  fc.assert(
    fc.property(steps, (run) => {
      const model = new PolicyModel('n1');
      const store = new Store();
      const copy = emptyCopy();
      for (const step of [...run, 'take' as const]) {
        if (step !== 'take') {
          store.apply(step, model);
          continue;
        }
        apply(copy, model.take());
        expect(model.pending).toBe(false);
        const told = copy as unknown as PolicyTables;
        expect(told).toEqual(model.tables);
        expect(withoutNumbers(told)).toEqual(withoutNumbers(compile('n1', store.cluster())));
      }
    }),
    { numRuns: 600, seed: 5 },
  );
}, 120_000);

const sizeOf = (change: PolicyChange): Record<string, number> =>
  Object.fromEntries(
    Object.entries(change).flatMap(([name, one]) => {
      const size = 'gone' in one ? one.set.size + one.gone.length : one.size;
      return size > 0 ? [[name, size]] : [];
    }),
  );

describe('what a change touches', () => {
  const allow = (name: string, app: string, from: string): NetworkPolicy => ({
    metadata: { namespace: 'a', name },
    spec: {
      podSelector: { matchLabels: { app } },
      ingress: [{ from: [{ podSelector: { matchLabels: { app: from } } }] }],
    },
  });

  function filled(policies: number): PolicyModel {
    const model = new PolicyModel('n1');
    model.setNode(node('n1'));
    for (let i = 0; i < policies; i++) model.setPolicy('NetworkPolicy', allow(`p${i}`, `s${i}`, `c${i}`));
    for (let i = 0; i < 50; i++) {
      model.setPod(pod(`a/s${i}`, `10.244.0.${i + 1}`, { labels: { app: `s${i}` } }));
      model.setPod(pod(`a/c${i}`, `10.244.1.${i + 1}`, { labels: { app: `c${i}` }, node: 'n2' }));
    }
    model.take();
    return model;
  }

  test.each([100, 1_000])('a label of a peer, among %d policies: its own element', (policies) => {
    const model = filled(policies);
    model.setPod(pod('a/c1', '10.244.1.2', { labels: { app: 'c2' }, node: 'n2' }));
    // The class of c1 has nobody left, so that its row goes too
    expect(sizeOf(model.take())).toEqual({ addresses: 1, rows: 1, outcomes: 1 });
    model.setPod(pod('a/c1', '10.244.1.2', { labels: { app: 'c2', other: 'x' }, node: 'n2' }));
    expect(sizeOf(model.take())).toEqual({});
  });

  test('another pod like one that is there: one element', () => {
    const model = filled(100);
    model.setPod(pod('a/c1-b', '10.244.2.2', { labels: { app: 'c1' }, node: 'n2' }));
    expect(sizeOf(model.take())).toEqual({ addresses: 1 });
  });

  test('a policy: what it selects here', () => {
    const model = filled(100);
    model.setPolicy('NetworkPolicy', allow('elsewhere', 'nobody', 'c1'));
    expect(sizeOf(model.take())).toEqual({});
    model.setPolicy('NetworkPolicy', allow('more', 's1', 'c1'));
    const { ingress } = sizeOf(model.take());
    expect(ingress).toBe(1);
  });

  test('a rule for all pods: one row, however many classes of pods there are', () => {
    const model = filled(100);
    const anywhere = [{ from: [{ namespaceSelector: {} }], ports: [{ port: 53 }] }];
    model.setPod(pod('b/dns', '10.244.0.200', { labels: { app: 'dns' } }));
    model.setPolicy('NetworkPolicy', {
      metadata: { namespace: 'b', name: 'dns' },
      spec: { ingress: anywhere },
    });
    const { rows, ingress } = model.take();
    const profile = ingress.set.get('10.244.0.200')!;
    expect([...rows.set.keys()].map(rowOf).filter((row) => row.profile === profile)).toEqual([
      { profile, class: WORLD_CLASS },
      { profile, class: POD_CLASS },
    ]);
  });

  test('a state that changes without meaning: nothing', () => {
    const model = filled(10);
    model.setNode(node('n1'));
    model.setPod(pod('a/c1', '10.244.1.2', { labels: { app: 'c1' }, node: 'n2' }));
    model.setPolicy('NetworkPolicy', structuredClone(allow('p1', 's1', 'c1')));
    expect(model.pending).toBe(false);
    expect(sizeOf(model.take())).toEqual({});
  });

  test('what cannot be read is told with its field, until it is corrected', () => {
    const model = filled(1);
    const bad = { from: [{ ipBlock: { cidr: '10.0.0.0/33' } }] };
    const policy = { metadata: { namespace: 'a', name: 'bad' }, spec: { ingress: [bad] } };
    model.setPolicy('NetworkPolicy', policy);
    const problems = model.take().problems.get('NetworkPolicy a/bad');
    expect(problems).toEqual([
      {
        field: 'NetworkPolicy a/bad spec.ingress[0].from[0].ipBlock.cidr',
        value: '10.0.0.0/33',
        rule: expect.stringContaining('prefix length'),
        fix: expect.stringContaining('/0 to /32'),
      },
    ]);
    model.deletePolicy('NetworkPolicy a/bad');
    expect(model.take().problems.get('NetworkPolicy a/bad')).toEqual([]);
  });

  test('every local pod is there, also one that no policy concerns: it has its verdicts', () => {
    const model = new PolicyModel('n1');
    model.setPod(pod('a/free', '10.244.0.7'));
    model.setPod(pod('a/far', '10.244.1.7', { node: 'n2' }));
    const { ingress, egress } = model.take();
    expect([...ingress.set]).toEqual([['10.244.0.7', OPEN_PROFILE]]);
    expect([...egress.set]).toEqual([['10.244.0.7', OPEN_PROFILE]]);
  });
});
