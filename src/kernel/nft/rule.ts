import type { Scalar } from './datatype.ts';
import { type Value, type Values, valueList } from './expression.ts';
import type { MapSpec, SetSpec, VerdictText } from './spec.ts';

export type Comparison = '==' | '!=' | '<' | '<=' | '>' | '>=';

export type Verdict =
  | { readonly kind: 'verdict'; readonly verdict: 'accept' | 'drop' | 'continue' | 'return' }
  | { readonly kind: 'verdict'; readonly verdict: 'jump' | 'goto'; readonly chain: string };

/** A nameless set that lives and dies with its rule. */
export interface InlineSet {
  readonly elements: readonly (Scalar | readonly Scalar[])[];
}
/** A nameless verdict map that lives and dies with its rule. */
export interface InlineVerdictMap {
  readonly entries: readonly (readonly [key: Scalar | readonly Scalar[], verdict: Verdict | VerdictText])[];
}

export type RejectReason =
  | 'tcp-reset'
  | 'port-unreachable'
  | 'host-unreachable'
  | 'net-unreachable'
  | 'prot-unreachable'
  | 'net-prohibited'
  | 'host-prohibited'
  | 'admin-prohibited'
  | 'no-route';

/** A port, a range (`1000-2000`), a value, or two of them: the first and the last port of a range. */
export type PortChoice = number | string | Value | readonly [first: Value, last: Value];

export interface NatTarget {
  /** An address (`10.0.0.4`), a range (`10.0.0.4-10.0.0.7`) or a value; without it only the port changes. */
  readonly to?: string | Value;
  /** Not together with a map that gives address and port. */
  readonly port?: PortChoice;
  /** Needed in an inet table when neither `to` nor the map's type says it. */
  readonly family?: 'ip' | 'ip6';
  readonly random?: boolean;
  readonly fullyRandom?: boolean;
  /** The same client always gets the same address of a range. */
  readonly persistent?: boolean;
}

export interface PortTarget {
  readonly port?: PortChoice;
  readonly random?: boolean;
  readonly fullyRandom?: boolean;
  readonly persistent?: boolean;
}

export interface LimitSpec {
  /** Packets, or bytes when `unit` is `bytes`, per `per`. */
  readonly rate: number;
  readonly per?: 'second' | 'minute' | 'hour' | 'day';
  readonly unit?: 'packets' | 'bytes';
  /** Default: 5 packets, or 0 bytes, as nft has it. */
  readonly burst?: number;
  /** Matches what is above the rate instead of what is below. */
  readonly over?: boolean;
}

export interface LogSpec {
  /** nflog group 0..65535: a listener gets the packets. Without it the kernel's log does. */
  readonly group?: number;
  /** Up to 127 bytes. */
  readonly prefix?: string;
  /** Bytes of each packet (with `group`). */
  readonly snaplen?: number;
  /** Packets to collect before waking the listener (with `group`). */
  readonly queueThreshold?: number;
  /** syslog level, 0..7 (without `group`). */
  readonly level?: number;
}

/** One step of a rule: it matches (and the rule goes on) or does something. Plain data. */
export type Statement =
  | {
      readonly kind: 'match';
      readonly of: Value;
      readonly op: Comparison;
      readonly to: Scalar | readonly Scalar[];
    }
  | {
      readonly kind: 'lookup';
      readonly of: readonly Value[];
      readonly set: string | InlineSet;
      readonly invert: boolean;
    }
  | { readonly kind: 'vmap'; readonly of: readonly Value[]; readonly map: string | InlineVerdictMap }
  | Verdict
  | { readonly kind: 'counter'; readonly name?: string }
  | { readonly kind: 'counterMap'; readonly of: readonly Value[]; readonly map: string }
  | { readonly kind: 'limit'; readonly limit: LimitSpec }
  | { readonly kind: 'connections'; readonly count: number; readonly over: boolean }
  | { readonly kind: 'log'; readonly log: LogSpec }
  | { readonly kind: 'notrack' }
  | { readonly kind: 'nat'; readonly type: 'snat' | 'dnat'; readonly target: NatTarget }
  | { readonly kind: 'masquerade' | 'redirect'; readonly target: PortTarget }
  | { readonly kind: 'setMeta'; readonly key: SettableMeta; readonly value: Value }
  | { readonly kind: 'setCt'; readonly key: 'mark' | 'zone'; readonly value: Value }
  | { readonly kind: 'setPayload'; readonly field: Value; readonly value: Value }
  | { readonly kind: 'clampMss'; readonly size: number | 'path-mtu' }
  | { readonly kind: 'reject'; readonly reason: RejectReason }
  | {
      readonly kind: 'dynset';
      readonly operation: 'add' | 'update' | 'delete';
      readonly of: readonly Value[];
      readonly set: string;
      readonly timeout?: number;
      readonly data?: readonly Value[];
      readonly statements: readonly Statement[];
    }
  | { readonly kind: 'duplicate' | 'forward'; readonly device: number };

