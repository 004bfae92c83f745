import type { Scalar } from './datatype.ts';
import type { Statement, Verdict } from './rule.ts';

/** Protocol family of a table. `inet` sees IPv4 and IPv6. */
export type Family = 'inet' | 'ip' | 'ip6' | 'arp' | 'bridge' | 'netdev';

/** The names of key and data types, as nft writes them. Sizes and notations: datatype.ts. */
export type { DataTypeName, Scalar } from './datatype.ts';

import type { DataTypeName } from './datatype.ts';

/** A table's identity: the same name may exist once in each family. */
export interface TableRef {
  readonly family: Family;
  /** 1..255 bytes. */
  readonly name: string;
}

export interface TableSpec extends TableRef {
  /** Up to 127 bytes. */
  readonly comment?: string;
  /** A dormant table's chains see no packets. */
  readonly dormant?: boolean;
}

export type ChainType = 'filter' | 'nat' | 'route';
export type HookName = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting' | 'ingress' | 'egress';

/** Priorities by the names nft gives them (families ip, ip6, inet, netdev). Lower runs first. */
export const priorities = {
  raw: -300,
  mangle: -150,
  dstnat: -100,
  filter: 0,
  security: 50,
  srcnat: 100,
} as const;

export interface HookSpec {
  readonly type: ChainType;
  readonly hook: HookName;
  /** Signed 32 bits. A `nat` chain needs more than -200 (conntrack). */
  readonly priority: number;
  /** What happens to a packet that reaches the end. Default: accept. */
  readonly policy?: 'accept' | 'drop';
  /** For family netdev (and inet ingress): the device or devices. */
  readonly device?: string | readonly string[];
}

export interface ChainSpec {
  readonly table: TableRef;
  readonly name: string;
  /** A base chain, entered from this hook. Without it the chain is entered by `jump` and `goto` only. */
  readonly hook?: HookSpec;
  readonly comment?: string;
}

/** Which chain: enough for flush and delete. */
export interface ChainRef {
  readonly table: TableRef;
  readonly name: string;
}

export interface RuleSpec {
  readonly table: TableRef;
  readonly chain: string;
  readonly rule: readonly Statement[];
  /** Up to 127 bytes; shown by nft, and the natural key to find the rule again. */
  readonly comment?: string;
}

/** One type, or several for a concatenated key (at most five; together at most 64 bytes, each padded to 4). */
export type KeyType = DataTypeName | readonly DataTypeName[];
/** What a map gives: a verdict, a named counter, or a value. */
export type MapData = 'verdict' | 'counter' | KeyType;

export interface SetSpec {
  readonly table: TableRef;
  readonly name: string;
  readonly key: KeyType;
  /**
   * Elements may be ranges, prefixes and wildcards. A plain key becomes the kernel's rbtree (150 ms per addition
   * at 10,000 entries); a concatenated key its pipapo (0.6 ms): prefer that for big sets that change.
   */
  readonly interval?: boolean;
  /** Rules may add elements (`updateSet`). */
  readonly dynamic?: boolean;
  /** Elements may expire: milliseconds they live by default, or true for no default. */
  readonly timeout?: number | true;
  /** Milliseconds between collections of expired elements. */
  readonly gcInterval?: number;
  /** At most so many elements. */
  readonly size?: number;
  /** Each element counts packets and bytes. */
  readonly counter?: boolean;
  /** No change after it is used by a rule; the kernel may choose a faster kind. */
  readonly constant?: boolean;
  readonly comment?: string;
}

export interface MapSpec extends SetSpec {
  readonly data: MapData;
}

/** Which set or map: enough for flush and delete. */
export interface SetRef {
  readonly table: TableRef;
  readonly name: string;
}

/** A verdict written out: `drop`, `jump pod_1`. */
export type VerdictText = 'accept' | 'drop' | 'continue' | 'return' | `jump ${string}` | `goto ${string}`;

/** One element of a set or a map. */
export interface SetElement {
  /**
   * A scalar, or one for each part of a concatenated key. In interval sets also `10.0.0.0/24`,
   * `10.0.0.1-10.0.0.9`, `80-90`, `azv*` and `*` (everything).
   */
  readonly key: Scalar | readonly Scalar[];
  /** For a map: the value, one for each part, a verdict, or the name of a counter. */
  readonly data?: Scalar | readonly Scalar[] | Verdict | VerdictText;
  /** Up to 127 bytes. */
  readonly comment?: string;
  /** Milliseconds until it expires; the set needs `timeout`. */
  readonly timeout?: number;
}

export interface ElementsSpec {
  readonly table: TableRef;
  /**
   * The set's name. The types of its key and data are those of the `addSet` or `addMap` earlier in the transaction,
   * or of the set in the kernel. The specification itself may be given instead and saves the question.
   */
  readonly set: string | SetSpec | MapSpec;
  readonly elements: readonly SetElement[];
}

/** A counter that rules and maps refer to by name. */
export interface CounterSpec {
  readonly table: TableRef;
  readonly name: string;
  readonly comment?: string;
  /** To begin with. */
  readonly packets?: number;
  readonly bytes?: number;
}

/** What to do when the object to be added is there already. */
export interface AddOptions {
  /** `keep` (default): no error if it is of the same kind. `fail`: EEXIST. */
  readonly ifExists?: 'keep' | 'fail';
}

/** What to do when the object to be deleted is missing. */
export interface DeleteOptions {
  /**
   * `fail` (default): ENOENT. `ignore`: no error; chains, sets and elements need a kernel of at least 6.3 for it,
   * tables any.
   */
  readonly ifMissing?: 'fail' | 'ignore';
}

/** `table inet flyover`: how messages and errors name objects. */
export function tableText(table: TableRef): string {
  return `table ${table.family} ${table.name}`;
}
