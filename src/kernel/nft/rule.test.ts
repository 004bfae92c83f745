import { describe, expect, test } from 'vitest';
import { FakeNft } from './index.ts';
import { caseTransaction, ruleCases } from './testing-rules.ts';

describe('rules', () => {
  test.each(ruleCases.map((one) => [`${one.family ?? 'inet'}: ${one.text}`, one] as const))(
    '%s',
    (_, one) => {
      const fake = new FakeNft();
      fake.commit(caseTransaction(one));
      const lines = fake
        .toString()
        .split('\n')
        .map((line) => line.trim());
      const chain = lines.indexOf('chain rules {');
      expect(lines[chain + 2]).toBe(one.text);
    },
  );
});
