import { describe, expect, test } from 'vitest';
import { FakeNft } from './index.ts';
import { chainCases } from './testing-chains.ts';
import { setCases } from './testing-sets.ts';
import { outcomeOf, snapshot } from './testing-transactions.ts';

describe('transactions', () => {
  test.each([...chainCases, ...setCases].map((one) => [one.name, one] as const))('%s', (_, { steps }) => {
    const fake = new FakeNft();
    for (const [step, outcome] of steps) {
      const before = snapshot(fake);
      expect(outcomeOf(fake, step)).toBe(outcome);
      if (outcome !== 'ok') expect(snapshot(fake)).toEqual(before);
    }
  });
});
