import type { IpAddress } from '../address/ip.ts';
import type { ManifestProblem } from '../manifest/problem.ts';
import type { DecidedBy, Decision, Protocol, Verdict } from './decision.ts';

/**
 * # What a node's kernel needs
 *
 * Four look-ups decide about the first packet of a connection in one direction, however many policies there are:
 *
 * 1. `subjects[direction]`: local pod's address -> *profile*. All policies' rules that concern a pod in a direction, in
 *    their order, are its profile; pods with the same rules share one. {@link OPEN_PROFILE}: nothing to decide, accept.
 *    A local pod's address that is not there has no verdicts yet: keep it in quarantine.
 * 2. the peer's address -> *class*: first `addresses` (exact: pods), then `networks` (disjoint intervals: ip blocks, nodes),
 *    else {@link WORLD_CLASS}. Two addresses are of one class when no rule of this node's pods can tell them apart.
 * 3. `profile . class` -> *outcome* in `rows`; where there is none, that of `profile . baseOf(class)` (the lowest bit: odd
 *    classes are of pods when some rule names all pods); where there is none, that of `profile . WORLD_CLASS`, which
 *    always is. So a rule for all pods, as DNS needs it, is one row for its profile.
 * 4. `outcome . protocol . destination port` -> verdict in the outcome's disjoint `pieces`, else its `rest`, which also
 *    holds for whatever has no ports.
 *
 * Before them: what comes from the node's own addresses to its pods, and from a pod to itself, is accepted.
 * For egress the subject is the source and the peer the destination, for ingress the other way round; a packet
 * between two pods of one node needs both. Ports are always the destination's.
 *
 * ## As nftables
 *
 * Maps shared by all pods, one pair for each family: `ip saddr -> mark` for 1 and for `addresses`; `networks` as
 * an interval set of its own (a concatenation with a constant makes it a cheap one); rows as a plain hash map
 * `mark . mark -> mark`; pieces as a concatenated interval map `mark . inet_proto . inet_service : verdict`, and rest as
 * `mark : verdict`. Nothing is a chain for a policy, and nothing is ever walked. Numbers are 1..2^26-1 and come back into
 * use only after the change that removed their last element.
 *
 * ## What a change costs
 *
 * Pods with the same namespace, labels and named ports are one *identity*. A label that changes moves the pod to
 * another identity: one element of `addresses`, and rows only where nobody was of that class before. A policy that
 * changes makes new profiles for the local pods it selects. Peers that several rules spell alike are one *term*; only a
 * term that no rule of this node's pods had before touches the addresses of those it matches. A term that matches all pods
 * thus costs one element for every pod, once. Nothing that concerns other nodes' pods only as subjects is compiled.
 *
 * All of one {@link PolicyChange} belongs into one transaction.
 */
export interface PolicyTables {
  /** The node's own addresses. */
  readonly node: ReadonlyMap<string, true>;
  readonly ingress: ReadonlyMap<string, number>;
  readonly egress: ReadonlyMap<string, number>;
  /** Pods of the whole cluster that any rule here can tell from the rest of the world. */
  readonly addresses: ReadonlyMap<string, number>;
  /** By `first-last`; disjoint. */
  readonly networks: ReadonlyMap<string, Network>;
  /** By {@link rowKey}. */
  readonly rows: ReadonlyMap<number, number>;
  readonly outcomes: ReadonlyMap<number, Outcome>;
}

export interface Network {
  readonly family: IpAddress['family'];
  readonly first: bigint;
  /** Inclusive. */
  readonly last: bigint;
  readonly class: number;
}

export interface Piece {
  readonly protocol: Protocol;
  /** 0..65535, both inclusive; disjoint within an outcome. */
  readonly first: number;
  readonly last: number;
  readonly verdict: Verdict;
  readonly decidedBy: DecidedBy;
}

export interface Outcome {
  readonly id: number;
  readonly rest: Decision;
  readonly pieces: readonly Piece[];
}

/** `set`: elements that are new or have another value than before; `gone`: keys. */
export interface Changes<K, V> {
  readonly set: ReadonlyMap<K, V>;
  readonly gone: readonly K[];
}

/** What became different since it was asked the last time. */
export type PolicyChange = {
  readonly [T in keyof PolicyTables]: PolicyTables[T] extends ReadonlyMap<infer K, infer V>
    ? Changes<K, V>
    : never;
} & {
  /** Of policies whose problems are others than before; empty where they are solved. */
  readonly problems: ReadonlyMap<string, readonly ManifestProblem[]>;
};

/** Of local pods that no policy concerns. */
export const OPEN_PROFILE = 0;
/** Of addresses that only rules without peers match. */
export const WORLD_CLASS = 0;

/** The base of odd classes: what matches of a pod because it is one. */
export const POD_CLASS = 1;

/** {@link WORLD_CLASS} or {@link POD_CLASS}: whose row counts for a class that has none of its own. */
export function baseOf(classId: number): number {
  return classId & 1;
}

const MOST_CLASSES = 2 ** 26;

/** @param profile @param classId each below 2^26 */
export function rowKey(profile: number, classId: number): number {
  return profile * MOST_CLASSES + classId;
}

export function rowOf(key: number): { readonly profile: number; readonly class: number } {
  return { profile: Math.floor(key / MOST_CLASSES), class: key % MOST_CLASSES };
}
