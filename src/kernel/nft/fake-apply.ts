import { KernelError } from '../errno.ts';
import { describe, keyText, setName } from './describe.ts';
import { encodeElement } from './element.ts';
import { checkedHook } from './encode.ts';
import { checkReferences, checkTable, checkTarget } from './fake-check.ts';
import {
  chainOf,
  chainsOfElements,
  elementId,
  type FakeChain,
  type FakeRule,
  type FakeSet,
  type FakeTable,
  newTable,
  referencesOf,
  tableId,
  type UndoLog,
} from './fake-state.ts';
import { lowerRule } from './lower.ts';
import { paddedSize, type SetSchema, schemaOf } from './schema.ts';
import type { ChainSpec, RuleSpec, SetElement, SetSpec, TableRef } from './spec.ts';
import type { Operation, RulePosition } from './transaction.ts';

const ENOENT = 2;
const EBUSY = 16;
const EEXIST = 17;
const ENFILE = 23;
const EOPNOTSUPP = 95;
/** The kernel bounds a set that rules may fill when nobody else has. */
const DYNAMIC_SIZE = 65_535;
/** NF_IP_PRI_CONNTRACK: translation must come after connection tracking. */
const CONNTRACK = -200;

/** Carries out single operations on the imitation's state, with the kernel's refusals. */
export class FakeApply {
  readonly #tables: Map<string, FakeTable>;
  readonly #undo: UndoLog;
  #operation: Operation | undefined;

  constructor(tables: Map<string, FakeTable>, undo: UndoLog) {
    this.#tables = tables;
    this.#undo = undo;
  }

