import { KernelError } from '../errno.ts';
import { decodeData, decodeKey } from './element.ts';
import { FakeApply } from './fake-apply.ts';
import { type FakeTable, tableId, UndoLog } from './fake-state.ts';
import { instructionText } from './instruction.ts';
import type { ChainInfo, CounterValue, ElementInfo, Nft, RuleInfo, SetInfo, TableInfo } from './nft.ts';
import { tableText as renderTable } from './render.ts';
import { type Family, type SetElement, type TableRef, tableText } from './spec.ts';
import type { Transaction } from './transaction.ts';

const ENOENT = 2;

/**
 * nf_tables in memory, for tests without root: takes the same transactions, refuses what the kernel refuses with the
 * same errors, and applies all or nothing. It sees no packets; nothing expires. `toString` shows it as nft would.
 */
export class FakeNft implements Nft {
  readonly #tables = new Map<string, FakeTable>();
  #refusal: KernelError | undefined;
  #commits = 0;

  /** How many transactions were applied. */
  get commits(): number {
    return this.#commits;
  }

  commit(transaction: Transaction): void {
    const undo = new UndoLog();
    try {
      if (this.#refusal !== undefined) throw this.#refusal;
      const apply = new FakeApply(this.#tables, undo);
      for (const operation of transaction.operations) apply.apply(operation);
    } catch (error) {
      undo.rollBack();
      throw error;
    } finally {
      this.#refusal = undefined;
    }
    if (!transaction.isEmpty) this.#commits++;
  }

  /** Makes the next commit fail, to see what its caller does. */
  refuseNext(error: KernelError): void {
    this.#refusal = error;
  }

  /** Adds to a named counter, as packets would. */
  count(table: TableRef, counter: string, value: CounterValue): void {
    const found = this.#table(table, 'count').counters.get(counter);
    if (found === undefined)
      throw new KernelError('count', `counter ${counter} in ${tableText(table)}`, ENOENT);
    found.packets += value.packets;
    found.bytes += value.bytes;
  }

  listTables(family?: Family): TableInfo[] {
    return [...this.#tables.values()]
      .map(({ spec }) => spec)
      .filter((spec) => family === undefined || spec.family === family)
      .map(({ family: own, name, comment, dormant }) => ({
        family: own,
        name,
        ...(dormant ? { dormant } : {}),
        ...(comment === undefined ? {} : { comment }),
      }));
  }

  listChains(table: TableRef): ChainInfo[] {
    return [...this.#table(table, 'list chains').chains.values()].map(({ spec }) => ({
      table: refOf(table),
      name: spec.name,
      ...(spec.hook === undefined ? {} : { hook: { ...spec.hook, policy: spec.hook.policy ?? 'accept' } }),
      ...(spec.comment === undefined ? {} : { comment: spec.comment }),
    }));
  }

  listRules(table: TableRef, chain?: string): RuleInfo[] {
    const { chains } = this.#table(table, 'list rules');
    if (chain !== undefined && !chains.has(chain))
      throw new KernelError('list rules', `chain ${chain} in ${tableText(table)}`, ENOENT);
    return [...chains.values()]
      .filter(({ spec }) => chain === undefined || spec.name === chain)
      .flatMap(({ spec, rules }) =>
        rules.map((rule) => ({
          table: refOf(table),
          chain: spec.name,
          handle: rule.handle,
          expressions: rule.instructions.map(instructionText),
          ...(rule.comment === undefined ? {} : { comment: rule.comment }),
        })),
      );
  }

  listSets(table: TableRef): SetInfo[] {
    const sets = [...this.#table(table, 'list sets').sets.values()].filter((set) => !set.anonymous);
    return sets.map(({ spec }) => ({
      table: refOf(table),
      name: spec.name,
      key: plain(spec.key),
      ...('data' in spec ? { data: plain(spec.data) } : {}),
      interval: spec.interval ?? false,
      dynamic: spec.dynamic ?? false,
      ...(spec.timeout === undefined ? {} : { timeout: spec.timeout }),
      ...(spec.size === undefined ? {} : { size: spec.size }),
      counter: spec.counter ?? false,
      ...(spec.comment === undefined ? {} : { comment: spec.comment }),
    }));
  }

  listElements(table: TableRef, set: string): ElementInfo[] {
    const found = this.#table(table, 'list elements').sets.get(set);
    if (found === undefined)
      throw new KernelError('list elements', `set ${set} in ${tableText(table)}`, ENOENT);
    const { schema, spec } = found;
    const elements = [...found.elements.values()];
    if (schema.interval && schema.key.length === 1)
      elements.sort((a, b) => (a.encoded.key && b.encoded.key ? a.encoded.key.compare(b.encoded.key) : 0));
    return elements.map(({ spec: element, encoded }) => ({
      key: decodeKey(schema, encoded.key, encoded.end),
      ...(encoded.data === undefined
        ? {}
        : { data: decodeData(schema, encoded.data) as NonNullable<SetElement['data']> }),
      ...(element.comment === undefined ? {} : { comment: element.comment }),
      ...(element.timeout === undefined ? {} : { timeout: element.timeout, expires: element.timeout }),
      ...(spec.counter ? { counter: { packets: 0, bytes: 0 } } : {}),
    }));
  }

  counters(table: TableRef): Map<string, CounterValue> {
    const { counters } = this.#table(table, 'list counters');
    return new Map([...counters].map(([name, { packets, bytes }]) => [name, { packets, bytes }]));
  }

  /** All tables, as `nft --stateless list ruleset` would print them. */
  toString(): string {
    return [...this.#tables.values()].map(renderTable).join('\n');
  }

  close(): void {}

  [Symbol.dispose](): void {}

  #table(table: TableRef, operation: string): FakeTable {
    const found = this.#tables.get(tableId(table));
    if (found === undefined) throw new KernelError(operation, tableText(table), ENOENT);
    return found;
  }
}

/** Without whatever else the caller's object holds. */
function refOf({ family, name }: TableRef): TableRef {
  return { family, name };
}

/** A list of one is the one, as the kernel's answer is read. */
function plain<T>(type: T): T {
  return Array.isArray(type) && type.length === 1 ? type[0] : type;
}
