import { dataTypes } from './datatype.ts';
import { checkWhole, MOST_32, MOST_MILLISECONDS, NftInputError } from './input-error.ts';
import { sizeOf } from './schema.ts';
import {
  type AddOptions,
  type ChainRef,
  type ChainSpec,
  type CounterSpec,
  type DeleteOptions,
  type ElementsSpec,
  type MapSpec,
  type RuleSpec,
  type SetRef,
  type SetSpec,
  type TableRef,
  type TableSpec,
  tableText,
} from './spec.ts';

/** Where a rule goes in its chain. */
export type RulePosition = 'last' | 'first' | { readonly after: bigint } | { readonly before: bigint };

/** One step of a transaction, as data. */
export type Operation =
  | { readonly op: 'addTable'; readonly table: TableSpec; readonly ifExists: 'keep' | 'fail' }
  | { readonly op: 'deleteTable'; readonly table: TableRef; readonly ifMissing: 'fail' | 'ignore' }
  | { readonly op: 'flushTable'; readonly table: TableRef }
  | { readonly op: 'addChain'; readonly chain: ChainSpec; readonly ifExists: 'keep' | 'fail' }
  | { readonly op: 'deleteChain'; readonly chain: ChainRef; readonly ifMissing: 'fail' | 'ignore' }
  | { readonly op: 'flushChain'; readonly chain: ChainRef }
  | { readonly op: 'addRule'; readonly rule: RuleSpec; readonly position: RulePosition }
  | { readonly op: 'replaceRule'; readonly rule: RuleSpec; readonly handle: bigint }
  | { readonly op: 'deleteRule'; readonly chain: ChainRef; readonly handle: bigint }
  | { readonly op: 'addSet'; readonly set: SetSpec | MapSpec; readonly ifExists: 'keep' | 'fail' }
  | { readonly op: 'deleteSet'; readonly set: SetRef; readonly ifMissing: 'fail' | 'ignore' }
  | { readonly op: 'flushSet'; readonly set: SetRef }
  | { readonly op: 'addElements'; readonly elements: ElementsSpec; readonly ifExists: 'keep' | 'fail' }
  | { readonly op: 'deleteElements'; readonly elements: ElementsSpec; readonly ifMissing: 'fail' | 'ignore' }
  | { readonly op: 'addCounter'; readonly counter: CounterSpec; readonly ifExists: 'keep' | 'fail' }
  | { readonly op: 'deleteCounter'; readonly counter: SetRef; readonly ifMissing: 'fail' | 'ignore' };

/**
 * A list of changes that happen together or not at all: `Nft.commit` hands it to the kernel as one batch. Nothing
 * is sent before. The `add` methods mean what nft's `add` means: what is there already and is of the same kind stays.
 *
 * Every method checks what can be checked without the kernel and throws {@link NftInputError}.
 */
export class Transaction {
  readonly #operations: Operation[] = [];

  get operations(): readonly Operation[] {
    return this.#operations;
  }

  get isEmpty(): boolean {
    return this.#operations.length === 0;
  }

  /** Adds everything of `other` behind what is here. */
  append(other: Transaction): this {
    for (const operation of other.operations) this.#operations.push(operation);
    return this;
  }

  addTable(table: TableSpec, options: AddOptions = {}): this {
    checkTable(table);
    checkComment(table.comment);
    return this.#push({ op: 'addTable', table, ifExists: options.ifExists ?? 'keep' });
  }

  /** With all that is in it. */
  deleteTable(table: TableRef, options: DeleteOptions = {}): this {
    checkTable(table);
    return this.#push({ op: 'deleteTable', table, ifMissing: options.ifMissing ?? 'fail' });
  }

  /** An empty table, whatever was there before: the usual beginning of a complete configuration. */
  resetTable(table: TableSpec): this {
    return this.deleteTable(table, { ifMissing: 'ignore' }).addTable(table);
  }

  /** Deletes all rules of all chains; chains and sets stay. */
  flushTable(table: TableRef): this {
    checkTable(table);
    return this.#push({ op: 'flushTable', table });
  }

  addChain(chain: ChainSpec, options: AddOptions = {}): this {
    checkNamed('chain', chain);
    checkComment(chain.comment);
    checkWhole(`priority of chain ${chain.name}`, chain.hook?.priority, -0x8000_0000, 0x7fff_ffff);
    return this.#push({ op: 'addChain', chain, ifExists: options.ifExists ?? 'keep' });
  }

  /** With its rules. Refused (EBUSY) while a rule or a verdict map names it. */
  deleteChain(chain: ChainRef, options: DeleteOptions = {}): this {
    checkNamed('chain', chain);
    return this.#push({ op: 'deleteChain', chain, ifMissing: options.ifMissing ?? 'fail' });
  }

  /** Deletes the chain's rules. */
  flushChain(chain: ChainRef): this {
    checkNamed('chain', chain);
    return this.#push({ op: 'flushChain', chain });
  }

  /** Adds a rule at the end, or at `position`. Rules have no names: the same rule twice is two rules. */
  addRule(rule: RuleSpec, position: RulePosition = 'last'): this {
    checkRule(rule);
    return this.#push({ op: 'addRule', rule, position });
  }

  /** Puts a rule in the place of the one with this handle (see `listRules`). */
  replaceRule(handle: bigint, rule: RuleSpec): this {
    checkRule(rule);
    return this.#push({ op: 'replaceRule', rule, handle });
  }

