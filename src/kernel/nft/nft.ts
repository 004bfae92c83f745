import type { Family, HookSpec, KeyType, MapData, SetElement, TableRef } from './spec.ts';
import type { Transaction } from './transaction.ts';

export interface TableInfo extends TableRef {
  readonly comment?: string;
  readonly dormant?: boolean;
}

export interface ChainInfo {
  readonly table: TableRef;
  readonly name: string;
  readonly hook?: HookSpec;
  readonly comment?: string;
}

export interface RuleInfo {
  readonly table: TableRef;
  readonly chain: string;
  /** Identifies the rule in its table. */
  readonly handle: bigint;
  readonly comment?: string;
  /** The kernel's own expressions, one line each, registers and all: to compare and to read, not to parse. */
  readonly expressions: readonly string[];
}

export interface SetInfo {
  readonly table: TableRef;
  readonly name: string;
  readonly key: KeyType;
  /** Only for maps. */
  readonly data?: MapData;
  readonly interval: boolean;
  readonly dynamic: boolean;
  readonly timeout?: number | true;
  readonly size?: number;
  readonly counter: boolean;
  readonly comment?: string;
}

export interface ElementInfo extends SetElement {
  /** Milliseconds left. */
  readonly expires?: number;
  readonly counter?: CounterValue;
}

export interface CounterValue {
  /** Exact up to 2^53. */
  readonly packets: number;
  readonly bytes: number;
}

/** Kernel tables in one network namespace: the kernel's (`NftSocket`) or an imitation (`FakeNft`). */
export interface Nft {
  /**
   * All or nothing.
   *
   * @throws KernelError with the operation and the object that was refused; then nothing has changed.
   * @throws NftInputError for a value that does not fit the types; nothing was sent.
   */
  commit(transaction: Transaction): void;
  listTables(family?: Family): TableInfo[];
  /** In all these: KernelError ENOENT when the table or set does not exist. */
  listChains(table: TableRef): ChainInfo[];
  /** In order. */
  listRules(table: TableRef, chain?: string): RuleInfo[];
  /** Sets and maps, without the nameless ones of rules. */
  listSets(table: TableRef): SetInfo[];
  /** In sets with timeouts one may be left out while others expire. */
  listElements(table: TableRef, set: string): ElementInfo[];
  /** All named counters of a table. */
  counters(table: TableRef): Map<string, CounterValue>;
  close(): void;
  [Symbol.dispose](): void;
}