  /** @throws KernelError or NftInputError; what was done so far is then in the undo log. */
  apply(o: Operation): void {
    this.#operation = o;
    switch (o.op) {
      case 'addTable': {
        const existing = this.#tables.get(tableId(o.table));
        if (existing === undefined) this.#undo.set(this.#tables, tableId(o.table), newTable(o.table));
        else if (o.ifExists === 'fail') this.#refuse(EEXIST);
        else if (o.table.dormant !== undefined) this.#replaceTableSpec(existing, o.table.dormant);
        break;
      }
      case 'deleteTable':
        if (this.#tables.has(tableId(o.table))) this.#undo.delete(this.#tables, tableId(o.table));
        else if (o.ifMissing === 'fail') this.#refuse(ENOENT);
        break;
      case 'flushTable': {
        const table = this.#table(o.table);
        for (const chain of table.chains.values()) this.#removeRules(table, chain, () => true);
        break;
      }
      case 'addChain':
        this.#addChain(o.chain, o.ifExists);
        break;
      case 'deleteChain': {
        const found = this.#find(o.chain, o.ifMissing, 'chains');
        if (found) this.#deleteChain(found.table, o.chain.name);
        break;
      }
      case 'flushChain': {
        const table = this.#table(o.chain.table);
        this.#removeRules(table, this.#chain(table, o.chain.name), () => true);
        break;
      }
      case 'addRule':
        this.#addRule(o.rule, o.position);
        break;
      case 'replaceRule':
        this.#addRule(o.rule, { replace: o.handle });
        break;
      case 'deleteRule': {
        const table = this.#table(o.chain.table);
        const chain = this.#chain(table, o.chain.name);
        this.#ruleIndex(chain, o.handle);
        this.#removeRules(table, chain, (rule) => rule.handle === o.handle);
        break;
      }
      case 'addSet':
        this.#addSet(o.set, o.ifExists);
        break;
      case 'deleteSet': {
        const found = this.#find(o.set, o.ifMissing, 'sets');
        if (!found) break;
        if (usesIn(found.table, (references) => references.set === o.set.name)) this.#refuse(EBUSY);
        this.#undo.delete(found.table.sets, o.set.name);
        break;
      }
      case 'flushSet': {
        const set = this.#set(o.set.table, o.set.name);
        for (const id of [...set.elements.keys()]) this.#undo.delete(set.elements, id);
        break;
      }
      case 'addElements': {
        const { table, set, elements } = o.elements;
        const found = this.#set(table, setName(set));
        const schema = typeof set === 'string' ? found.schema : schemaOf(set);
        for (const element of elements)
          this.#addElement(this.#table(table), found, schema, element, o.ifExists);
        const errno = found.schema.data === 'verdict' ? checkTable(this.#table(table)) : 0;
        if (errno !== 0) this.#refuse(errno);
        break;
      }
      case 'deleteElements': {
        const { table, set, elements } = o.elements;
        const found = this.#set(table, setName(set));
        for (const element of elements) {
          const id = elementId(encodeElement(found.schema, element, `set ${setName(set)}`, true));
          if (found.elements.has(id)) this.#undo.delete(found.elements, id);
          else if (o.ifMissing === 'fail') this.#refuse(ENOENT, element);
        }
        break;
      }
      case 'addCounter': {
        const { counter } = o;
        const { counters } = this.#table(counter.table);
        if (!counters.has(counter.name)) {
          const value = { spec: counter, packets: counter.packets ?? 0, bytes: counter.bytes ?? 0 };
          this.#undo.set(counters, counter.name, value);
        } else if (o.ifExists === 'fail') this.#refuse(EEXIST);
        break;
      }
      case 'deleteCounter': {
        const found = this.#find(o.counter, o.ifMissing, 'counters');
        if (!found) break;
        const { name } = o.counter;
        const inMaps = [...found.table.sets.values()].some(
          (set) =>
            set.schema.data === 'counter' && [...set.elements.values()].some((e) => e.encoded.data === name),
        );
        if (inMaps || usesIn(found.table, (references) => references.counter === name)) this.#refuse(EBUSY);
        this.#undo.delete(found.table.counters, name);
      }
    }
  }

  #replaceTableSpec(table: FakeTable, dormant: boolean): void {
    const before = table.spec;
    table.spec = { ...before, dormant };
    this.#undo.push(() => {
      table.spec = before;
    });
  }

  #addChain(spec: ChainSpec, ifExists: 'keep' | 'fail'): void {
    const { hook } = spec;
    if (hook !== undefined) checkedHook(spec.table.family, spec.name, hook);
    const table = this.#table(spec.table);
    const existing = table.chains.get(spec.name);
    if (existing === undefined) {
      if (hook?.type === 'nat' && hook.priority <= CONNTRACK) this.#refuse(EOPNOTSUPP);
      this.#undo.set(table.chains, spec.name, { spec, rules: [] });
      return;
    }
    if (ifExists === 'fail') this.#refuse(EEXIST);
    if (hook === undefined) return;
    const before = existing.spec;
    const own = before.hook;
    if (own === undefined) this.#refuse(EEXIST);
    if (own.type !== hook.type || own.hook !== hook.hook || own.priority !== hook.priority)
      this.#refuse(EOPNOTSUPP);
    if (hook.policy === undefined) return;
    existing.spec = { ...before, hook: { ...own, policy: hook.policy } };
    this.#undo.push(() => {
      existing.spec = before;
    });
  }

  #deleteChain(table: FakeTable, name: string): void {
    const chain = table.chains.get(name)!;
    this.#removeRules(table, chain, () => true);
    const inMaps = [...table.sets.values()].some((set) => [...chainsOfElements(set)].includes(name));
    if (inMaps || usesIn(table, (references) => references.chain === name)) this.#refuse(EBUSY);
    this.#undo.delete(table.chains, name);
  }

  #addRule(spec: RuleSpec, position: RulePosition | { replace: bigint }): void {
    const table = this.#table(spec.table);
    const chain = this.#chain(table, spec.chain);
    const anonymous: string[] = [];
    const instructions = lowerRule(spec.rule, {
      family: spec.table.family,
      schema: (set) => table.sets.get(set)?.schema,
      anonymous: (schema, elements) => {
        const name = this.#addAnonymous(table, schema, elements);
        anonymous.push(name);
        return { name, id: 0 };
      },
    });
    for (const instruction of instructions) {
      const errno = checkReferences(table, instruction);
      if (errno !== 0) this.#refuse(errno);
    }
    for (const { name, fields } of instructions)
      if (name === 'dynset') this.#bound(table, String(fields.set));
    const handle = table.nextHandle++;
    const rule: FakeRule = {
      handle,
      statements: spec.rule,
      instructions,
      anonymous,
      comment: spec.comment,
    };
    const rules = [...chain.rules];
    if (position === 'last') rules.push(rule);
    else if (position === 'first') rules.unshift(rule);
    else if ('replace' in position) rules.splice(this.#ruleIndex(chain, position.replace), 1, rule);
    else if ('after' in position) rules.splice(this.#ruleIndex(chain, position.after) + 1, 0, rule);
    else rules.splice(this.#ruleIndex(chain, position.before), 0, rule);
    this.#undo.rules(chain, rules);
    const errno = checkTable(table);
    if (errno !== 0) this.#refuse(errno);
  }

  #bound(table: FakeTable, name: string): void {
    const set = table.sets.get(name)!;
    if (set.spec.size === undefined)
      this.#undo.set(table.sets, name, { ...set, spec: { ...set.spec, size: DYNAMIC_SIZE } });
  }

  /** As the kernel, with the lowest free number in its name. */
  #addAnonymous(table: FakeTable, schema: SetSchema, elements: readonly SetElement[]): string {
    const prefix = schema.data === undefined ? '__set' : '__map';
    let number = 0;
    while (table.sets.has(`${prefix}${number}`)) number++;
    const name = `${prefix}${number}`;
    const set: FakeSet = {
      spec: { table: table.spec, name, key: schema.key },
      schema,
      anonymous: true,
      elements: new Map(),
    };
    this.#undo.set(table.sets, name, set);
    for (const element of elements) this.#addElement(table, set, schema, element, 'keep');
    return name;
  }

  #ruleIndex(chain: FakeChain, handle: bigint): number {
    const index = chain.rules.findIndex((rule) => rule.handle === handle);
    if (index < 0) this.#refuse(ENOENT);
    return index;
  }

  #removeRules(table: FakeTable, chain: FakeChain, which: (rule: FakeRule) => boolean): void {
    for (const rule of chain.rules.filter(which))
      for (const name of rule.anonymous) this.#undo.delete(table.sets, name);
    this.#undo.rules(
      chain,
      chain.rules.filter((rule) => !which(rule)),
    );
  }

  #addSet(spec: SetSpec, ifExists: 'keep' | 'fail'): void {
    const table = this.#table(spec.table);
    const existing = table.sets.get(spec.name);
    const schema = schemaOf(spec);
    if (existing === undefined) {
      this.#undo.set(table.sets, spec.name, { spec, schema, anonymous: false, elements: new Map() });
    } else if (ifExists === 'fail' || kindOf(existing.spec) !== kindOf(spec)) this.#refuse(EEXIST);
  }

  #addElement(
    table: FakeTable,
    set: FakeSet,
    schema: SetSchema,
    element: SetElement,
    ifExists: 'keep' | 'fail',
  ): void {
    const encoded = encodeElement(schema, element, `set ${set.spec.name}`);
    const chain = chainOf(encoded.data);
    const errno = chain === undefined ? 0 : checkTarget(table, chain);
    if (errno !== 0) this.#refuse(errno, element);
    if (typeof encoded.data === 'string' && !table.counters.has(encoded.data)) this.#refuse(ENOENT, element);
    const id = elementId(encoded);
    const existing = set.elements.get(id);
    if (existing !== undefined) {
      if (ifExists === 'fail' || !sameData(existing.encoded.data, encoded.data))
        this.#refuse(EEXIST, element);
      return;
    }
    if (
      encoded.end !== undefined &&
      [...set.elements.values()].some((e) => overlaps(schema, e.encoded, encoded))
    )
      this.#refuse(EEXIST, element);
    const { size } = set.spec;
    if (size !== undefined && set.elements.size >= size) this.#refuse(ENFILE, element);
    this.#undo.set(set.elements, id, { spec: element, encoded });
  }

  #table(ref: TableRef): FakeTable {
    return this.#tables.get(tableId(ref)) ?? this.#refuse(ENOENT);
  }

  #chain(table: FakeTable, name: string): FakeChain {
    return table.chains.get(name) ?? this.#refuse(ENOENT);
  }

  #set(table: TableRef, name: string): FakeSet {
    return this.#table(table).sets.get(name) ?? this.#refuse(ENOENT);
  }

  #find(
    ref: { table: TableRef; name: string },
    ifMissing: 'fail' | 'ignore',
    kind: 'chains' | 'sets' | 'counters',
  ): { table: FakeTable } | undefined {
    const table = this.#tables.get(tableId(ref.table));
    if (table?.[kind].has(ref.name)) return { table };
    return ifMissing === 'ignore' ? undefined : this.#refuse(ENOENT);
  }

  #refuse(errno: number, element?: SetElement): never {
    const { operation, object } = describe(this.#operation!, element && keyText(element.key));
    throw new KernelError(operation, object, errno);
  }
}