  deleteRule(chain: ChainRef, handle: bigint): this {
    checkNamed('chain', chain);
    return this.#push({ op: 'deleteRule', chain, handle });
  }

  addSet(set: SetSpec, options: AddOptions = {}): this {
    checkSet(set);
    return this.#push({ op: 'addSet', set, ifExists: options.ifExists ?? 'keep' });
  }

  addMap(map: MapSpec, options: AddOptions = {}): this {
    checkSet(map);
    return this.#push({ op: 'addSet', set: map, ifExists: options.ifExists ?? 'keep' });
  }

  /** A set or a map. Refused (EBUSY) while a rule uses it. */
  deleteSet(set: SetRef, options: DeleteOptions = {}): this {
    checkNamed('set', set);
    return this.#push({ op: 'deleteSet', set, ifMissing: options.ifMissing ?? 'fail' });
  }

  /** Deletes all elements. */
  flushSet(set: SetRef): this {
    checkNamed('set', set);
    return this.#push({ op: 'flushSet', set });
  }

  /**
   * Adds elements to a set or map. One that is there already stays as it is (`ifExists: 'fail'`: EEXIST); one with
   * the same key and other data is EEXIST always, and so is an overlap of intervals.
   */
  addElements(elements: ElementsSpec, options: AddOptions = {}): this {
    checkElements(elements);
    if (elements.elements.length === 0) return this;
    return this.#push({ op: 'addElements', elements, ifExists: options.ifExists ?? 'keep' });
  }

  /** Deletes elements by their keys, whatever their data is. */
  deleteElements(elements: ElementsSpec, options: DeleteOptions = {}): this {
    checkElements(elements);
    if (elements.elements.length === 0) return this;
    return this.#push({ op: 'deleteElements', elements, ifMissing: options.ifMissing ?? 'fail' });
  }

  addCounter(counter: CounterSpec, options: AddOptions = {}): this {
    checkNamed('counter', counter);
    checkComment(counter.comment);
    checkWhole(`packets of counter ${counter.name}`, counter.packets, 0, Number.MAX_SAFE_INTEGER);
    checkWhole(`bytes of counter ${counter.name}`, counter.bytes, 0, Number.MAX_SAFE_INTEGER);
    return this.#push({ op: 'addCounter', counter, ifExists: options.ifExists ?? 'keep' });
  }

  /** Refused (EBUSY) while a rule or a map uses it. */
  deleteCounter(counter: SetRef, options: DeleteOptions = {}): this {
    checkNamed('counter', counter);
    return this.#push({ op: 'deleteCounter', counter, ifMissing: options.ifMissing ?? 'fail' });
  }

  #push(operation: Operation): this {
    this.#operations.push(operation);
    return this;
  }
}

function checkTable(table: TableRef): void {
  checkName('table', table.name);
}

function checkNamed(kind: string, object: { table: TableRef; name: string }): void {
  checkTable(object.table);
  checkName(`${kind} of ${tableText(object.table)}`, object.name);
}

function checkName(field: string, name: string): void {
  // The kernel takes any 255 bytes (NFT_NAME_MAXLEN); what nft cannot read back is refused here.
  if (!/^[a-zA-Z_][a-zA-Z0-9_./\\-]*$/.test(name) || name.length > 255)
    throw new NftInputError(
      field,
      name,
      'must be 1 to 255 letters, digits, _ . / \\ -, beginning with a letter or _',
    );
}

function checkComment(comment: string | undefined): void {
  if (comment !== undefined && (Buffer.byteLength(comment) > 127 || comment.includes('\0')))
    throw new NftInputError('comment', comment, 'must be at most 127 bytes without NUL');
}

function checkRule(rule: RuleSpec): void {
  checkTable(rule.table);
  checkName(`chain of ${tableText(rule.table)}`, rule.chain);
  checkComment(rule.comment);
}

function checkSet(set: SetSpec): void {
  checkNamed('set', set);
  checkComment(set.comment);
  const key = typeof set.key === 'string' ? [set.key] : set.key;
  if (key.length < 1 || key.length > 5)
    throw new NftInputError(`key of set ${set.name}`, key, 'must be one to five types');
  for (const type of key)
    if (dataTypes[type] === undefined || /^integer/.test(type))
      throw new NftInputError(
        `key of set ${set.name}`,
        type,
        'must be a type that nft can name; numbers: mark',
      );
  checkWhole(
    `timeout of set ${set.name}`,
    set.timeout === true ? undefined : set.timeout,
    1,
    MOST_MILLISECONDS,
  );
  checkWhole(`gcInterval of set ${set.name}`, set.gcInterval, 1, MOST_32);
  checkWhole(`size of set ${set.name}`, set.size, 1, MOST_32);
  if (set.interval && set.dynamic)
    throw new NftInputError(
      `set ${set.name}`,
      'interval, dynamic',
      'cannot be both: rules add single values',
    );
  if (sizeOf(key) > 64)
    throw new NftInputError(`key of set ${set.name}`, key, 'must not need more than 64 bytes');
}

function checkElements(spec: ElementsSpec): void {
  checkTable(spec.table);
  checkName(`set of ${tableText(spec.table)}`, typeof spec.set === 'string' ? spec.set : spec.set.name);
}
