import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Attributes, Identity } from '../server/types.ts';
import { forbiddenText, RbacIndex } from './rbac.ts';
import { compactRules, type PolicyRule, ruleAllows, ruleText, uncovered } from './rules.ts';

const jane: Identity = { name: 'jane', groups: ['dev', 'system:authenticated'] };
const on = (verb: string, resource: string, more: Partial<Attributes> = {}): Attributes => {
  const [plural, subresource] = resource.split('/') as [string, string | undefined];
  return {
    verb,
    isResource: true,
    path: '',
    group: '',
    resource: plural,
    ...(subresource && { subresource }),
    ...more,
  };
};
const path = (verb: string, text: string): Attributes => ({ verb, isResource: false, path: text });
const role = (name: string, rules: PolicyRule[], namespace?: string) => ({
  metadata: { name, ...(namespace && { namespace }) },
  rules,
});
const binding = (name: string, kind: string, of: string, subjects: object[], namespace?: string) => ({
  metadata: { name, ...(namespace && { namespace }) },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind, name: of },
  subjects,
});

describe('one rule', () => {
  const allows = (rule: Partial<PolicyRule>, attributes: Attributes): boolean =>
    ruleAllows({ verbs: ['get'], apiGroups: [''], resources: ['pods'], ...rule }, attributes);

  test('subresources are asked for by name', () => {
    expect(allows({}, on('get', 'pods'))).toBe(true);
    expect(allows({}, on('get', 'pods/log'))).toBe(false);
    expect(allows({ resources: ['pods/log'] }, on('get', 'pods/log'))).toBe(true);
    expect(allows({ resources: ['*/log'] }, on('get', 'pods/log'))).toBe(true);
    expect(allows({ resources: ['*/log'] }, on('get', 'pods'))).toBe(false);
    expect(allows({ resources: ['*'] }, on('get', 'pods/log'))).toBe(true);
    expect(allows({}, on('get', 'pods', { group: 'apps' }))).toBe(false);
  });

  test('names restrict, so that what has no name is not allowed', () => {
    expect(allows({ resourceNames: ['a'] }, on('get', 'pods', { name: 'a' }))).toBe(true);
    expect(allows({ resourceNames: ['a'] }, on('get', 'pods', { name: 'b' }))).toBe(false);
    expect(allows({ resourceNames: ['a'] }, on('get', 'pods'))).toBe(false);
  });

  test('paths match whole or by prefix', () => {
    const rule = { verbs: ['get'], nonResourceURLs: ['/healthz', '/metrics/*'] };
    expect(ruleAllows(rule, path('get', '/healthz'))).toBe(true);
    expect(ruleAllows(rule, path('get', '/healthz/etcd'))).toBe(false);
    expect(ruleAllows(rule, path('get', '/metrics/a/b'))).toBe(true);
    expect(ruleAllows(rule, path('put', '/metrics/a'))).toBe(false);
    expect(ruleAllows(rule, on('get', 'pods'))).toBe(false);
  });
});

