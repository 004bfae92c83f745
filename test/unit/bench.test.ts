import { describe, expect, test } from 'vitest';
import { differences } from '../../bench/churn/footprint.ts';
import { Ledger } from '../../bench/churn/ledger.ts';
import { median, orderOf, quantile, rounded } from '../../bench/harness/statistics.ts';

describe('statistics', () => {
  test('the median of an odd and an even number of values, in any order', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(() => median([])).toThrow(RangeError);
  });
  test('quantiles lie between the values', () => {
    expect(quantile([0, 10], 0.25)).toBe(2.5);
    expect(quantile([1, 2, 3], 1)).toBe(3);
  });
  test.each([2, 3, 4])('over the rounds each of %i has each place equally often', (count) => {
    const subjects = Array.from({ length: count }, (_, i) => i);
    const places = subjects.map(() => subjects.map(() => 0));
    for (let round = 0; round < 2 * count; round++) {
      const order = orderOf(subjects, round);
      expect([...order].sort()).toEqual(subjects);
      for (const [place, subject] of order.entries()) places[subject]![place]!++;
    }
    expect(places.flat().every((times) => times === 2)).toBe(true);
  });
  test('numbers keep three digits that matter', () => {
    expect([0, 0.012345, 1.2345, 123456].map(rounded)).toEqual([0, 0.0123, 1.23, 123500]);
  });
});

describe('the ledger of the churn', () => {
  test('an address may be given again after its release and its rest', () => {
    const ledger = new Ledger(1000);
    ledger.give('a', '10.244.0.4', 0);
    ledger.release('a', '10.244.0.4', 10);
    ledger.give('b', '10.244.0.4', 1010);
    expect(ledger.faults).toEqual([]);
    expect(ledger.given).toBe(2);
  });
  test('notices an address that two pods have', () => {
    const ledger = new Ledger(0);
    ledger.give('a', '10.244.0.4', 0);
    ledger.give('b', '10.244.0.4', 1);
    // The first one's end frees nothing of the second one.
    ledger.release('a', '10.244.0.4', 2);
    ledger.give('c', '10.244.0.4', 3);
    expect(ledger.faults).toEqual([
      '10.244.0.4 was given to b while a had it',
      '10.244.0.4 was given to c while b had it',
    ]);
  });
  test('notices an address that did not rest', () => {
    const ledger = new Ledger(1000);
    ledger.give('a', '10.244.0.4', 0);
    ledger.release('a', '10.244.0.4', 10);
    ledger.give('b', '10.244.0.4', 1009);
    expect(ledger.faults).toEqual(['10.244.0.4 was given to b within 999 ms of its release']);
  });
});

test('footprints differ by what is left over and by what is missing', () => {
  const before = { links: ['lo', 'eth0'], spool: [] };
  expect(differences(before, { links: ['eth0', 'lo'], spool: [] })).toEqual([]);
  expect(differences(before, { links: ['lo', 'azv1'], spool: ['x.json'] })).toEqual([
    'links: left over: azv1',
    'links: missing: eth0',
    'spool: left over: x.json',
  ]);
});
