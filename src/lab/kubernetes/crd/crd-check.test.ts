import { describe, expect, test } from 'vitest';
import { checkCrd, checkCrdUpdate } from './crd-check.ts';
import { crd } from './testing.ts';
import type { Crd, RawSchema } from './types.ts';

const textsOf = (one: Crd): string[] => checkCrd(one).map(({ field, message }) => `${field}: ${message}`);
const string = { type: 'string' };
/** With one property, `x`. */
const property = (x: unknown): Crd => crd({ type: 'object', properties: { x: x as RawSchema } });
const AT = 'spec.versions[0].schema.openAPIV3Schema';

test('a good one has no errors', () => {
  expect(textsOf(crd())).toEqual([]);
});

describe('definitions are refused for', () => {
  const v1 = crd().spec.versions[0]!;
  test.each<[string, Crd, string]>([
    [
      'another name',
      { ...crd(), metadata: { name: 'x' } },
      'metadata.name: Invalid value: "x": must be spec.names.plural+"."+spec.group',
    ],
    [
      'no storage version',
      crd(undefined, { storage: false }),
      'spec.versions: Invalid value: ["v1"]: must have exactly one version marked as storage version',
    ],
    [
      'two storage versions',
      crd(undefined, undefined, { versions: [v1, { ...v1, name: 'v2' }] }),
      'spec.versions: Invalid value: ["v1","v2"]: must have exactly one version marked as storage version',
    ],
    [
      'versions of one name',
      crd(undefined, undefined, { versions: [v1, { ...v1, storage: false }] }),
      'spec.versions: Invalid value: ["v1","v1"]: must contain unique version names',
    ],
    [
      'a scope nobody knows',
      crd(undefined, undefined, { scope: 'Global' as 'Cluster' }),
      'spec.scope: Unsupported value: "Global": supported values: "Cluster", "Namespaced"',
    ],
    [
      'kept unknown fields',
      crd(undefined, undefined, { preserveUnknownFields: true }),
      'spec.preserveUnknownFields: Invalid value: true: cannot set to true',
    ],
    [
      'a column of no type',
      crd(undefined, { additionalPrinterColumns: [{ name: 'A', type: 'text', jsonPath: '.a' }] }),
      'spec.versions[0].additionalPrinterColumns[0].type: Invalid value: "text": must be one of boolean,date,integer,number,string',
    ],
    [
      'replicas elsewhere',
      crd(undefined, {
        subresources: { scale: { specReplicasPath: '.x', statusReplicasPath: '.status.y' } },
      }),
      'spec.versions[0].subresources.scale.specReplicasPath: Invalid value: ".x": should be a json path under .spec',
    ],
  ])('%s', (_, one, text) => {
    expect(textsOf(one).join('\n')).toContain(text);
  });

  test('a name that is no label, and a group that is no domain', () => {
    const bad = crd(undefined, undefined, {
      group: 'example',
      names: { plural: 'Widgets', kind: 'Widget', listKind: 'Widget' },
    });
    expect(textsOf({ ...bad, metadata: { name: 'Widgets.example' } })).toEqual([
      'spec.group: Invalid value: "example": should be a domain with at least one dot',
      expect.stringContaining(
        'spec.names.plural: Invalid value: "Widgets": a DNS-1035 label must consist of',
      ),
      'spec.names.listKind: Invalid value: "Widget": kind and listKind may not be the same',
    ]);
  });
});

