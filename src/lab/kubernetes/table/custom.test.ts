import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SchemaRegistry } from '../schema/registry.ts';
import type { KindInfo } from '../schema/types.ts';
import { tableOf } from './index.ts';
import { findJsonPath, parseJsonPath } from './json-path.ts';

const registry = SchemaRegistry.load();
const NOW = new Date('2026-01-01T12:00:00Z');
const ago = (seconds: number) => new Date(NOW.getTime() - seconds * 1000).toISOString();

interface Table {
  columnDefinitions: { name: string }[];
  rows: { cells: unknown[] }[];
}

describe('custom kinds', () => {
  const kind = {
    ...(registry.byKind({ group: '', version: 'v1', kind: 'Pod' }) as KindInfo),
    builtin: false,
    printerColumns: [
      { name: 'Size', type: 'integer', jsonPath: '.spec.size' },
      { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
      { name: 'Label', type: 'string', jsonPath: '.metadata.labels.app\\.kubernetes\\.io/name', priority: 1 },
      { name: 'Since', type: 'date', jsonPath: '.status.since' },
      { name: 'Broken', type: 'string', jsonPath: '.a[' },
    ],
  };
  test('columns by JSONPath', () => {
    const object = {
      metadata: { name: 'w', labels: { 'app.kubernetes.io/name': 'n' } },
      spec: { size: 3 },
      status: {
        since: ago(60),
        conditions: [
          { type: 'Other', status: 'False' },
          { type: 'Ready', status: 'True' },
        ],
      },
    };
    const { rows, columnDefinitions } = tableOf(kind, [object, {}], { now: NOW }) as unknown as Table;
    expect(columnDefinitions.map(({ name }) => name)).toEqual([
      'Name',
      'Size',
      'Ready',
      'Label',
      'Since',
      'Broken',
    ]);
    expect(rows.map(({ cells }) => cells)).toEqual([
      ['w', 3, 'True', 'n', '60s', null],
      ['', null, null, null, null, null],
    ]);
  });
  test('age when the CRD has no columns', () => {
    const { printerColumns: _, ...plain } = kind;
    const { rows } = tableOf(plain, [{ metadata: { name: 'w', creationTimestamp: ago(60) } }], {
      now: NOW,
    }) as unknown as Table;
    expect(rows[0]?.cells).toEqual(['w', '60s']);
  });
});

describe('JSONPath', () => {
  const data = {
    a: [
      { n: 1, t: 'x' },
      { n: 2, t: 'y' },
    ],
    'b.c': true,
    o: { k: 'v' },
  };
  test.each([
    ['.a[0].n', [1]],
    ['{.a[-1].n}', [2]],
    ['.a[*].n', [1, 2]],
    ['.a[?(@.t=="y")].n', [2]],
    [".a[?(@.t!='y')].n", [1]],
    ['.a[?(@.n==2)].t', ['y']],
    ["['b.c']", [true]],
    ['.b\\.c', [true]],
    ['.missing.deep', []],
    ['.toString', []],
  ])('%s', (path, found) => expect(findJsonPath(parseJsonPath(path), data)).toEqual(found));
  test.each(['.a[', 'a', '.a[?(1)]', '.a..b'])('refuses %s', (path) =>
    expect(() => parseJsonPath(path)).toThrow(/invalid JSONPath/),
  );
  test('any field is found by its name', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1 }).filter((key) => key !== '*' && key !== '__proto__'),
        fc.jsonValue(),
        (key, value) => {
          const path = `.${key.replace(/[.[\]\\]/g, '\\$&')}`;
          expect(findJsonPath(parseJsonPath(path), { [key]: value })).toEqual([value]);
        },
      ),
    );
  });
});
