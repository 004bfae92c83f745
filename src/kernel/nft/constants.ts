import type { ChainType, Family, HookName } from './spec.ts';

/** Numbers of linux/netfilter/nf_tables.h, nfnetlink.h and netfilter.h. */

export const families: Readonly<Record<Family, number>> = {
  inet: 1,
  ip: 2,
  arp: 3,
  netdev: 5,
  bridge: 7,
  ip6: 10,
};

const familyNames = new Map(Object.entries(families).map(([name, number]) => [number, name as Family]));

export function familyName(number: number): Family | undefined {
  return familyNames.get(number);
}

const NFNL_SUBSYS_NFTABLES = 10;
export const SUBSYSTEM = NFNL_SUBSYS_NFTABLES << 8;
export const NFNL_MSG_BATCH_BEGIN = 0x10;
export const NFNL_MSG_BATCH_END = 0x11;
export const NFNL_SUBSYSTEM_ID = NFNL_SUBSYS_NFTABLES;
/** Length of `struct nfgenmsg`. */
export const NFGEN_LENGTH = 4;

export const MSG = {
  newTable: 0,
  getTable: 1,
  deleteTable: 2,
  newChain: 3,
  getChain: 4,
  deleteChain: 5,
  newRule: 6,
  getRule: 7,
  deleteRule: 8,
  newSet: 9,
  getSet: 10,
  deleteSet: 11,
  newElement: 12,
  getElement: 13,
  deleteElement: 14,
  newObject: 18,
  getObject: 19,
  deleteObject: 20,
  /** The destroy messages came with Linux 6.3. */
  destroyChain: 27,
  destroySet: 29,
  destroyElement: 30,
  destroyObject: 31,
} as const;

export const SET_ANONYMOUS = 0x1;
export const SET_CONSTANT = 0x2;
export const SET_INTERVAL = 0x4;
export const SET_MAP = 0x8;
export const SET_TIMEOUT = 0x10;
export const SET_EVAL = 0x20;
export const SET_OBJECT = 0x40;
export const SET_CONCAT = 0x80;

export const ELEMENT_INTERVAL_END = 1;
export const ELEMENT_CATCHALL = 2;

export const DATA_VERDICT = 0xffffff00;
export const OBJECT_COUNTER = 1;
export const TABLE_DORMANT = 1;

const ipHooks = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 };
const hooks: Readonly<Record<Family, Partial<Record<HookName, number>>>> = {
  ip: ipHooks,
  ip6: ipHooks,
  inet: { ...ipHooks, ingress: 5 },
  bridge: ipHooks,
  arp: { input: 0, output: 1 },
  netdev: { ingress: 0, egress: 1 },
};

/** The hook's number in this family; undefined when the family has no such hook. */
export function hookNumber(family: Family, hook: HookName): number | undefined {
  return hooks[family][hook];
}

export function hookName(family: Family, number: number): HookName | undefined {
  return (Object.keys(hooks[family]) as HookName[]).find((name) => hooks[family][name] === number);
}

export function hookNames(family: Family): string[] {
  return Object.keys(hooks[family]);
}

/** In which hooks a chain type may be (nf_nat and nft_chain_route register only these). */
export const hooksOfType: Readonly<Record<ChainType, readonly HookName[] | undefined>> = {
  filter: undefined,
  nat: ['prerouting', 'input', 'output', 'postrouting'],
  route: ['output'],
};

/** Attribute numbers. */
export const TABLE = { name: 1, flags: 2, userdata: 6 } as const;
export const CHAIN = { table: 1, handle: 2, name: 3, hook: 4, policy: 5, type: 7, userdata: 12 } as const;
export const HOOK = { number: 1, priority: 2, device: 3, devices: 4 } as const;
export const RULE = {
  table: 1,
  chain: 2,
  handle: 3,
  expressions: 4,
  position: 6,
  userdata: 7,
} as const;
export const SET = {
  table: 1,
  name: 2,
  flags: 3,
  keyType: 4,
  keyLength: 5,
  dataType: 6,
  dataLength: 7,
  description: 9,
  id: 10,
  timeout: 11,
  gcInterval: 12,
  userdata: 13,
  objectType: 15,
  expression: 17,
  expressions: 18,
} as const;
export const DESCRIPTION = { size: 1, concat: 2, fieldLength: 1 } as const;
export const ELEMENTS = { table: 1, set: 2, list: 3, setId: 4 } as const;
export const ELEMENT = {
  key: 1,
  data: 2,
  flags: 3,
  timeout: 4,
  expiration: 5,
  userdata: 6,
  expression: 7,
  object: 9,
  keyEnd: 10,
  expressions: 11,
} as const;
export const OBJECT = { table: 1, name: 2, type: 3, data: 4, userdata: 8 } as const;
export const COUNTER = { bytes: 1, packets: 2 } as const;
