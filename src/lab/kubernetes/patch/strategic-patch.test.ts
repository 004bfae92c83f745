import { describe, expect, test } from 'vitest';
import type { KubeObject } from '../schema/types.ts';
import { applyPatch } from './index.ts';
import { deployment, kind, registry, strategic } from './testing.ts';

const env = (...names: string[]) => names.map((name) => ({ name, value: name }));
const withContainers = (...containers: unknown[]) => deployment({ template: { spec: { containers } } });
const containersOf = (live: KubeObject, ...patch: unknown[]) =>
  (
    strategic(live, { spec: { template: { spec: { containers: patch } } } }).spec as {
      template: { spec: { containers: unknown[] } };
    }
  ).template.spec.containers;

describe('lists of objects', () => {
  const live = withContainers({ name: 'a', image: 'a:1', env: env('X', 'Y') }, { name: 'b', image: 'b:1' });

  test('are merged by key; what is new comes first, as upstream', () => {
    expect(containersOf(live, { name: 'b', image: 'b:2' })).toEqual([
      { name: 'a', image: 'a:1', env: env('X', 'Y') },
      { name: 'b', image: 'b:2' },
    ]);
    expect(
      containersOf(live, { name: 'c', image: 'c:1' }).map((one) => (one as { name: string }).name),
    ).toEqual(['c', 'a', 'b']);
  });

  test('lose items by $patch: delete, and all others by $patch: replace', () => {
    expect(containersOf(live, { name: 'a', $patch: 'delete' })).toEqual([{ name: 'b', image: 'b:1' }]);
    expect(containersOf(live, { $patch: 'replace' }, { name: 'z' })).toEqual([{ name: 'z' }]);
    expect(containersOf(live, { name: 'a', env: [{ name: 'X', $patch: 'delete' }] })[0]).toEqual({
      name: 'a',
      image: 'a:1',
      env: env('Y'),
    });
  });

  test('are put in order by $setElementOrder', () => {
    const patched = strategic(live, {
      spec: {
        template: {
          spec: {
            '$setElementOrder/containers': [{ name: 'b' }, { name: 'c' }, { name: 'a' }],
            containers: [{ name: 'c' }],
          },
        },
      },
    });
    expect(patched.spec).toMatchObject({
      template: { spec: { containers: [{ name: 'b' }, { name: 'c' }, { name: 'a' }] } },
    });
    const reordered = strategic(live, {
      spec: { template: { spec: { '$setElementOrder/containers': [{ name: 'b' }, { name: 'a' }] } } },
    });
    expect(reordered.spec).toMatchObject({
      template: { spec: { containers: [{ name: 'b' }, { name: 'a' }] } },
    });
  });

  test('need the key', () => {
    expect(() => containersOf(live, { image: 'x' })).toThrow(
      'map: map[image:x] does not contain declared merge key: name',
    );
  });

  test('without a merge strategy are replaced', () => {
    const spec = (tolerations: unknown[]) => ({ template: { spec: { tolerations } } });
    expect(
      strategic(deployment(spec([{ key: 'a' }, { key: 'b' }])), { spec: spec([{ key: 'c' }]) }).spec,
    ).toEqual(spec([{ key: 'c' }]));
  });
});

describe('lists of values', () => {
  const live = deployment({}, { finalizers: ['a', 'b'] });
  test('gain and lose items', () => {
    expect(strategic(live, { metadata: { finalizers: ['c', 'a'] } }).metadata?.finalizers).toEqual([
      'c',
      'a',
      'b',
    ]);
    expect(
      strategic(live, { metadata: { '$deleteFromPrimitiveList/finalizers': ['a'] } }).metadata?.finalizers,
    ).toEqual(['b']);
    expect(
      strategic(live, {
        metadata: {
          '$deleteFromPrimitiveList/finalizers': ['a'],
          '$setElementOrder/finalizers': ['c', 'b'],
          finalizers: ['c'],
        },
      }).metadata?.finalizers,
    ).toEqual(['c', 'b']);
  });
});

describe('maps', () => {
  const live = deployment(
    { replicas: 1, strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%' } } },
    { labels: { a: '1', b: '2' } },
  );

  test('null removes, other keys stay', () => {
    expect(strategic(live, { metadata: { labels: { a: null, c: '3' } } }).metadata?.labels).toEqual({
      b: '2',
      c: '3',
    });
  });

  test('$retainKeys removes what it does not name', () => {
    expect(strategic(live, { spec: { strategy: { $retainKeys: ['type'], type: 'Recreate' } } }).spec).toEqual(
      {
        replicas: 1,
        strategy: { type: 'Recreate' },
      },
    );
  });

  test('$patch replaces and deletes', () => {
    expect(strategic(live, { metadata: { labels: { $patch: 'replace', z: '1' } } }).metadata?.labels).toEqual(
      { z: '1' },
    );
    expect(strategic(live, { metadata: { labels: { $patch: 'delete' } } }).metadata?.labels).toEqual({});
    expect(() => strategic(live, { metadata: { labels: { $patch: 'bogus' } } })).toThrow(/bogus/);
  });

  test('directives are not kept where there was nothing', () => {
    const patched = strategic(deployment({}), {
      spec: {
        strategy: { $retainKeys: ['type'], type: 'Recreate' },
        template: {
          spec: { '$setElementOrder/containers': [], containers: [{ name: 'a', $patch: 'delete' }] },
        },
      },
    });
    expect(patched.spec).toEqual({ strategy: { type: 'Recreate' }, template: { spec: { containers: [] } } });
  });

  test('nothing of the arguments changes', () => {
    const before = structuredClone(live);
    strategic(live, {
      metadata: { labels: { a: null } },
      spec: { strategy: { rollingUpdate: { maxSurge: 1 } } },
    });
    expect(live).toEqual(before);
  });
});

test('custom resources take none', () => {
  const request = { type: 'strategic', registry, live: deployment({}), body: {}, manager: 'me' } as const;
  expect(() => applyPatch({ ...request, kind: { ...kind, builtin: false } })).toThrow('in an unknown format');
});
