import type { MapSpec, SetSpec, TableRef } from '../../kernel/nft/index.ts';
import type { FilterPlan } from './plan.ts';

/** The table that every router of the fabric has. */
export const FABRIC_TABLE: TableRef = { family: 'ip', name: 'fabric' };

/** The most flows that a cluster's load balancers remember; each takes some 150 bytes of the kernel's memory. */
const MOST_FLOWS = 262_144;

const set = (name: string, key: SetSpec['key'], comment: string): SetSpec => ({
  table: FABRIC_TABLE,
  name,
  key,
  comment,
});
const ranges = (name: string, comment: string): SetSpec => ({
  ...set(name, 'ipv4_addr', comment),
  interval: true,
});
const map = (name: string, key: SetSpec['key'], data: MapSpec['data'], comment: string): MapSpec => ({
  ...set(name, key, comment),
  data,
});
/** A rule of a load balancer: frontend, protocol, port. */
const RULE = ['ipv4_addr', 'inet_proto', 'inet_service'] as const;

export const SETS = {
  sources: {
    ...set('sources', ['ifname', 'ipv4_addr'], 'port and source addresses that it may send from'),
    interval: true,
  },
  pods: ranges('pods', 'pod CIDRs'),
  private: ranges('private', 'what the internet does not route'),
  machine: ranges('machine', 'addresses of the machine that the lab runs on'),
  inside: ranges('inside', 'the address space of the virtual network'),
  frontends: set('frontends', 'ipv4_addr', 'frontends of load balancers'),
  backends: set('backends', ['ifname', 'mark'], 'port of a node, its number'),
  members: set('members', [...RULE, 'mark'], 'rule, number of a healthy node'),
  closed: set('closed', 'ipv4_addr', 'nodes without a way to the internet'),
  snat_nodes: { ...set('snat_nodes', 'ipv4_addr', 'nodes with SNAT ports; counts refusals'), counter: true },
} satisfies Record<string, SetSpec>;

export const MAPS = {
  groups: map('groups', RULE, 'mark', 'rule -> group of its healthy nodes; 0: there is none'),
  buckets: map('buckets', ['mark', 'mark'], 'mark', 'group, hash of the connection -> number of the node'),
  rules: map('rules', RULE, 'verdict', 'rule -> how long its flows live'),
  answers: map('answers', RULE, 'verdict', 'the same, for answers'),
  snat_limits: map('snat_limits', 'ipv4_addr', 'verdict', 'node -> how many SNAT ports it has'),
  snat_address: map('snat_address', 'ipv4_addr', 'ipv4_addr', 'node -> public address'),
  snat_first: map('snat_first', 'ipv4_addr', 'inet_service', 'node -> its first SNAT port'),
  snat_last: map('snat_last', 'ipv4_addr', 'inet_service', 'node -> its last SNAT port'),
  gateways: map('gateways', 'ipv4_addr', 'mark', 'machine -> NAT gateway'),
  gateway_addresses: map('gateway_addresses', ['mark', 'mark'], 'ipv4_addr', 'NAT gateway, slot -> address'),
} satisfies Record<string, MapSpec>;

/** What rules fill by themselves; nothing of it is in a plan. */
export const LEDGERS = {
  flows: {
    ...map(
      'flows',
      ['ipv4_addr', 'ipv4_addr', 'inet_proto', 'inet_service', 'inet_service'],
      'mark',
      'flow: client, frontend, protocol, ports -> number of its node',
    ),
    dynamic: true,
    timeout: true,
    size: MOST_FLOWS,
  },
  snat_flows: {
    ...set(
      'snat_flows',
      ['ipv4_addr', 'inet_proto', 'ipv4_addr', 'inet_service'],
      'node, protocol, destination, port: its connections',
    ),
    dynamic: true,
    size: MOST_FLOWS,
  },
} satisfies Record<string, SetSpec | MapSpec>;

/** Every set and map of a router's table. */
export function specsOf(filter: FilterPlan): (SetSpec | MapSpec)[] {
  const named: Record<string, SetSpec | MapSpec> = { ...SETS, ...MAPS };
  const ledger = filter.balances
    ? [LEDGERS.flows]
    : filter.kind === 'vnet'
      ? [LEDGERS.snat_flows]
      : ([] as SetSpec[]);
  const names = [...Object.keys(filter.sets), ...Object.keys(filter.maps ?? {})];
  return [...names.map((name) => named[name]!), ...ledger];
}
