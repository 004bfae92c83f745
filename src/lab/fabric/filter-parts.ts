import {
  counter,
  drop,
  type Expression,
  type HookSpec,
  ip,
  match,
  meta,
  notInSet,
  priorities,
} from '../../kernel/nft/index.ts';
import { SETS } from './filter-sets.ts';

/** Counters of refused packets, by why. `flyover status` shows them. */
export const REFUSALS = {
  spoofed: 'a source that the port may not send from',
  outside_to_pod: 'a pod address as destination, from outside the cluster',
  unmasked: 'a pod address as source, on its way out of the routing domain',
  transit: 'from one peer or site to another: peering is not transitive',
  private: 'a private destination, on the internet',
  to_machine: 'a new connection towards the machine that the lab runs on',
  unsolicited: 'to a public address, and no answer to anything',
  inbound: 'a new connection from the uplink',
  no_rule: 'to a frontend of a load balancer, and to no port that a rule is for',
  no_healthy_node: 'to a rule of a load balancer none of whose nodes is healthy',
  too_many_flows: 'a new connection to a frontend, with as many open as its cluster can have',
  no_outbound:
    'to the internet, from a node of a cluster with outbound type none, or with an outbound that is not there',
  snat_exhausted:
    'a new connection to the internet, with all SNAT ports of its node in use to that destination',
  moved: 'of a connection to the internet that was translated, and the way there is another now',
} as const;

export interface ChainPlan {
  name: string;
  /** Absent: other chains lead here. */
  hook?: HookSpec;
  rules: Expression[][];
}

/** Sources are checked before conntrack sees the packet: what is spoofed leaves no state behind. */
export const INGRESS: HookSpec = { type: 'filter', hook: 'prerouting', priority: priorities.raw };
export const FORWARD: HookSpec = { type: 'filter', hook: 'forward', priority: priorities.filter };
export const SOURCE_NAT: HookSpec = { type: 'nat', hook: 'postrouting', priority: priorities.srcnat };

export const from = (port: string): Expression => match(meta('iifname'), port);
export const to = (port: string): Expression => match(meta('oifname'), port);
export const refuse = (why: keyof typeof REFUSALS): Expression[] => [counter(why), drop()];
export const spoofedFrom = (port: string): Expression[] => [
  from(port),
  notInSet([meta('iifname'), ip('saddr')], SETS.sources),
  ...refuse('spoofed'),
];
