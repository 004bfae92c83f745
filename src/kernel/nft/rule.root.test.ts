import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createNamespace, deleteNamespace } from '../netns.ts';
import { FakeNft, NftSocket, Transaction } from './index.ts';
import { caseTransaction, ruleCases } from './testing-rules.ts';

const netns = `/run/flyover-test/fly-test-nft-${randomBytes(4).toString('hex')}`;
let kernel: NftSocket;

beforeAll(() => {
  createNamespace(netns);
  kernel = NftSocket.open({ netns });
});

afterAll(() => {
  kernel?.close();
  deleteNamespace(netns);
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
  return execFileSync('nsenter', [`--net=${netns}`, 'nft', ...args], { encoding: 'utf8' })
    .split('\n')
    .map((line) => line.trim());
}