describe('the index', () => {
  test('finds users, groups and service accounts, and follows changes', () => {
    const index = new RbacIndex();
    const rules = [{ verbs: ['list'], apiGroups: [''], resources: ['pods'] }];
    index.put('clusterroles', role('reader', rules));
    const list = on('list', 'pods', { namespace: 'default' });
    expect(index.decide(jane, list)).toEqual({ allowed: false, reason: '' });
    index.put(
      'rolebindings',
      binding('b', 'ClusterRole', 'reader', [{ kind: 'Group', name: 'dev' }], 'default'),
    );
    expect(index.decide(jane, list)).toEqual({
      allowed: true,
      reason: 'RBAC: allowed by RoleBinding "b/default" of ClusterRole "reader" to Group "dev"',
    });
    expect(index.decide(jane, on('list', 'pods', { namespace: 'other' })).allowed).toBe(false);
    expect(index.decide(jane, on('list', 'pods')).allowed).toBe(false);

    const robot = { name: 'system:serviceaccount:default:robot', groups: [] };
    const account = { kind: 'ServiceAccount', name: 'robot', namespace: 'default' };
    index.put('clusterrolebindings', binding('b', 'ClusterRole', 'reader', [account]));
    expect(index.decide(robot, on('list', 'pods')).allowed).toBe(true);
    index.put('clusterrolebindings', binding('b', 'ClusterRole', 'gone', [account]));
    expect(index.decide(robot, on('list', 'pods'))).toEqual({
      allowed: false,
      reason: 'RBAC: clusterrole.rbac.authorization.k8s.io "gone" not found',
    });
    index.delete('clusterrolebindings', undefined, 'b');
    expect(index.decide(robot, on('list', 'pods')).reason).toBe('');
    index.delete('rolebindings', 'default', 'b');
    expect(index.decide(jane, list).allowed).toBe(false);
  });

  test('a role of a namespace counts there alone, and grants no paths', () => {
    const index = new RbacIndex();
    index.put('roles', role('r', [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }], 'a'));
    index.put('roles', role('p', [{ verbs: ['get'], nonResourceURLs: ['*'] }], 'a'));
    for (const of of ['r', 'p'])
      index.put('rolebindings', binding(of, 'Role', of, [{ kind: 'User', name: 'jane' }], 'a'));
    expect(index.decide(jane, on('delete', 'pods', { namespace: 'a', name: 'x' })).allowed).toBe(true);
    expect(index.decide(jane, on('delete', 'pods', { namespace: 'b', name: 'x' })).allowed).toBe(false);
    expect(index.decide(jane, path('get', '/metrics')).allowed).toBe(false);
    expect(index.decide({ name: 'x', groups: ['system:masters'] }, path('get', '/metrics')).allowed).toBe(
      true,
    );
  });

  test('decides in microseconds among a thousand bindings', () => {
    const index = new RbacIndex();
    const rules = Array.from({ length: 20 }, (_, n) => ({
      verbs: ['get', 'list'],
      apiGroups: ['', 'apps'],
      resources: [`r${n}`],
    }));
    for (let n = 0; n < 1000; n++) {
      index.put('clusterroles', role(`role-${n}`, rules));
      index.put(
        'clusterrolebindings',
        binding(`b-${n}`, 'ClusterRole', `role-${n}`, [{ kind: 'User', name: `user-${n}` }]),
      );
    }
    const start = process.hrtime.bigint();
    for (let n = 0; n < 10_000; n++)
      expect(index.decide({ name: `user-${n % 1000}`, groups: ['a'] }, on('get', 'r19')).allowed).toBe(true);
    expect(Number(process.hrtime.bigint() - start) / 10_000).toBeLessThan(200_000);
  });
});

const WORDS = ['a', 'b', 'c', '*'];
const someRules = fc.array(
  fc.record({
    verbs: fc.uniqueArray(fc.constantFrom(...WORDS), { minLength: 1 }),
    apiGroups: fc.uniqueArray(fc.constantFrom('', 'apps', '*'), { minLength: 1 }),
    resources: fc.uniqueArray(fc.constantFrom('a', 'b', 'b/s', '*/s', '*'), { minLength: 1 }),
    resourceNames: fc.uniqueArray(fc.constantFrom('x', 'y')),
  }),
);

test('what is covered grants nothing that the owner could not do', () => {
  fc.assert(
    fc.property(someRules, someRules, (owned, wanted) => {
      const missing = uncovered(owned, wanted);
      expect(uncovered([...owned, ...missing], wanted)).toEqual([]);
      if (missing.length > 0) return;
      for (const verb of ['a', 'b', 'z'])
        for (const group of ['', 'apps', 'z'])
          for (const resource of ['a', 'b', 'b/s', 'z/s'])
            for (const name of ['x', 'y', '']) {
              const ask = on(verb, resource, { group, name });
              if (wanted.some((rule) => ruleAllows(rule, ask)))
                expect(owned.some((rule) => ruleAllows(rule, ask))).toBe(true);
            }
    }),
  );
});

test('rules and refusals read as upstream', () => {
  const rules = compactRules(
    uncovered([], [{ verbs: ['get', 'list'], apiGroups: [''], resources: ['pods', 'pods/log'] }]),
  );
  expect(rules.map(ruleText)).toEqual([
    '{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}',
    '{APIGroups:[""], Resources:["pods/log"], Verbs:["get" "list"]}',
  ]);
  expect(forbiddenText(jane, on('list', 'pods', { namespace: 'default' }))).toBe(
    'User "jane" cannot list resource "pods" in API group "" in the namespace "default"',
  );
  expect(forbiddenText(jane, on('get', 'nodes/proxy'))).toBe(
    'User "jane" cannot get resource "nodes/proxy" in API group "" at the cluster scope',
  );
  expect(forbiddenText(jane, path('get', '/metrics'))).toBe('User "jane" cannot get path "/metrics"');
});
