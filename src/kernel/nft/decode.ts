import type { AttributeReader } from '../netlink/attributes.ts';
import * as C from './constants.ts';
import { type DataTypeName, dataTypeById } from './datatype.ts';
import { instructionText, readInstructions } from './instruction.ts';
import type { ChainInfo, CounterValue, RuleInfo, SetInfo, TableInfo } from './nft.ts';
import type { ChainType, Family, HookSpec, KeyType, MapData, TableRef } from './spec.ts';
import { COMMENT, commentIn } from './userdata.ts';

/** What the kernel says about its objects. All take the attributes of one message. */

export function decodeTable(family: Family, reader: AttributeReader): TableInfo {
  let name = '';
  let flags = 0;
  let comment: string | undefined;
  while (reader.next()) {
    if (reader.type === C.TABLE.name) name = reader.string();
    else if (reader.type === C.TABLE.flags) flags = reader.be32();
    else if (reader.type === C.TABLE.userdata) comment = commentIn(reader.bytes(), COMMENT.table);
  }
  return {
    family,
    name,
    ...(flags & C.TABLE_DORMANT ? { dormant: true } : {}),
    ...(comment === undefined ? {} : { comment }),
  };
}

export function decodeChain(family: Family, reader: AttributeReader): ChainInfo {
  let table = '';
  let name = '';
  let type: ChainType = 'filter';
  let policy: 'accept' | 'drop' = 'accept';
  let comment: string | undefined;
  let place: Omit<HookSpec, 'type' | 'policy'> | undefined;
  while (reader.next()) {
    switch (reader.type) {
      case C.CHAIN.table:
        table = reader.string();
        break;
      case C.CHAIN.name:
        name = reader.string();
        break;
      case C.CHAIN.type:
        type = reader.string() as ChainType;
        break;
      case C.CHAIN.policy:
        policy = reader.be32() === 0 ? 'drop' : 'accept';
        break;
      case C.CHAIN.hook:
        place = decodeHook(family, reader.nested());
        break;
      case C.CHAIN.userdata:
        comment = commentIn(reader.bytes(), COMMENT.chain);
    }
  }
  return {
    table: { family, name: table },
    name,
    ...(place === undefined ? {} : { hook: { type, ...place, policy } }),
    ...(comment === undefined ? {} : { comment }),
  };
}

function decodeHook(family: Family, reader: AttributeReader): Omit<HookSpec, 'type' | 'policy'> {
  let number = 0;
  let priority = 0;
  let device: string | string[] | undefined;
  while (reader.next()) {
    if (reader.type === C.HOOK.number) number = reader.be32();
    else if (reader.type === C.HOOK.priority) priority = reader.be32() | 0;
    else if (reader.type === C.HOOK.device) device = reader.string();
    else if (reader.type === C.HOOK.devices && device === undefined) {
      const list = reader.nested();
      device = [];
      while (list.next()) device.push(list.string());
    }
  }
  const hook = C.hookName(family, number) ?? 'prerouting';
  return { hook, priority, ...(device === undefined ? {} : { device }) };
}

export function decodeRule(family: Family, reader: AttributeReader): RuleInfo {
  let table = '';
  let chain = '';
  let handle = 0n;
  let expressions: string[] = [];
  let comment: string | undefined;
  while (reader.next()) {
    if (reader.type === C.RULE.table) table = reader.string();
    else if (reader.type === C.RULE.chain) chain = reader.string();
    else if (reader.type === C.RULE.handle) handle = reader.be64();
    else if (reader.type === C.RULE.expressions)
      expressions = readInstructions(reader.nested()).map(instructionText);
    else if (reader.type === C.RULE.userdata) comment = commentIn(reader.bytes(), COMMENT.rule);
  }
  return {
    table: { family, name: table },
    chain,
    handle,
    expressions,
    ...(comment === undefined ? {} : { comment }),
  };
}

/** Undefined for nameless sets and for types that only nft knows. */
export function decodeSet(family: Family, reader: AttributeReader): SetInfo | undefined {
  let table = '';
  let name = '';
  let flags = 0;
  let keyType = 0;
  let dataType = 0;
  let timeout = 0n;
  let size: number | undefined;
  let counter = false;
  let comment: string | undefined;
  while (reader.next()) {
    switch (reader.type) {
      case C.SET.table:
        table = reader.string();
        break;
      case C.SET.name:
        name = reader.string();
        break;
      case C.SET.flags:
        flags = reader.be32();
        break;
      case C.SET.keyType:
        keyType = reader.be32();
        break;
      case C.SET.dataType:
        dataType = reader.be32();
        break;
      case C.SET.timeout:
        timeout = reader.be64();
        break;
      case C.SET.description:
        size = decodeSize(reader.nested());
        break;
      case C.SET.expression:
      case C.SET.expressions:
        counter = true;
        break;
      case C.SET.userdata:
        comment = commentIn(reader.bytes(), COMMENT.set);
    }
  }
  const key = typesOf(keyType);
  const data = dataOf(flags, dataType);
  if (flags & C.SET_ANONYMOUS || key === undefined || data === null) return undefined;
  return {
    table: { family, name: table } satisfies TableRef,
    name,
    key,
    ...(data === undefined ? {} : { data }),
    interval: (flags & C.SET_INTERVAL) !== 0,
    dynamic: (flags & C.SET_EVAL) !== 0,
    ...(flags & C.SET_TIMEOUT ? { timeout: timeout > 0n ? Number(timeout) : true } : {}),
    ...(size === undefined ? {} : { size }),
    counter,
    ...(comment === undefined ? {} : { comment }),
  };
}

function decodeSize(reader: AttributeReader): number | undefined {
  while (reader.next()) if (reader.type === C.DESCRIPTION.size) return reader.be32();
  return undefined;
}

/** The types in nft's number for a key: six bits for each part. */
function typesOf(id: number): KeyType | undefined {
  const types: DataTypeName[] = [];
  for (let rest = id; rest > 0; rest >>>= 6) {
    const type = dataTypeById(rest & 63);
    if (type === undefined) return undefined;
    types.unshift(type);
  }
  return types.length === 1 ? types[0]! : types.length === 0 ? undefined : types;
}

/** Undefined: a set. Null: a map of something unknown. */
function dataOf(flags: number, type: number): MapData | undefined | null {
  if (flags & C.SET_OBJECT) return 'counter';
  if ((flags & C.SET_MAP) === 0) return undefined;
  return type === C.DATA_VERDICT ? 'verdict' : (typesOf(type) ?? null);
}

/** A named object; undefined when it is no counter. */
export function decodeCounter(reader: AttributeReader): { name: string; value: CounterValue } | undefined {
  let name = '';
  let type = 0;
  let value: CounterValue | undefined;
  while (reader.next()) {
    if (reader.type === C.OBJECT.name) name = reader.string();
    else if (reader.type === C.OBJECT.type) type = reader.be32();
    else if (reader.type === C.OBJECT.data) value = decodeCounterValue(reader.nested());
  }
  return type === C.OBJECT_COUNTER && value !== undefined ? { name, value } : undefined;
}

export function decodeCounterValue(reader: AttributeReader): CounterValue {
  let packets = 0;
  let bytes = 0;
  while (reader.next()) {
    if (reader.type === C.COUNTER.packets) packets = Number(reader.be64());
    else if (reader.type === C.COUNTER.bytes) bytes = Number(reader.be64());
  }
  return { packets, bytes };
}