describe('schemas are refused for', () => {
  test('being missing', () => {
    const { schema: _, ...version } = crd().spec.versions[0]!;
    expect(textsOf(crd(undefined, undefined, { versions: [version] }))).toEqual([
      `${AT}: Required value: schemas are required`,
    ]);
  });

  test.each<[string, unknown, string]>([
    [
      'no type',
      {},
      `${AT}.properties[x].type: Required value: must not be empty for specified object fields`,
    ],
    [
      'no type of items',
      { type: 'array', items: {} },
      `${AT}.properties[x].items.type: Required value: must not be empty for specified array items`,
    ],
    ['no items', { type: 'array' }, `${AT}.properties[x].items: Required value: must be specified`],
    [
      'an unknown type',
      { type: 'text' },
      `${AT}.properties[x].type: Unsupported value: "text": supported values: "array", "boolean"`,
    ],
    [
      'a reference',
      { type: 'object', $ref: '#/x' },
      `${AT}.properties[x].$ref: Forbidden: $ref is not supported`,
    ],
    [
      'unique items',
      { type: 'array', items: string, uniqueItems: true },
      `${AT}.properties[x].uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic`,
    ],
    [
      'a broken pattern',
      { type: 'string', pattern: '(' },
      `${AT}.properties[x].pattern: Invalid value: "(": must be a valid regular expression`,
    ],
    [
      'both kinds of properties',
      { type: 'object', properties: { a: string }, additionalProperties: string },
      `${AT}.properties[x].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive`,
    ],
    [
      'a type below anyOf',
      { type: 'object', anyOf: [{ type: 'object' }] },
      `${AT}.properties[x].anyOf[0].type: Forbidden: must be empty to be structural`,
    ],
    [
      'a list of maps without keys',
      { type: 'array', 'x-kubernetes-list-type': 'map', items: { type: 'object' } },
      `${AT}.properties[x].x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map`,
    ],
    [
      'optional keys',
      {
        type: 'array',
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['a'],
        items: { type: 'object', properties: { a: string } },
      },
      `${AT}.properties[x].items.properties[a].default: Required value: this property is in x-kubernetes-list-map-keys`,
    ],
    [
      'a default that does not fit',
      { type: 'string', default: 7 },
      `${AT}.properties[x].default: Invalid value: "integer": ${AT}.properties[x].default in body must be of type string: "integer"`,
    ],
    [
      'int-or-string with a type',
      { type: 'string', 'x-kubernetes-int-or-string': true },
      `${AT}.properties[x].type: Invalid value: "string": must be empty if x-kubernetes-int-or-string is true`,
    ],
  ])('%s', (_, schema, text) => {
    expect(textsOf(property(schema)).join('\n')).toContain(text);
  });

  test('no type at the root', () => {
    expect(textsOf(crd({ properties: {} }))).toEqual([
      `${AT}.type: Required value: must not be empty at the root`,
    ]);
  });

  test('but not for what is structural', () => {
    const intOrString = {
      'x-kubernetes-int-or-string': true,
      anyOf: [{ type: 'integer' }, { type: 'string' }],
    };
    expect(textsOf(property(intOrString))).toEqual([]);
    expect(textsOf(property({ type: 'object', 'x-kubernetes-preserve-unknown-fields': true }))).toEqual([]);
    expect(
      textsOf(
        property({
          type: 'object',
          oneOf: [{ required: ['a'] }, { required: ['b'] }],
          properties: { a: string, b: string },
        }),
      ),
    ).toEqual([]);
  });
});

test('what an established definition is about does not change', () => {
  const old: Crd = {
    ...crd(),
    status: {
      conditions: [{ type: 'Established', status: 'True', reason: '', message: '' }],
      storedVersions: ['v1'],
    },
  };
  const changed = checkCrdUpdate(crd(undefined, undefined, { scope: 'Cluster' }), old);
  expect(changed.map(({ field, message }) => `${field}: ${message}`)).toEqual([
    'spec.scope: Invalid value: "Cluster": field is immutable',
  ]);
  const { versions } = crd(undefined, { name: 'v2' }).spec;
  const gone = checkCrdUpdate({ ...old, spec: { ...old.spec, versions } }, old);
  expect(gone[0]).toMatchObject({
    field: 'status.storedVersions[0]',
    message: 'Invalid value: "v1": must appear in spec.versions',
  });
});
