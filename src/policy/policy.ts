import type { IpAddress } from '../address/ip.ts';
import type { Protocol, RuleRef, Tier } from './decision.ts';
import type { Selector } from './selector.ts';

/** An inclusive run of addresses of one family. */
export interface Range {
  readonly family: IpAddress['family'];
  readonly first: bigint;
  readonly last: bigint;
}

/** Pods by their labels, in one namespace or in those whose labels match. */
export interface PodPeer {
  readonly kind: 'pods';
  readonly namespaces: string | Selector;
  readonly pods: Selector;
}

export interface BlockPeer {
  readonly kind: 'block';
  readonly block: Range;
  readonly except: readonly Range[];
}

export interface NodePeer {
  readonly kind: 'nodes';
  readonly nodes: Selector;
}

export type Peer = PodPeer | BlockPeer | NodePeer;

/** Without a protocol: all that have ports. */
export interface PortRange {
  readonly protocol: Protocol;
  /** 0..65535, inclusive. */
  readonly first: number;
  readonly last: number;
}

/** A port of the destination pod by its name; cluster-wide policies name no protocol. */
export interface NamedPort {
  readonly name: string;
  readonly protocol?: Protocol;
}

export interface Rule {
  readonly ref: RuleRef;
  readonly action: 'accept' | 'deny' | 'pass';
  readonly peers: 'any' | readonly Peer[];
  readonly ports: 'any' | { readonly ranges: readonly PortRange[]; readonly named: readonly NamedPort[] };
}

/** A policy of any kind, read. */
export interface Policy {
  /** `NetworkPolicy default/web`. */
  readonly key: string;
  readonly tier: Tier;
  /** The lower first; 0 for all NetworkPolicies. */
  readonly priority: number;
  /** Undefined: nobody. */
  readonly subject: PodPeer | undefined;
  /** Undefined: no say in this direction. Empty for a NetworkPolicy: isolated. */
  readonly ingress: readonly Rule[] | undefined;
  readonly egress: readonly Rule[] | undefined;
}

/** Precedence within a tier: priority, then the key, which begins with the kind. */
export function byPrecedence(a: Policy, b: Policy): number {
  return a.priority - b.priority || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);
}
