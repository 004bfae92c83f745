import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SchemaRegistry } from '../schema/registry.ts';
import type { KindInfo, KubeObject } from '../schema/types.ts';
import { decodeObject, type FieldValidation } from './decode.ts';
import { duplicateFields } from './duplicates.ts';

const registry = SchemaRegistry.load();
const kind = (name: string, group = '', version = 'v1') =>
  registry.byKind({ group, version, kind: name }) as KindInfo;
const decode = (value: unknown, fieldValidation: FieldValidation = 'Strict', of = kind('Pod')) =>
  decodeObject(registry, of, typeof value === 'string' ? value : JSON.stringify(value), { fieldValidation });

const pod = (container: object, more: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'a' },
  spec: { containers: [{ name: 'c', image: 'i', ...container }], ...more },
});
const PREFIX = 'Pod in version "v1" cannot be handled as a Pod: ';

describe('unknown and duplicate fields', () => {
  test('Strict refuses and names each', () => {
    expect(decode(pod({ imagee: 'x' }, { replicas: 1 })).errors).toEqual([
      `${PREFIX}strict decoding error: unknown field "spec.containers[0].imagee", unknown field "spec.replicas"`,
    ]);
    expect(decode('{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","name":"b"}}').errors).toEqual([
      `${PREFIX}strict decoding error: duplicate field "metadata.name"`,
    ]);
  });
  test('Warn prunes and says so, Ignore prunes', () => {
    const warned = decode(pod({ imagee: 'x' }), 'Warn');
    expect(warned).toMatchObject({ warnings: ['unknown field "spec.containers[0].imagee"'], errors: [] });
    expect(warned.object).toEqual(pod({}));
    expect(decode(pod({ imagee: 'x' }), 'Ignore')).toEqual({ object: pod({}), warnings: [], errors: [] });
  });
  test('what 1.33 had not is unknown', () => {
    expect(decode(pod({ restartPolicyRules: [] })).errors[0]).toMatch(
      'unknown field "spec.containers[0].restartPolicyRules"',
    );
  });
});

