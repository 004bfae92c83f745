import {
  type MessageWriter,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
} from '../netlink/attributes.ts';
import * as C from './constants.ts';
import { type DataTypeName, dataTypes } from './datatype.ts';
import { setName } from './describe.ts';
import { ElementWriter } from './encode-element.ts';
import { NftInputError } from './input-error.ts';
import { writeInstruction, writeInstructions } from './instruction.ts';
import { lowerRule } from './lower.ts';
import { type SetSchema, schemaOf, sizeOf, typeId } from './schema.ts';
import type { ChainSpec, Family, HookSpec, RuleSpec, SetElement, SetSpec, TableRef } from './spec.ts';
import type { Operation, RulePosition, Transaction } from './transaction.ts';
import { COMMENT, commentData, type PrintOrder, setData } from './userdata.ts';

/** Finds out what a set that the transaction does not make itself is like; undefined when there is none. */
export type SchemaSource = (table: TableRef, set: string) => SetSchema | undefined;

/** The sets that a transaction makes and removes: `undefined` stands for removed. */
export type SchemaChanges = Map<string, SetSchema | undefined>;

export function schemaKey(table: TableRef, set: string): string {
  return `${table.family} ${table.name} ${set}`;
}

/** Writes a transaction as one nfnetlink batch and remembers which message stems from which operation. */
export class BatchEncoder {
  /** By message number; undefined for the batch's own first and last message. */
  readonly origins: (Operation | undefined)[] = [];
  readonly changes: SchemaChanges = new Map();
  readonly #w: MessageWriter;
  readonly #source: SchemaSource;
  readonly #removedTables = new Set<string>();
  #nextSetId = 1;
  #current: Operation | undefined;

  constructor(writer: MessageWriter, source: SchemaSource) {
    this.#w = writer;
    this.#source = source;
  }

  /** @throws NftInputError for values that do not fit; nothing is sent by then. */
  encode(transaction: Transaction): void {
    this.#frame(C.NFNL_MSG_BATCH_BEGIN);
    for (const operation of transaction.operations) {
      this.#current = operation;
      this.#encode(operation);
    }
    this.#current = undefined;
    this.#frame(C.NFNL_MSG_BATCH_END);
  }

