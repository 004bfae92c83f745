import fc from 'fast-check';
import { expect, test } from 'vitest';
import { arrange } from './slots.ts';

const names = fc.uniqueArray(fc.integer({ min: 0, max: 30 }).map(String), { maxLength: 20 });

test('everybody has a place, and who has one keeps it while it exists', () => {
  fc.assert(
    fc.property(names, names, (old, wanted) => {
      const places = arrange(old, wanted);
      expect([...places].sort()).toEqual([...wanted].sort());
      for (const [place, one] of old.entries())
        if (place < wanted.length && wanted.includes(one)) expect(places[place]).toBe(one);
    }),
  );
});

test.each([
  ['one more goes behind', ['a', 'b'], ['a', 'b', 'c'], ['a', 'b', 'c']],
  ['one in place of another', ['a', 'b', 'c'], ['a', 'x', 'c'], ['a', 'x', 'c']],
  ['the last one fills the hole', ['a', 'b', 'c'], ['b', 'c'], ['c', 'b']],
  ['holes are filled', ['a', undefined, 'c'], ['a', 'c', 'd'], ['a', 'd', 'c']],
  ['another order is no change', ['b', 'a'], ['a', 'b'], ['b', 'a']],
])('%s', (_, old, wanted, places) => {
  expect(arrange(old, wanted)).toEqual(places);
});
