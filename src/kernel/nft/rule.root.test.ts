import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestNamespaces } from '../test-namespaces.ts';
import { FakeNft, NftSocket, Transaction } from './index.ts';
import { caseTransaction, ruleCases } from './testing-rules.ts';

const namespaces = new TestNamespaces();
let netns: string;
let kernel: NftSocket;

beforeAll(() => {
  netns = namespaces.make('nft');
  kernel = NftSocket.open({ netns });
});

afterAll(() => {
  kernel?.close();
  namespaces.cleanup();
});

describe('rules in the kernel', () => {
  test.each(ruleCases.map((one) => [`${one.family ?? 'inet'}: ${one.text}`, one] as const))(
    '%s',
    (_, one) => {
      const table = { family: one.family ?? 'inet', name: 'case' } as const;
      const fake = new FakeNft();
      const transaction = caseTransaction(one, 'note');
      fake.commit(transaction);
      kernel.commit(transaction);
      try {
        const listed = nft('--stateless', 'list', 'chain', table.family, table.name, 'rules');
        expect(listed[listed.indexOf('}', 2) - 1]).toBe(`${one.text} comment "note"`);
        // What the kernel says it has is what the imitation has: nothing was lost or added on the way.
        const [inFake] = fake.listRules(table, 'rules');
        const [inKernel] = kernel.listRules(table, 'rules');
        expect(inKernel?.expressions).toEqual(inFake?.expressions);
        expect(inKernel?.comment).toBe('note');
      } finally {
        kernel.commit(new Transaction().deleteTable(table));
      }
    },
  );
});

function nft(...args: string[]): string[] {
  return namespaces
    .run(netns, 'nft', ...args)
    .split('\n')
    .map((line) => line.trim());
}
