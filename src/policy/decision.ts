export type Protocol = 'TCP' | 'UDP' | 'SCTP';
export const PROTOCOLS: readonly Protocol[] = ['TCP', 'UDP', 'SCTP'];
export const LAST_PORT = 65_535;

export type Direction = 'ingress' | 'egress';
export type Tier = 'admin' | 'network-policy' | 'baseline';
export type Verdict = 'accept' | 'deny';

/**
 * The first packet of a connection, as the pods see it: after Services were translated. Answers belong to their
 * connection and are not asked about.
 */
export interface Packet {
  /** Addresses in their one spelling (RFC 5952). */
  readonly source: string;
  readonly destination: string;
  /** `other`: ICMP and whatever else has no ports. Only rules without ports match it. */
  readonly protocol: Protocol | 'other';
  /** The destination's, 0..65535. Without meaning for `other`. */
  readonly port: number;
}

export interface RuleRef {
  readonly tier: Tier;
  /** `NetworkPolicy default/web`. */
  readonly policy: string;
  readonly direction: Direction;
  /** In the policy's list of that direction, from 0. */
  readonly index: number;
}

/**
 * * a rule;
 * * `isolated`: a NetworkPolicy selects the pod for this direction, and no rule of any allows the packet;
 * * `not isolated`: no rule of a cluster-wide policy decides, and no NetworkPolicy selects the pod;
 * * `itself`: from a pod to itself; `own node`: between a pod and the node it runs on;
 * * `no pod`: the address is no pod's (or a pod's in the host's network), so there is nothing to decide at this end.
 */
export type DecidedBy = RuleRef | 'isolated' | 'not isolated' | 'itself' | 'own node' | 'no pod';

export interface Decision {
  readonly verdict: Verdict;
  readonly decidedBy: DecidedBy;
}

/** A packet arrives when both ends accept it. */
export interface PacketDecision {
  readonly verdict: Verdict;
  readonly egress: Decision;
  readonly ingress: Decision;
}