export type SettableMeta = 'mark' | 'priority' | 'pkttype' | 'nftrace';

/** The name in nft's own words: what a rule is made of. */
export type Expression = Statement;

/**
 * The value is the constant. Natural notations: addresses with a prefix length (`10.0.0.0/24`), ranges
 * (`80-90`, `10.0.0.1-10.0.0.9`), interface wildcards (`azv*`). For flags (ct state, ct status, tcp flags) one name
 * or several: at least one of them is set.
 */
export function match(of: Value, to: Scalar | readonly Scalar[]): Statement {
  return { kind: 'match', of, op: '==', to };
}

/** The opposite of `match`; for flags: none of them is set. */
export function notMatch(of: Value, to: Scalar | readonly Scalar[]): Statement {
  return { kind: 'match', of, op: '!=', to };
}

/** An order: `compare(tcp('dport'), '<', 1024)`. */
export function compare(of: Value, op: Comparison, to: Scalar): Statement {
  return { kind: 'match', of, op, to };
}

/** The (concatenated) value is in the set: a name, a specification, or elements written on the spot. */
export function inSet(
  of: Values,
  set: string | SetSpec | readonly (Scalar | readonly Scalar[])[],
): Statement {
  return { kind: 'lookup', of: valueList(of), set: setOf(set), invert: false };
}

/** The (concatenated) value is not in the set. */
export function notInSet(
  of: Values,
  set: string | SetSpec | readonly (Scalar | readonly Scalar[])[],
): Statement {
  return { kind: 'lookup', of: valueList(of), set: setOf(set), invert: true };
}

/** Does what the verdict map says for the value; the rule goes on when it says nothing. */
export function vmap(
  of: Values,
  map: string | MapSpec | readonly (readonly [Scalar | readonly Scalar[], Verdict | VerdictText])[],
): Statement {
  const target = typeof map === 'string' ? map : 'name' in map ? map.name : { entries: map };
  return { kind: 'vmap', of: valueList(of), map: target };
}

export function accept(): Verdict {
  return { kind: 'verdict', verdict: 'accept' };
}

export function drop(): Verdict {
  return { kind: 'verdict', verdict: 'drop' };
}

/** Goes on with the next rule of this chain. */
export function continueRules(): Verdict {
  return { kind: 'verdict', verdict: 'continue' };
}

/** Back to the chain that jumped here; at a base chain: its policy. */
export function returnToCaller(): Verdict {
  return { kind: 'verdict', verdict: 'return' };
}

export function jump(chain: string): Verdict {
  return { kind: 'verdict', verdict: 'jump', chain };
}

/** Like `jump`, but never comes back. */
export function goto(chain: string): Verdict {
  return { kind: 'verdict', verdict: 'goto', chain };
}

/** Counts packets and bytes: in the named counter of the table, or in the rule itself. */
export function counter(name?: string): Statement {
  return name === undefined ? { kind: 'counter' } : { kind: 'counter', name };
}

/** Counts in the named counter which the map (data `counter`) holds for the value. */
export function counterFrom(of: Values, map: string | MapSpec): Statement {
  return { kind: 'counterMap', of: valueList(of), map: typeof map === 'string' ? map : map.name };
}

/** Matches up to (or, with `over`, beyond) a rate. */
export function limit(spec: LimitSpec): Statement {
  return { kind: 'limit', limit: spec };
}

