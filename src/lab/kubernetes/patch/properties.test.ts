// Laws of patches and of ownership, for objects that nobody thought of.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { KubeObject } from '../schema/types.ts';
import { FieldSet } from './field-set.ts';
import { apply, deployment, registry, strategic, update } from './testing.ts';
import { strategicDiff } from './testing-diff.ts';
import { isObject } from './value.ts';

const name = fc.constantFrom('a', 'b', 'c', 'd');
const value = fc.constantFrom('1', '2', '3');
const strings = fc.dictionary(name, value, { maxKeys: 3 });
const some = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 2 });

const container = fc.record(
  {
    name,
    image: value,
    command: fc.array(value, { maxLength: 2 }),
    env: fc.uniqueArray(fc.record({ name, value }), { selector: (one) => one.name, maxLength: 3 }),
    ports: fc.uniqueArray(
      fc.record({ containerPort: fc.constantFrom(80, 443), protocol: fc.constant('TCP') }),
      {
        selector: (one) => one.containerPort,
      },
    ),
    resources: fc.record({ limits: strings }, { requiredKeys: [] }),
  },
  { requiredKeys: ['name'] },
);

const object: fc.Arbitrary<KubeObject> = fc
  .record({
    labels: some(strings),
    finalizers: some(fc.uniqueArray(name, { maxLength: 3 })),
    replicas: some(fc.constantFrom(1, 2, 3)),
    nodeSelector: some(strings),
    tolerations: some(fc.array(fc.record({ key: value }), { maxLength: 2 })),
    containers: fc.uniqueArray(container, { selector: (one) => one.name, maxLength: 3 }),
  })
  .map(({ labels, finalizers, replicas, containers, nodeSelector, tolerations }) =>
    JSON.parse(
      JSON.stringify(
        deployment(
          { replicas, template: { spec: { containers, nodeSelector, tolerations } } },
          { labels, finalizers },
        ),
      ),
    ),
  );

/** A set of paths over few elements, so that sets meet. */
const element = fc.constantFrom('f:a', 'f:b', 'k:{"name":"a"}', 'v:1');
const fieldSet = fc
  .array(fc.array(element, { minLength: 1, maxLength: 3 }), { maxLength: 6 })
  .map((paths) => FieldSet.of(...paths));

const bodyOf = ({ metadata, ...rest }: KubeObject) => {
  const { managedFields: _, ...own } = metadata ?? {};
  return { ...rest, metadata: own };
};

/** Lists by key and sets without their order, and nothing where nothing is: what is compared when order is not the point. */
function unordered(value: unknown): unknown {
  if (Array.isArray(value)) {
    const items = value.map(unordered);
    return value.every((item) => isObject(item) && (item.name ?? item.containerPort) !== undefined)
      ? items.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
      : items;
  }
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .map(
        ([key, part]) =>
          [key, key === 'finalizers' ? (part as string[]).toSorted() : unordered(part)] as const,
      )
      .filter(
        ([, part]) =>
          !(isObject(part) && Object.keys(part).length === 0) && !(Array.isArray(part) && part.length === 0),
      )
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );
}

describe('sets of fields', () => {
  const law = (run: (a: FieldSet, b: FieldSet, c: FieldSet) => boolean) =>
    fc.assert(fc.property(fieldSet, fieldSet, fieldSet, run));

  test('union and intersection commute, associate and absorb', () => {
    law(
      (a, b, c) =>
        a.union(b).equals(b.union(a)) &&
        a.intersection(b).equals(b.intersection(a)) &&
        a.union(b.union(c)).equals(a.union(b).union(c)) &&
        a.union(a.intersection(b)).equals(a) &&
        a.intersection(a.union(b)).equals(a) &&
        a.intersection(b.union(c)).equals(a.intersection(b).union(a.intersection(c))),
    );
  });

  test('a difference is what the other lacks', () => {
    law(
      (a, b) =>
        a.difference(b).intersection(b).empty &&
        a.difference(b).union(a.intersection(b)).equals(a) &&
        a.recursiveDifference(b).difference(a).empty &&
        a.recursiveDifference(b).union(a.difference(b)).equals(a.difference(b)),
    );
  });

  test('come back from FieldsV1, and hold the paths they list', () => {
    law((a) => FieldSet.parse(JSON.parse(JSON.stringify(a.toFieldsV1()))).equals(a));
    law(
      (a, b) =>
        a.paths().every((path) => a.has(path)) &&
        FieldSet.of(...a.paths()).equals(a) &&
        (a.equals(b) || JSON.stringify(a.paths()) !== JSON.stringify(b.paths())),
    );
  });

  test('operations change neither side', () => {
    law((a, b) => {
      const before = [a.paths(), b.paths()];
      a.union(b);
      a.difference(b);
      a.recursiveDifference(b);
      a.intersection(b);
      expect([a.paths(), b.paths()]).toEqual(before);
      return true;
    });
  });
});

