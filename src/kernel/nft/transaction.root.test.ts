import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { TestNamespaces } from '../test-namespaces.ts';
import { FakeNft, NftSocket, Transaction } from './index.ts';
import { chainCases } from './testing-chains.ts';
import { setCases } from './testing-sets.ts';
import { outcomeOf, snapshot, T } from './testing-transactions.ts';

const namespaces = new TestNamespaces();
let netns: string;
let kernel: NftSocket;

beforeAll(() => {
  netns = namespaces.make('nft');
  kernel = NftSocket.open({ netns });
});

afterEach(() => {
  kernel.commit(new Transaction().deleteTable(T, { ifMissing: 'ignore' }));
});

afterAll(() => {
  kernel?.close();
  namespaces.cleanup();
});

describe('transactions in the kernel', () => {
  test.each([...chainCases, ...setCases].map((one) => [one.name, one] as const))('%s', (_, { steps }) => {
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
  return namespaces.run(netns, 'nft', '--stateless', 'list', 'ruleset');
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