describe('types', () => {
  test.each([
    [
      pod({ ports: 'x' }),
      'json: cannot unmarshal string into Go struct field Container.spec.containers.ports of type []v1.ContainerPort',
    ],
    [
      pod({ ports: [{ containerPort: '80' }] }),
      'json: cannot unmarshal string into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32',
    ],
    [
      pod({ env: [{ name: 'A', value: 1 }] }),
      'json: cannot unmarshal number into Go struct field EnvVar.spec.containers.env.value of type string',
    ],
    [
      pod({ ports: [{ containerPort: 1.5 }] }),
      'json: cannot unmarshal number 1.5 into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32',
    ],
    [
      pod({}, { hostNetwork: 'yes' }),
      'json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool',
    ],
    [
      { metadata: { labels: { a: 1 } } },
      'json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string',
    ],
    [{ spec: [] }, 'json: cannot unmarshal array into Go struct field Pod.spec of type v1.PodSpec'],
    [[], 'json: cannot unmarshal array into Go value of type v1.Pod'],
    [
      pod({ resources: { limits: { cpu: 'lots' } } }),
      "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    ],
    [
      { metadata: { creationTimestamp: 'now' } },
      'parsing time "now" as "2006-01-02T15:04:05Z07:00": cannot parse "now" as "2006"',
    ],
  ])('%j', (value, message) => {
    for (const validation of ['Strict', 'Warn', 'Ignore'] as const)
      expect(decode(value, validation).errors).toEqual([PREFIX + message]);
  });
  test('what is no JSON, and what is no base64', () => {
    expect(decode('{').errors[0]).toContain(PREFIX);
    const secret = decode({ data: { k: '***' } }, 'Strict', kind('Secret'));
    expect(secret.errors[0]).toMatch(/illegal base64 data at input byte 0$/);
  });
});

test('values come back as upstream writes them', () => {
  const { object, errors } = decode({
    ...pod({ resources: { limits: { cpu: 0.5, memory: '1024Mi' } }, command: [], args: null }),
    metadata: {
      name: 'a',
      labels: {},
      annotations: { a: null },
      creationTimestamp: '2026-01-02T03:04:05.6+01:00',
      finalizers: [],
    },
    status: null,
  });
  expect(errors).toEqual([]);
  expect(object).toEqual({
    ...pod({ resources: { limits: { cpu: '500m', memory: '1Gi' } } }),
    metadata: { name: 'a', annotations: { a: '' }, creationTimestamp: '2026-01-02T02:04:05Z' },
  });
  const lease = decode(
    { spec: { renewTime: '2026-01-02T03:04:05.123456Z' } },
    'Strict',
    kind('Lease', 'coordination.k8s.io'),
  );
  expect(lease.object.spec).toEqual({ renewTime: '2026-01-02T03:04:05.123456Z' });
  const role = decode({ rules: [] }, 'Strict', kind('Role', 'rbac.authorization.k8s.io'));
  expect(role.object).toEqual({});
});

test('a custom kind is pruned by its schema, its types left to validation', () => {
  const custom = {
    version: 'v1',
    kind: 'Widget',
    builtin: false,
    schema: {
      type: 'object' as const,
      properties: {
        spec: {
          type: 'object' as const,
          properties: { size: { type: 'integer' as const }, any: { preserveUnknownFields: true as const } },
        },
      },
    },
  };
  const text = JSON.stringify({
    apiVersion: 'e/v1',
    kind: 'Widget',
    metadata: { name: 'w', x: 1 },
    spec: { size: 'big', any: { b: 1 }, c: 2 },
  });
  const { object, warnings } = decodeObject(registry, custom, text, { fieldValidation: 'Warn' });
  expect(warnings).toEqual(['unknown field "spec.c"', 'unknown field "metadata.x"']);
  expect(object).toEqual({
    apiVersion: 'e/v1',
    kind: 'Widget',
    metadata: { name: 'w' },
    spec: { size: 'big', any: { b: 1 } },
  });
  const kept = decodeObject(registry, { ...custom, preserveUnknownFields: true }, text, {
    fieldValidation: 'Strict',
  });
  expect(kept.errors[0]).toBe(
    'Widget in version "v1" cannot be handled as a Widget: strict decoding error: unknown field "spec.c", unknown field "metadata.x"',
  );
});

test('decoding never fails otherwise, and what it accepts it accepts again unchanged', () => {
  const json = fc.jsonValue({ maxDepth: 4 });
  const names = fc.constantFrom(
    'metadata',
    'spec',
    'status',
    'containers',
    'name',
    'labels',
    'ports',
    'resources',
  );
  const shaped = fc.letrec((tie) => ({
    node: fc.oneof(
      { depthSize: 'small' },
      json,
      fc.dictionary(names, tie('node'), { noNullPrototype: true }),
      fc.array(tie('node'), { maxLength: 2 }),
    ),
  })).node;
  fc.assert(
    fc.property(shaped, (value) => {
      const { object, errors } = decode(JSON.stringify(value), 'Warn');
      if (errors.length) return;
      const again = decode(JSON.stringify(object), 'Strict');
      expect(again.errors).toEqual([]);
      expect(again.object).toEqual(object as KubeObject);
    }),
  );
});

describe('duplicates', () => {
  test('in lists, nested, with escapes', () => {
    expect(
      duplicateFields('{"a":[{"b":1},{"b":1,"b":2,"b":3}],"\\u0061":2,"c":"\\"a\\":","d":{"a":[]}}'),
    ).toEqual(['a[1].b', 'a']);
  });
  test('none in what JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(duplicateFields(JSON.stringify(value))).toEqual([]);
      }),
    );
  });
  test('one key written twice is found', () => {
    fc.assert(
      fc.property(fc.string(), fc.jsonValue(), (key, value) => {
        const pair = `${JSON.stringify(key)}:${JSON.stringify(value)}`;
        expect(duplicateFields(`[{${pair}, ${pair}}]`)).toEqual([`[0].${key}`]);
      }),
    );
  });
});