  #frame(type: number): void {
    this.origins.push(undefined);
    this.#w.begin(type, 0).u8(0).u8(0).be16(C.NFNL_SUBSYSTEM_ID);
  }

  #begin(message: number, family: Family, flags: number): MessageWriter {
    this.origins.push(this.#current);
    return this.#w
      .begin(C.SUBSYSTEM | message, flags)
      .u8(C.families[family])
      .u8(0)
      .be16(0);
  }

  #encode(o: Operation): void {
    switch (o.op) {
      case 'addTable': {
        const w = this.#begin(C.MSG.newTable, o.table.family, addFlags(o.ifExists));
        w.attrString(C.TABLE.name, o.table.name);
        if (o.table.dormant !== undefined) w.attrBe32(C.TABLE.flags, o.table.dormant ? C.TABLE_DORMANT : 0);
        if (o.table.comment !== undefined)
          w.attrBytes(C.TABLE.userdata, commentData(o.table.comment, COMMENT.table));
        break;
      }
      case 'deleteTable':
        // Making it first is how not to fail when it is missing, on any kernel.
        if (o.ifMissing === 'ignore')
          this.#begin(C.MSG.newTable, o.table.family, NLM_F_CREATE).attrString(C.TABLE.name, o.table.name);
        this.#begin(C.MSG.deleteTable, o.table.family, 0).attrString(C.TABLE.name, o.table.name);
        this.#forgetTable(o.table);
        break;
      case 'flushTable':
        this.#begin(C.MSG.deleteRule, o.table.family, 0).attrString(C.RULE.table, o.table.name);
        break;
      case 'addChain':
        this.#addChain(o.chain, addFlags(o.ifExists));
        break;
      case 'deleteChain': {
        const message = o.ifMissing === 'ignore' ? C.MSG.destroyChain : C.MSG.deleteChain;
        const w = this.#begin(message, o.chain.table.family, 0);
        w.attrString(C.CHAIN.table, o.chain.table.name).attrString(C.CHAIN.name, o.chain.name);
        break;
      }
      case 'flushChain':
        this.#ruleMessage(C.MSG.deleteRule, o.chain.table, o.chain.name, 0);
        break;
      case 'addRule':
        this.#addRule(o.rule, o.position);
        break;
      case 'replaceRule':
        this.#addRule(o.rule, { replace: o.handle });
        break;
      case 'deleteRule':
        this.#ruleMessage(C.MSG.deleteRule, o.chain.table, o.chain.name, 0).attrBe64(C.RULE.handle, o.handle);
        break;
      case 'addSet':
        this.#addSet(o.set, schemaOf(o.set), addFlags(o.ifExists));
        this.changes.set(schemaKey(o.set.table, o.set.name), schemaOf(o.set));
        break;
      case 'deleteSet': {
        const message = o.ifMissing === 'ignore' ? C.MSG.destroySet : C.MSG.deleteSet;
        const w = this.#begin(message, o.set.table.family, 0);
        w.attrString(C.SET.table, o.set.table.name).attrString(C.SET.name, o.set.name);
        this.changes.set(schemaKey(o.set.table, o.set.name), undefined);
        break;
      }
      case 'flushSet': {
        const w = this.#begin(C.MSG.deleteElement, o.set.table.family, 0);
        w.attrString(C.ELEMENTS.table, o.set.table.name).attrString(C.ELEMENTS.set, o.set.name);
        break;
      }
      case 'addElements':
        this.#elements(
          o.elements.table,
          o.elements.set,
          o.elements.elements,
          C.MSG.newElement,
          addFlags(o.ifExists),
        );
        break;
      case 'deleteElements': {
        const message = o.ifMissing === 'ignore' ? C.MSG.destroyElement : C.MSG.deleteElement;
        this.#elements(o.elements.table, o.elements.set, o.elements.elements, message, 0);
        break;
      }
      case 'addCounter':
        this.#addCounter(o);
        break;
      case 'deleteCounter': {
        const message = o.ifMissing === 'ignore' ? C.MSG.destroyObject : C.MSG.deleteObject;
        const w = this.#begin(message, o.counter.table.family, 0);
        w.attrString(C.OBJECT.table, o.counter.table.name).attrString(C.OBJECT.name, o.counter.name);
        w.attrBe32(C.OBJECT.type, C.OBJECT_COUNTER);
      }
    }
  }

  #addChain(chain: ChainSpec, flags: number): void {
    const { family, name } = chain.table;
    const hook = chain.hook === undefined ? undefined : checkedHook(family, chain.name, chain.hook);
    const w = this.#begin(C.MSG.newChain, family, flags);
    w.attrString(C.CHAIN.table, name).attrString(C.CHAIN.name, chain.name);
    if (chain.hook !== undefined && hook !== undefined) {
      w.attrString(C.CHAIN.type, chain.hook.type);
      if (chain.hook.policy !== undefined) w.attrBe32(C.CHAIN.policy, chain.hook.policy === 'accept' ? 1 : 0);
      const nest = w.openNest(C.CHAIN.hook);
      w.attrBe32(C.HOOK.number, hook).attrBe32(C.HOOK.priority, chain.hook.priority >>> 0);
      writeDevices(w, chain.hook.device);
      w.closeNest(nest);
    }
    if (chain.comment !== undefined) w.attrBytes(C.CHAIN.userdata, commentData(chain.comment, COMMENT.chain));
  }

  #addRule(rule: RuleSpec, position: RulePosition | { replace: bigint }): void {
    const { table } = rule;
    // Lowering comes first: it sends the rule's nameless sets.
    const instructions = lowerRule(rule.rule, {
      family: table.family,
      schema: (set) => this.#schema(table, set),
      anonymous: (schema, elements) => this.#anonymous(table, schema, elements),
    });
    let flags = NLM_F_CREATE;
    if (position === 'last') flags |= NLM_F_APPEND;
    else if (position !== 'first') {
      if ('after' in position) flags |= NLM_F_APPEND;
      if ('replace' in position) flags = NLM_F_REPLACE;
    }
    const w = this.#ruleMessage(C.MSG.newRule, table, rule.chain, flags);
    if (typeof position === 'object') {
      if ('replace' in position) w.attrBe64(C.RULE.handle, position.replace);
      else w.attrBe64(C.RULE.position, 'after' in position ? position.after : position.before);
    }
    writeInstructions(w, C.RULE.expressions, instructions);
    if (rule.comment !== undefined) w.attrBytes(C.RULE.userdata, commentData(rule.comment, COMMENT.rule));
  }

  #ruleMessage(message: number, table: TableRef, chain: string, flags: number): MessageWriter {
    const w = this.#begin(message, table.family, flags);
    return w.attrString(C.RULE.table, table.name).attrString(C.RULE.chain, chain);
  }

  #addSet(set: Omit<SetSpec, 'key'>, schema: SetSchema, flags: number, extraFlags = 0): number {
    const w = this.#begin(C.MSG.newSet, set.table.family, flags);
    const id = this.#nextSetId++;
    const { key, data } = schema;
    w.attrString(C.SET.table, set.table.name).attrString(C.SET.name, set.name);
    w.attrBe32(C.SET.flags, setFlags(set, schema) | extraFlags);
    w.attrBe32(C.SET.keyType, typeId(key)).attrBe32(C.SET.keyLength, sizeOf(key));
    if (data === 'verdict') w.attrBe32(C.SET.dataType, C.DATA_VERDICT).attrBe32(C.SET.dataLength, 0);
    else if (data === 'counter') w.attrBe32(C.SET.objectType, C.OBJECT_COUNTER);
    else if (data !== undefined)
      w.attrBe32(C.SET.dataType, typeId(data)).attrBe32(C.SET.dataLength, sizeOf(data));
    w.attrBe32(C.SET.id, id);
    writeDescription(w, set.size, schema.interval && key.length > 1 ? key : undefined);
    if (typeof set.timeout === 'number') w.attrBe64(C.SET.timeout, BigInt(set.timeout));
    if (set.gcInterval !== undefined) w.attrBe32(C.SET.gcInterval, set.gcInterval);
    const dataOrder = Array.isArray(data) ? printOrder(data) : undefined;
    w.attrBytes(
      C.SET.userdata,
      setData(schema.interval ? 'network' : printOrder(key), dataOrder, set.comment),
    );
    if (set.counter) writeInstruction(w, C.SET.expression, { name: 'counter', fields: {} });
    return id;
  }

  #anonymous(
    table: TableRef,
    schema: SetSchema,
    elements: readonly SetElement[],
  ): { name: string; id: number } {
    const name = schema.data === undefined ? '__set%d' : '__map%d';
    const size = schema.interval ? undefined : elements.length;
    const spec = { table, name, ...(size === undefined ? {} : { size }) };
    const id = this.#addSet(spec, schema, NLM_F_CREATE, C.SET_ANONYMOUS | C.SET_CONSTANT);
    this.#write(table, name, id, schema, elements, C.MSG.newElement, NLM_F_CREATE);
    return { name, id };
  }

  #elements(
    table: TableRef,
    set: string | SetSpec,
    elements: readonly SetElement[],
    message: number,
    flags: number,
  ): void {
    const name = setName(set);
    const schema = typeof set === 'string' ? this.#schema(table, set) : schemaOf(set);
    // Without a set there are no types: an empty list makes the kernel say ENOENT for the right message.
    this.#write(table, name, undefined, schema, schema === undefined ? [] : elements, message, flags);
  }

  #write(
    table: TableRef,
    name: string,
    id: number | undefined,
    schema: SetSchema | undefined,
    elements: readonly SetElement[],
    message: number,
    flags: number,
  ): void {
    const deleting = message !== C.MSG.newElement;
    const writer = new ElementWriter(this.#w, schema, `set ${name}`, deleting, () => {
      const w = this.#begin(message, table.family, flags);
      w.attrString(C.ELEMENTS.table, table.name).attrString(C.ELEMENTS.set, name);
      if (id !== undefined) w.attrBe32(C.ELEMENTS.setId, id);
    });
    for (const element of elements) writer.add(element);
    writer.finish();
  }

  #addCounter(o: Operation & { op: 'addCounter' }): void {
    const { counter } = o;
    const w = this.#begin(C.MSG.newObject, counter.table.family, addFlags(o.ifExists));
    w.attrString(C.OBJECT.table, counter.table.name).attrString(C.OBJECT.name, counter.name);
    w.attrBe32(C.OBJECT.type, C.OBJECT_COUNTER);
    const nest = w.openNest(C.OBJECT.data);
    w.attrBe64(C.COUNTER.bytes, BigInt(counter.bytes ?? 0));
    w.attrBe64(C.COUNTER.packets, BigInt(counter.packets ?? 0));
    w.closeNest(nest);
    if (counter.comment !== undefined)
      w.attrBytes(C.OBJECT.userdata, commentData(counter.comment, COMMENT.object));
  }

  #schema(table: TableRef, set: string): SetSchema | undefined {
    const key = schemaKey(table, set);
    if (this.changes.has(key)) return this.changes.get(key);
    if (this.#removedTables.has(`${table.family} ${table.name}`)) return undefined;
    return this.#source(table, set);
  }

  #forgetTable(table: TableRef): void {
    const prefix = schemaKey(table, '');
    for (const key of this.changes.keys()) if (key.startsWith(prefix)) this.changes.set(key, undefined);
    this.#removedTables.add(`${table.family} ${table.name}`);
  }

  /** Tables deleted on the way. */
  get removedTables(): ReadonlySet<string> {
    return this.#removedTables;
  }
}