/** Matches while there are at most `count` tracked connections (`over`: more than that). */
export function connections(count: number, options: { over?: boolean } = {}): Statement {
  return { kind: 'connections', count, over: options.over ?? false };
}

export function log(spec: LogSpec = {}): Statement {
  return { kind: 'log', log: spec };
}

/** Packets to the listeners of an nflog group (0..65535). */
export function logGroup(group: number, prefix?: string): Statement {
  return { kind: 'log', log: prefix === undefined ? { group } : { group, prefix } };
}

/** This packet is not tracked; only in prerouting and output before conntrack (priority below -200). */
export function notrack(): Statement {
  return { kind: 'notrack' };
}

/** Changes the source. In `nat` chains of input and postrouting. */
export function snat(target: NatTarget): Statement {
  return { kind: 'nat', type: 'snat', target };
}

/** Changes the destination. In `nat` chains of prerouting and output. */
export function dnat(target: NatTarget): Statement {
  return { kind: 'nat', type: 'dnat', target };
}

/** Changes the source to the address of the device the packet leaves by. */
export function masquerade(target: PortTarget = {}): Statement {
  return { kind: 'masquerade', target };
}

/** Changes the destination to this machine itself. */
export function redirect(target: PortTarget = {}): Statement {
  return { kind: 'redirect', target };
}

export function setMeta(key: SettableMeta, value: Value | number): Statement {
  const type = key === 'mark' ? 'mark' : 'integer';
  return {
    kind: 'setMeta',
    key,
    value: typeof value === 'number' ? { kind: 'constant', type, value } : value,
  };
}

/** Sets the packet's mark. */
export function setMark(value: Value | number): Statement {
  return setMeta('mark', value);
}

/** Sets the connection's mark. */
export function setCtMark(value: Value | number): Statement {
  return {
    kind: 'setCt',
    key: 'mark',
    value: typeof value === 'number' ? { kind: 'constant', type: 'mark', value } : value,
  };
}

/** Writes a header field (checksums follow): `setPayload(ip('ttl'), 64)`. */
export function setPayload(field: Value, value: Value | Scalar): Statement {
  const given = typeof value === 'object' ? value : undefined;
  return {
    kind: 'setPayload',
    field,
    value: given ?? { kind: 'constant', type: 'integer', value: value as Scalar },
  };
}

/** Lowers the segment size that a SYN announces to the path's MTU or to a number of bytes. */
export function clampMss(size: number | 'path-mtu' = 'path-mtu'): Statement {
  return { kind: 'clampMss', size };
}

/** Refuses the packet and says so to its sender. Default: port unreachable, in either family. */
export function reject(reason: RejectReason = 'port-unreachable'): Statement {
  return { kind: 'reject', reason };
}

export interface DynamicOptions {
  /** Default `update`: also renews the timeout of an element that is there. */
  readonly operation?: 'add' | 'update' | 'delete';
  /** Milliseconds; default: the set's. */
  readonly timeout?: number;
  /** For a map: the values to store. */
  readonly data?: Values;
  /** Carried by each element: `[counter()]`, `[limit({...})]`. */
  readonly statements?: readonly Statement[];
}

/** Puts the packet's value into a dynamic set; matches unless the set is full or a statement does not. */
export function updateSet(of: Values, set: string | SetSpec, options: DynamicOptions = {}): Statement {
  const { operation = 'update', timeout, data, statements = [] } = options;
  return {
    kind: 'dynset',
    operation,
    of: valueList(of),
    set: typeof set === 'string' ? set : set.name,
    ...(timeout === undefined ? {} : { timeout }),
    ...(data === undefined ? {} : { data: valueList(data) }),
    statements,
  };
}

/** Sends a copy out of the device with this interface index (family netdev). */
export function duplicateTo(device: number): Statement {
  return { kind: 'duplicate', device };
}

/** Sends the packet out of the device with this interface index instead of up the stack (family netdev). */
export function forwardTo(device: number): Statement {
  return { kind: 'forward', device };
}

function setOf(set: string | SetSpec | readonly (Scalar | readonly Scalar[])[]): string | InlineSet {
  if (typeof set === 'string') return set;
  return 'name' in set ? set.name : { elements: set };
}