function usesIn(
  table: FakeTable,
  matches: (references: ReturnType<typeof referencesOf>) => boolean,
): boolean {
  return [...table.chains.values()].some((chain) =>
    chain.rules.some((rule) => rule.instructions.some((instruction) => matches(referencesOf(instruction)))),
  );
}

/** What may not differ when a set is added again. */
function kindOf(spec: SetSpec): string {
  return JSON.stringify([schemaOf(spec), spec.size ?? 0, spec.timeout ?? 0, spec.counter ?? false]);
}

function sameData(a: FakeSetData, b: FakeSetData): boolean {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) === 0;
  return JSON.stringify(a) === JSON.stringify(b);
}

type FakeSetData = ReturnType<typeof encodeElement>['data'];

/** Whether two intervals have a value in common: in every part of the key. */
function overlaps(
  schema: SetSchema,
  a: ReturnType<typeof encodeElement>,
  b: ReturnType<typeof encodeElement>,
): boolean {
  if (!a.key || !a.end || !b.key || !b.end) return false;
  let at = 0;
  for (const type of schema.key) {
    const next = at + (schema.key.length === 1 ? a.key.length : paddedSize(type));
    const before = a.end.compare(b.key, at, next, at, next) < 0;
    const behind = b.end.compare(a.key, at, next, at, next) < 0;
    if (before || behind) return false;
    at = next;
  }
  return true;
}
