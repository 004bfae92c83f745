import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { applySchemaDefaults } from './defaulting.ts';
import { structuralSchema } from './structural.ts';
import type { RawSchema } from './types.ts';
import { checkValue } from './value-check.ts';

const textsOf = (raw: RawSchema, value: unknown): string[] =>
  checkValue(value, structuralSchema({ type: 'object', properties: { x: raw } }), 'spec').map(
    ({ field, message }) => `${field}: ${message}`,
  );

describe('values are refused', () => {
  test.each<[RawSchema, unknown, string]>([
    [
      { type: 'integer' },
      'a',
      'spec.x: Invalid value: "string": spec.x in body must be of type integer: "string"',
    ],
    [
      { type: 'string' },
      null,
      'spec.x: Invalid value: "null": spec.x in body must be of type string: "null"',
    ],
    [
      { type: 'integer', maximum: 10 },
      11,
      'spec.x: Invalid value: 11: spec.x in body should be less than or equal to 10',
    ],
    [
      { type: 'integer', minimum: 1, exclusiveMinimum: true },
      1,
      'spec.x: Invalid value: 1: spec.x in body should be greater than 1',
    ],
    [
      { type: 'number', multipleOf: 0.1 },
      0.25,
      'spec.x: Invalid value: 0.25: spec.x in body should be a multiple of 0.1',
    ],
    [{ type: 'string', enum: ['a', 'b'] }, 'c', 'spec.x: Unsupported value: "c": supported values: "a", "b"'],
    [
      { type: 'string', pattern: '^a+$' },
      'b',
      'spec.x: Invalid value: "b": spec.x in body should match \'^a+$\'',
    ],
    [{ type: 'string', maxLength: 1 }, 'ab', 'spec.x: Too long: may not be more than 1 bytes'],
    [
      { type: 'string', minLength: 3 },
      'ab',
      'spec.x: Invalid value: "ab": spec.x in body should be at least 3 chars long',
    ],
    [
      { type: 'string', format: 'ipv4' },
      '1.2.3',
      'spec.x: Invalid value: "1.2.3": spec.x in body must be of type ipv4: "1.2.3"',
    ],
    [
      { type: 'array', items: { type: 'string' }, minItems: 1 },
      [],
      'spec.x: Invalid value: 0: spec.x in body should have at least 1 items',
    ],
    [
      { type: 'array', items: { type: 'string' }, maxItems: 1 },
      ['a', 'b'],
      'spec.x: Too many: 2: must have at most 1 items',
    ],
    [
      { type: 'array', items: { type: 'string' } },
      ['a', 1],
      'spec.x[1]: Invalid value: "integer": spec.x[1] in body must be of type string: "integer"',
    ],
    [
      { type: 'array', items: { type: 'string' }, 'x-kubernetes-list-type': 'set' },
      ['a', 'a'],
      'spec.x[1]: Duplicate value: "a"',
    ],
    [{ type: 'object', required: ['y'] }, {}, 'spec.x.y: Required value'],
    [
      { type: 'object', additionalProperties: { type: 'integer' } },
      { y: 'a' },
      'spec.x.y: Invalid value: "string": spec.x.y in body must be of type integer: "string"',
    ],
    [
      { type: 'object', oneOf: [{ required: ['a'] }, { required: ['b'] }] },
      {},
      'spec.x: Invalid value: {}: spec.x in body must validate one and only one schema (oneOf). Found none valid',
    ],
    [
      { type: 'integer', anyOf: [{ minimum: 5 }, { maximum: 1 }] },
      3,
      'spec.x: Invalid value: 3: spec.x in body must validate at least one schema (anyOf)',
    ],
    [
      { type: 'integer', not: { minimum: 5 } },
      7,
      'spec.x: Invalid value: 7: spec.x in body must not validate the schema (not)',
    ],
    [
      { 'x-kubernetes-int-or-string': true },
      true,
      'spec.x: Invalid value: "boolean": spec.x in body must be of type integer,string: "boolean"',
    ],
  ])('%j with %j', (raw, x, text) => {
    expect(textsOf(raw, { x })).toContain(text);
  });

  test('items of a keyed list twice, also by a default', () => {
    const keys = {
      type: 'array',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['port', 'protocol'],
    };
    const items = {
      type: 'object',
      properties: { port: { type: 'integer' }, protocol: { type: 'string', default: 'TCP' } },
    };
    expect(textsOf({ ...keys, items }, { x: [{ port: 1 }, { port: 1, protocol: 'TCP' }] })).toEqual([
      'spec.x[1]: Duplicate value: {"port":1,"protocol":"TCP"}',
    ]);
  });
});

test.each<[RawSchema, unknown]>([
  [{ type: 'string', nullable: true }, null],
  [{ 'x-kubernetes-int-or-string': true }, '80%'],
  [{ 'x-kubernetes-preserve-unknown-fields': true }, { anything: [1] }],
  [{ type: 'number' }, 1],
  [{ type: 'string', format: 'date-time' }, '2026-01-02T03:04:05.123+01:00'],
  [{ type: 'string', format: 'some-word' }, 'x'],
  [{ type: 'integer', allOf: [{ minimum: 1 }, { maximum: 5 }] }, 3],
])('%j holds %j', (raw, x) => {
  expect(textsOf(raw, { x })).toEqual([]);
});

describe('defaults', () => {
  const schema = structuralSchema({
    type: 'object',
    properties: {
      a: { type: 'string', default: 'x' },
      n: { type: 'string', nullable: true, default: 'x' },
      inner: { type: 'object', default: {}, properties: { deep: { type: 'integer', default: 3 } } },
      list: {
        type: 'array',
        items: { type: 'object', properties: { p: { type: 'string', default: 'TCP' } } },
      },
      map: {
        type: 'object',
        additionalProperties: { type: 'object', properties: { q: { type: 'boolean', default: true } } },
      },
    },
  });

  test('fill what is missing, everywhere', () => {
    const value = { a: null, n: null, list: [{}, { p: 'UDP' }], map: { k: {} } };
    applySchemaDefaults(value, schema);
    expect(value).toEqual({
      a: 'x',
      n: null,
      inner: { deep: 3 },
      list: [{ p: 'TCP' }, { p: 'UDP' }],
      map: { k: { q: true } },
    });
  });

  test('are each object its own', () => {
    const [one, two] = [{} as { inner?: { deep: number } }, {} as { inner?: { deep: number } }];
    applySchemaDefaults(one, schema);
    one.inner!.deep = 9;
    applySchemaDefaults(two, schema);
    expect(two.inner).toEqual({ deep: 3 });
  });
});

test('any value at all is only judged, never thrown at', () => {
  const schema = structuralSchema({
    type: 'object',
    properties: {
      a: {
        type: 'array',
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['k'],
        items: { type: 'object', properties: { k: { type: 'string' } } },
      },
    },
    additionalProperties: { type: 'string', format: 'cidr' },
  });
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const copy = structuredClone(value);
      applySchemaDefaults(copy, schema);
      expect(Array.isArray(checkValue(copy, schema, ''))).toBe(true);
    }),
  );
});