function addFlags(ifExists: 'keep' | 'fail'): number {
  return ifExists === 'fail' ? NLM_F_CREATE | NLM_F_EXCL : NLM_F_CREATE;
}

/** @throws NftInputError for a hook that the family or the chain's type does not have. */
export function checkedHook(family: Family, chain: string, hook: HookSpec): number {
  const number = C.hookNumber(family, hook.hook);
  const allowed = C.hooksOfType[hook.type];
  if (number === undefined || (allowed && !allowed.includes(hook.hook))) {
    const names = C.hookNames(family).filter((name) => !allowed || (allowed as string[]).includes(name));
    throw new NftInputError(
      `hook of chain ${chain}`,
      hook.hook,
      `a ${hook.type} chain of family ${family} can be in ${names.join(', ') || 'no hook'}`,
    );
  }
  return number;
}

function writeDevices(w: MessageWriter, device: string | readonly string[] | undefined): void {
  if (device === undefined) return;
  if (typeof device === 'string') {
    w.attrString(C.HOOK.device, device);
    return;
  }
  const nest = w.openNest(C.HOOK.devices);
  for (const name of device) w.attrString(1, name);
  w.closeNest(nest);
}

function writeDescription(
  w: MessageWriter,
  size: number | undefined,
  fields: readonly DataTypeName[] | undefined,
): void {
  if (size === undefined && fields === undefined) return;
  const nest = w.openNest(C.SET.description);
  if (size !== undefined) w.attrBe32(C.DESCRIPTION.size, size);
  if (fields !== undefined) {
    const list = w.openNest(C.DESCRIPTION.concat);
    for (const type of fields) {
      const field = w.openNest(1);
      w.attrBe32(C.DESCRIPTION.fieldLength, dataTypes[type].size);
      w.closeNest(field);
    }
    w.closeNest(list);
  }
  w.closeNest(nest);
}

function setFlags(set: Omit<SetSpec, 'key'>, schema: SetSchema): number {
  const { data, interval, key } = schema;
  return (
    (set.constant ? C.SET_CONSTANT : 0) |
    (interval ? C.SET_INTERVAL : 0) |
    (interval && key.length > 1 ? C.SET_CONCAT : 0) |
    (data === 'counter' ? C.SET_OBJECT : data === undefined ? 0 : C.SET_MAP) |
    (set.timeout === undefined ? 0 : C.SET_TIMEOUT) |
    (set.dynamic ? C.SET_EVAL : 0)
  );
}

function printOrder(types: readonly DataTypeName[]): PrintOrder {
  return types.length === 1 ? dataTypes[types[0]!].order : 'none';
}
