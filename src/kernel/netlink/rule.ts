import { type MessageWriter, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL } from './attributes.ts';
import { AF_INET, AF_INET6, bytesToIp, type Family, familyCode, familyOf, parsePrefix } from './ip.ts';
import type { NetlinkMessage } from './message.ts';
import { TABLE_MAIN } from './route.ts';

// include/uapi/linux/fib_rules.h
export const RTM_NEWRULE = 32;
export const RTM_DELRULE = 33;
export const RTM_GETRULE = 34;
const FRA_DST = 1;
const FRA_SRC = 2;
const FRA_IIFNAME = 3;
const FRA_PRIORITY = 6;
const FRA_FWMARK = 10;
const FRA_SUPPRESS_PREFIXLEN = 14;
const FRA_TABLE = 15;
const FRA_FWMASK = 16;
const FRA_OIFNAME = 17;
const FRA_PROTOCOL = 21;
const FIB_RULE_INVERT = 2;
const RULE_LENGTH = 12;
const RT_TABLE_COMPAT = 252;
const PROTOCOL_STATIC = 4;

const ACTIONS = { lookup: 1, nop: 3, blackhole: 6, unreachable: 7, prohibit: 8 } as const;
export type RuleAction = keyof typeof ACTIONS;

/** A rule of policy routing (`ip rule`). Without any condition it matches every packet. */
export interface RuleSpec {
  /** Default 4, or that of `from` and `to`. */
  readonly family?: Family | undefined;
  /** 0 is tried first; the kernel chooses one below the lowest when absent. */
  readonly priority?: number | undefined;
  /** Source prefix. */
  readonly from?: string | undefined;
  /** Destination prefix. */
  readonly to?: string | undefined;
  /** Name of the link a packet came in on (`lo`: made by this machine). */
  readonly iif?: string | undefined;
  readonly oif?: string | undefined;
  readonly mark?: number | undefined;
  /** Default all bits. */
  readonly mask?: number | undefined;
  /** Matches what does not match. */
  readonly invert?: boolean | undefined;
  /** Default `lookup`. */
  readonly action?: RuleAction | undefined;
  /** For `lookup`: default main (254). */
  readonly table?: number | undefined;
  /** Goes on with the next rule when the route found has a prefix this long or shorter. */
  readonly suppressPrefixLength?: number | undefined;
}

export interface Rule extends RuleSpec {
  readonly family: Family;
  readonly priority: number;
  readonly action: RuleAction;
  readonly protocol: number;
}

export function writeRule(
  writer: MessageWriter,
  type: typeof RTM_NEWRULE | typeof RTM_DELRULE,
  rule: RuleSpec,
): void {
  const from = rule.from === undefined ? undefined : parsePrefix(rule.from, 'rule from');
  const to = rule.to === undefined ? undefined : parsePrefix(rule.to, 'rule to');
  const family = rule.family ?? from?.family ?? to?.family ?? 4;
  if ((from && from.family !== family) || (to && to.family !== family))
    throw new RangeError(`rule from ${rule.from} to ${rule.to}: not both of family ${family}`);
  const create = type === RTM_NEWRULE;
  const action = rule.action ?? 'lookup';
  const table = action === 'lookup' ? (rule.table ?? TABLE_MAIN) : 0;
  writer
    .begin(type, create ? NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL : NLM_F_ACK)
    .u8(familyCode(family))
    .u8(to?.length ?? 0)
    .u8(from?.length ?? 0)
    .u8(0)
    .u8(table < 256 ? table : RT_TABLE_COMPAT)
    .zero(2)
    .u8(ACTIONS[action])
    .u32(rule.invert ? FIB_RULE_INVERT : 0);
  if (table >= 256) writer.attrU32(FRA_TABLE, table);
  if (rule.priority !== undefined) writer.attrU32(FRA_PRIORITY, rule.priority);
  if (to && to.length > 0) writer.attrBytes(FRA_DST, to.bytes);
  if (from && from.length > 0) writer.attrBytes(FRA_SRC, from.bytes);
  if (rule.iif !== undefined) writer.attrString(FRA_IIFNAME, rule.iif);
  if (rule.oif !== undefined) writer.attrString(FRA_OIFNAME, rule.oif);
  if (rule.mark !== undefined) writer.attrU32(FRA_FWMARK, rule.mark);
  if (rule.mask !== undefined) writer.attrU32(FRA_FWMASK, rule.mask);
  if (rule.suppressPrefixLength !== undefined)
    writer.attrU32(FRA_SUPPRESS_PREFIXLEN, rule.suppressPrefixLength);
  if (create) writer.attrU8(FRA_PROTOCOL, PROTOCOL_STATIC);
}

export function writeGetRules(writer: MessageWriter, family: Family): void {
  writer.begin(RTM_GETRULE, 0).u8(familyCode(family)).zero(11);
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export function readRule(message: NetlinkMessage): Rule | undefined {
  const code = message.u8(0);
  if (code !== AF_INET && code !== AF_INET6) return undefined;
  const actionCode = message.u8(7);
  const action = (Object.keys(ACTIONS) as RuleAction[]).find((name) => ACTIONS[name] === actionCode);
  const rule: Mutable<Rule> = {
    family: familyOf(code),
    priority: 0,
    action: action ?? 'nop',
    protocol: 0,
  };
  if (actionCode === ACTIONS.lookup) rule.table = message.u8(4);
  if (message.u32(8) & FIB_RULE_INVERT) rule.invert = true;
  const reader = message.attributes(RULE_LENGTH);
  while (reader.next()) {
    switch (reader.type) {
      case FRA_DST:
        rule.to = `${bytesToIp(reader.bytes())}/${message.u8(1)}`;
        break;
      case FRA_SRC:
        rule.from = `${bytesToIp(reader.bytes())}/${message.u8(2)}`;
        break;
      case FRA_IIFNAME:
        rule.iif = reader.string();
        break;
      case FRA_OIFNAME:
        rule.oif = reader.string();
        break;
      case FRA_PRIORITY:
        rule.priority = reader.u32();
        break;
      case FRA_FWMARK:
        rule.mark = reader.u32();
        break;
      case FRA_FWMASK:
        if (reader.u32() !== 0xffffffff) rule.mask = reader.u32();
        break;
      case FRA_SUPPRESS_PREFIXLEN:
        if (reader.u32() !== 0xffffffff) rule.suppressPrefixLength = reader.u32();
        break;
      case FRA_TABLE:
        if (rule.action === 'lookup') rule.table = reader.u32();
        break;
      case FRA_PROTOCOL:
        rule.protocol = reader.u8();
        break;
    }
  }
  return rule;
}
