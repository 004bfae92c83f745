import { isKernelError } from '../errno.ts';
import {
  type HookSpec,
  type Nft,
  type SetSpec,
  type Statement,
  type TableRef,
  Transaction,
} from './index.ts';

/** Transactions one after the other, and what each ends in: `ok`, or the refusal in words. */
export interface TransactionCase {
  readonly name: string;
  readonly steps: readonly (readonly [step: (tx: Transaction) => Transaction, outcome: string])[];
}

export const T: TableRef = { family: 'inet', name: 'case' };

/** Short ways to say what the cases are about. All of it is in one table. */
export const chain = (name: string, hook?: HookSpec) => ({ table: T, name, ...(hook ? { hook } : {}) });
export const rule = (name: string, ...statements: Statement[]) => ({
  table: T,
  chain: name,
  rule: statements,
});
export const input: HookSpec = { type: 'filter', hook: 'input', priority: 0 };
export const postrouting: HookSpec = { type: 'nat', hook: 'postrouting', priority: 100 };
export const elements = (set: string, ...keys: (string | number | readonly (string | number)[])[]) => ({
  table: T,
  set,
  elements: keys.map((key) => ({ key })),
});
export const set = (name: string, key: SetSpec['key'], more: Partial<SetSpec> = {}): SetSpec => ({
  table: T,
  name,
  key,
  ...more,
});
export const entry = (map: string, key: string, data: string) => ({
  table: T,
  set: map,
  elements: [{ key, data }],
});

export const table = (tx: Transaction): Transaction => tx.addTable(T);

/** Commits and says what happened. */
export function outcomeOf(nft: Nft, step: (tx: Transaction) => Transaction): string {
  try {
    nft.commit(step(new Transaction()));
    return 'ok';
  } catch (error) {
    if (!isKernelError(error)) throw error;
    // Without the namespace, which only the kernel's socket knows.
    return error.message.replace(/ \(\/\S+\)/, '');
  }
}

/** All that there is in the table, in an order that does not depend on who lists it. */
export function snapshot(nft: Nft): unknown {
  const [table] = nft.listTables('inet').filter(({ name }) => name === T.name);
  if (table === undefined) return 'no table';
  const sets = nft.listSets(T).sort(byText);
  return {
    table,
    chains: nft.listChains(T).sort(byText),
    rules: nft
      .listRules(T)
      .map(({ chain: of, expressions, comment }) => ({ of, expressions, comment }))
      .sort(byChain),
    sets,
    elements: sets.map(({ name }) =>
      nft
        .listElements(T, name)
        .map(({ expires: _, ...rest }) => rest)
        .sort(byText),
    ),
    counters: [...nft.counters(T)].sort(byText),
  };
}

function byText(a: unknown, b: unknown): number {
  const [x, y] = [JSON.stringify(a), JSON.stringify(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}

function byChain(a: { of: string }, b: { of: string }): number {
  return a.of < b.of ? -1 : a.of > b.of ? 1 : 0;
}
