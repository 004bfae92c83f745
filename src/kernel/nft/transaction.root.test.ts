import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createNamespace, deleteNamespace } from '../netns.ts';
import { FakeNft, NftSocket, Transaction } from './index.ts';
import { outcomeOf, snapshot, T, transactionCases } from './testing-transactions.ts';

const netns = `/run/flyover-test/fly-test-nft-${randomBytes(4).toString('hex')}`;
let kernel: NftSocket;

beforeAll(() => {
  createNamespace(netns);
  kernel = NftSocket.open({ netns });
});

afterEach(() => {
  kernel.commit(new Transaction().deleteTable(T, { ifMissing: 'ignore' }));
});

afterAll(() => {
  kernel?.close();
  deleteNamespace(netns);
});

describe('transactions in the kernel', () => {
  test.each(transactionCases.map((one) => [one.name, one] as const))('%s', (_, { steps }) => {
    const fake = new FakeNft();
    for (const [step, outcome] of steps) {
      expect(outcomeOf(kernel, step)).toBe(outcome);
      outcomeOf(fake, step);
      expect(snapshot(kernel)).toEqual(snapshot(fake));
      expect(words(listRuleset())).toEqual(words(fake.toString()));
    }
  });
});

function listRuleset(): string {
  return execFileSync('nsenter', [`--net=${netns}`, 'nft', '--stateless', 'list', 'ruleset'], {
    encoding: 'utf8',
  });
}

/** The text without the order of objects and elements and without line breaks, which are nft's taste. */
function words(text: string): string[] {
  return text
    .replace(/elements = \{([^}]*)\}/g, (_, list: string) =>
      list
        .split(',')
        .map((element) => `\nelement ${element.trim()}\n`)
        .join(''),
    )
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .sort();
}