describe('server-side apply', () => {
  test('twice is as once', () => {
    fc.assert(
      fc.property(object, object, (live, config) => {
        const once = apply(update(undefined, live, 'x'), config, 'me', { force: true });
        expect(apply(once, config, 'me')).toEqual(once);
      }),
    );
  });

  test('holds what was applied', () => {
    fc.assert(
      fc.property(object, object, (live, config) => {
        const merged = apply(update(undefined, live, 'x'), config, 'me', { force: true });
        // What is applied on top of itself as an update changes nothing: all of it is there.
        const body = bodyOf(merged) as KubeObject;
        expect(unordered(apply(body, config, 'me', { force: true }))).toMatchObject(
          unordered({ ...merged, metadata: bodyOf(merged).metadata }) as object,
        );
      }),
    );
  });

  test('of what only I applied and no longer apply nothing is left', () => {
    fc.assert(
      fc.property(object, object, (first, second) => {
        const moved = apply(apply(undefined, first, 'me'), second, 'me');
        expect(unordered(bodyOf(moved))).toEqual(unordered(bodyOf(apply(undefined, second, 'me'))));
      }),
    );
  });

  test('of disjoint configurations commutes', () => {
    fc.assert(
      fc.property(object, object, (a, b) => {
        const mine = deployment(
          { replicas: (a.spec as { replicas?: number }).replicas ?? 1 },
          { labels: { mine: '1' } },
        );
        const yours = deployment(
          { template: (b.spec as { template: unknown }).template },
          { labels: { yours: '1' } },
        );
        const one = apply(apply(undefined, mine, 'me'), yours, 'you');
        const other = apply(apply(undefined, yours, 'you'), mine, 'me');
        expect(unordered(one)).toEqual(unordered(other));
      }),
    );
  });

  test('never takes a field from another without force', () => {
    fc.assert(
      fc.property(object, object, (theirs, mine) => {
        const live = apply(undefined, theirs, 'you');
        try {
          const both = apply(live, mine, 'me');
          // The order of a list is whoever's applied last.
          expect(unordered(apply(both, theirs, 'you'))).toEqual(unordered(both));
        } catch (error) {
          expect(String(error)).toMatch(/Apply failed with \d+ conflicts?: conflicts? with "you"/);
        }
      }),
    );
  });
});

describe('strategic merge patch', () => {
  test('leads from any object to any other', () => {
    fc.assert(
      fc.property(object, object, (a, b) => {
        const patched = strategic(a, strategicDiff(a, b, registry));
        expect(unordered(patched)).toEqual(unordered(b));
      }),
    );
  });

  test('puts lists in the order that it asks for', () => {
    fc.assert(
      fc.property(object, object, (a, b) => {
        const containers = (one: KubeObject) =>
          (
            (one.spec as { template?: { spec?: { containers?: { name: string }[] } } }).template?.spec
              ?.containers ?? []
          ).map((item) => item.name);
        expect(containers(strategic(a, strategicDiff(a, b, registry)))).toEqual(containers(b));
      }),
    );
  });

  test('that is empty changes nothing', () => {
    fc.assert(
      fc.property(object, (a) => {
        expect(strategic(a, {})).toEqual(a);
      }),
    );
  });
});

test('an update by oneself owns every change, and nobody owns what is gone', () => {
  fc.assert(
    fc.property(object, object, (a, b) => {
      const before = update(undefined, a, 'x');
      const after = update(
        before,
        { ...b, metadata: { ...b.metadata, managedFields: before.metadata?.managedFields ?? [] } },
        'y',
      );
      const fresh = update(undefined, b, 'z');
      const all = (one: KubeObject) =>
        (one.metadata?.managedFields ?? []).reduce(
          (sum, entry) => sum.union(FieldSet.parse(entry.fieldsV1)),
          new FieldSet(),
        );
      expect(all(after).difference(all(fresh)).paths()).toEqual([]);
    }),
  );
});

test('a write of ten kilobytes is a matter of a millisecond', () => {
  const containers = Array.from({ length: 12 }, (_, i) => ({
    name: `c${i}`,
    image: 'registry.example.com/some/image:v1.2.3',
    env: Array.from({ length: 12 }, (_, j) => ({ name: `VARIABLE_${j}`, value: `value ${i} ${j}` })),
  }));
  const live = update(undefined, deployment({ replicas: 1, template: { spec: { containers } } }), 'x');
  expect(JSON.stringify(live).length).toBeGreaterThan(10_000);
  const times: number[] = [];
  for (let i = 0; i < 60; i++) {
    const start = performance.now();
    update(live, { ...live, spec: { ...(live.spec as object), replicas: i } }, 'y');
    apply(live, deployment({ paused: true }), 'me');
    times.push(performance.now() - start);
  }
  // Two operations; other work on the machine must not fail this, so the fastest of many, and generously.
  expect(Math.min(...times)).toBeLessThan(5);
});
