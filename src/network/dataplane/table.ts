import { firstAddress, formatCidr, parseCidr } from '../../address/cidr.ts';
import { formatAddress, parseAddress } from '../../address/ip.ts';
import { summarise } from '../../address/range.ts';
import { isKernelError } from '../../kernel/errno.ts';
import {
  accept,
  type ChainSpec,
  type CounterSpec,
  counter,
  drop,
  type Expression,
  goto,
  icmp,
  icmpv6,
  inSet,
  ip,
  ip6,
  jump,
  match,
  meta,
  notInSet,
  notMatch,
  notrack,
  priorities,
  type RuleSpec,
  returnToCaller,
  type SetElement,
  type SetSpec,
  snat,
  type TableSpec,
  th,
} from '../../kernel/nft/index.ts';
import type { NodeNetwork } from './model.ts';
import { HOST_LINK_PREFIX } from './names.ts';

export const TABLE: TableSpec = { family: 'inet', name: 'flyover' };

/** Packets from a pod with a source that is not its own. */
export const SPOOFED = 'spoofed';
/** Connections that left under the node's address (their first packets). */
export const MASQUERADED = 'masqueraded';

/** `interface . address`: what each pod may send. */
export const SOURCES: Record<4 | 6, SetSpec> = {
  4: { table: TABLE, name: 'pod_sources', key: ['ifname', 'ipv4_addr'] },
  6: { table: TABLE, name: 'pod_sources6', key: ['ifname', 'ipv6_addr'] },
};
/** Where pods live. */
const PODS: Record<4 | 6, SetSpec> = {
  4: { table: TABLE, name: 'pod_cidrs', key: 'ipv4_addr', interval: true },
  6: { table: TABLE, name: 'pod_cidrs6', key: 'ipv6_addr', interval: true },
};
/** Destinations that see pod addresses: the pod CIDRs and the non-masquerade ranges. */
const PLAIN: Record<4 | 6, SetSpec> = {
  4: { table: TABLE, name: 'not_masqueraded', key: 'ipv4_addr', interval: true },
  6: { table: TABLE, name: 'not_masqueraded6', key: 'ipv6_addr', interval: true },
};
/** Pods with host ports: an answer of theirs must be tracked to be translated back. */
export const TRACKED: Record<4 | 6, SetSpec> = {
  4: { table: TABLE, name: 'tracked_pods', key: 'ipv4_addr' },
  6: { table: TABLE, name: 'tracked_pods6', key: 'ipv6_addr' },
};
/**
 * `address . protocol . port` where Services lead: an answer from there may have to be translated back, and so has to be
 * tracked. Its elements are the service table's affair, not the model's.
 */
export const SERVICE_BACKENDS: Record<4 | 6, SetSpec> = {
  4: { table: TABLE, name: 'service_backends', key: ['ipv4_addr', 'inet_proto', 'inet_service'] },
  6: { table: TABLE, name: 'service_backends6', key: ['ipv6_addr', 'inet_proto', 'inet_service'] },
};

/** Where packets between pods are looked at. */
const AMONG_PODS = { 4: 'among_pods', 6: 'among_pods6' } as const;
const ICMP_ERRORS = {
  4: ['destination-unreachable', 'time-exceeded', 'parameter-problem'],
  6: ['destination-unreachable', 'packet-too-big', 'time-exceeded', 'parameter-problem'],
} as const;

/** One address that a pod may send from. */
export interface PodSource {
  /** The host end. */
  readonly link: string;
  readonly address: string;
  /** Kept in conntrack even where pod traffic is not. */
  readonly tracked?: boolean;
}

/** A whole table as data, to be compared with the kernel's. */
export interface TableModel {
  readonly table: TableSpec;
  readonly counters: readonly CounterSpec[];
  readonly sets: readonly {
    readonly spec: SetSpec;
    /** Absent where somebody else keeps them: then they are left alone. */
    readonly elements?: readonly SetElement[];
  }[];
  readonly chains: readonly ChainSpec[];
  readonly rules: readonly RuleSpec[];
}

/**
 * The node's table. Everything that changes while pods come and go is an element of a set; rules change only with
 * the configuration.
 *
 * * raw prerouting: what a pod sends must carry its own address (counted in `spoofed` and dropped otherwise), and
 *   packets among pods are not tracked, unless {@link NodeNetwork.trackPodTraffic} says so, or a host port or a Service
 *   needs it.
 * * srcnat: pods leave under the node's address, except to pods and to the non-masquerade ranges.
 */
export function tableModel(network: NodeNetwork, pods: Iterable<PodSource>): TableModel {
  const sources: Record<4 | 6, SetElement[]> = { 4: [], 6: [] };
  const tracked: Record<4 | 6, SetElement[]> = { 4: [], 6: [] };
  for (const pod of pods) {
    const family = parseAddress(pod.address).family;
    sources[family].push(sourceElement(pod));
    if (pod.tracked) tracked[family].push({ key: pod.address });
  }
  const plain = [...network.podCIDRs, ...network.nonMasqueradeRanges];
  const families = [4, 6] as const;
  return {
    table: TABLE,
    counters: [SPOOFED, MASQUERADED].map((name) => ({ table: TABLE, name })),
    sets: families.flatMap((family) => [
      { spec: SOURCES[family], elements: sources[family] },
      { spec: PODS[family], elements: rangesOf(network.podCIDRs, family) },
      { spec: PLAIN[family], elements: rangesOf(plain, family) },
      { spec: TRACKED[family], elements: tracked[family] },
      { spec: SERVICE_BACKENDS[family] },
    ]),
    chains: [
      {
        table: TABLE,
        name: 'raw_prerouting',
        hook: { type: 'filter', hook: 'prerouting', priority: priorities.raw },
      },
      { table: TABLE, name: 'from_pod' },
      ...families.map((family) => ({ table: TABLE, name: AMONG_PODS[family] })),
      {
        table: TABLE,
        name: 'postrouting',
        hook: { type: 'nat', hook: 'postrouting', priority: priorities.srcnat },
      },
    ],
    rules: [
      rule('raw_prerouting', [match(meta('iifname'), `${HOST_LINK_PREFIX}*`), jump('from_pod')]),
      ...(network.trackPodTraffic ? [] : families.flatMap((family) => untracked(network, family))),
      ...sourceCheck(),
      ...families.flatMap((family) => masquerade(network, family)),
    ],
  };
}

/** What `read` lists, or nothing when the table or set does not exist (any more). */
export function orEmpty<T>(read: () => T[]): T[] {
  try {
    return read();
  } catch (error) {
    if (isKernelError(error, 'ENOENT')) return [];
    throw error;
  }
}

/** The element that admits a pod's address on its link. */
export function sourceElement({ link, address }: PodSource): SetElement {
  return { key: [link, address] };
}

function rule(chain: string, steps: readonly Expression[], comment?: string): RuleSpec {
  return { table: TABLE, chain, rule: steps, ...(comment === undefined ? {} : { comment }) };
}

function sourceCheck(): RuleSpec[] {
  return [
    rule('from_pod', [inSet([meta('iifname'), ip('saddr')], SOURCES[4]), returnToCaller()]),
    rule('from_pod', [inSet([meta('iifname'), ip6('saddr')], SOURCES[6]), returnToCaller()]),
    // Every interface has a link-local address and announces it by itself. It is never forwarded.
    rule(
      'from_pod',
      [match(meta('l4proto'), 'ipv6-icmp'), inSet(ip6('saddr'), ['fe80::/10', '::']), returnToCaller()],
      'neighbour discovery',
    ),
    rule('from_pod', [counter(SPOOFED), drop()], 'not its own address'),
  ];
}

/**
 * What is tracked all the same, in both directions or in none. Services are translated on the client's node: there a pod
 * of this node talks to a backend, or is answered by one. On the backend's node nothing needs to be known.
 */
function untracked(network: NodeNetwork, family: 4 | 6): RuleSpec[] {
  const header = family === 4 ? ip : ip6;
  const chain = AMONG_PODS[family];
  const here = network.nodeBlocks.find((block) => parseCidr(block).family === family);
  const service = (end: 'saddr' | 'daddr', port: 'sport' | 'dport'): Expression =>
    inSet([header(end), meta('l4proto'), th(port)], SERVICE_BACKENDS[family]);
  const answer = [service('saddr', 'sport'), returnToCaller()];
  const request = [service('daddr', 'dport'), returnToCaller()];
  const plain = [notInSet(header('saddr'), TRACKED[family]), notInSet(header('daddr'), TRACKED[family])];
  const own = family === 4 ? 'icmp' : 'ipv6-icmp';
  // Every packet between pods comes by: as few steps as possible for TCP and UDP.
  return [
    rule('raw_prerouting', [
      inSet(header('saddr'), PODS[family]),
      inSet(header('daddr'), PODS[family]),
      goto(chain),
    ]),
    ...(here === undefined
      ? []
      : [
          rule(chain, [match(header('daddr'), here), ...answer]),
          rule(chain, [match(header('saddr'), here), ...request]),
        ]),
    rule(chain, [notMatch(meta('l4proto'), own), ...plain, notrack(), accept()], 'pod to pod'),
    // What is about a connection that may be translated is tracked; without one it is nobody's.
    rule(chain, [notInSet((family === 4 ? icmp : icmpv6)('type'), ICMP_ERRORS[family]), ...plain, notrack()]),
  ];
}

function masquerade(network: NodeNetwork, family: 4 | 6): RuleSpec[] {
  const to = network.nodeAddresses.map((text) => parseAddress(text)).find((a) => a.family === family);
  // A node without an address of the family has no block of it either (config.ts).
  if (!to) return [];
  const header = family === 4 ? ip : ip6;
  return [
    rule('postrouting', [
      inSet(header('saddr'), PODS[family]),
      notInSet(header('daddr'), PLAIN[family]),
      counter(MASQUERADED),
      // Ports at random: the kernel's search from the same port upwards lets simultaneous clients of one
      // server collide, and the loser's first packet is dropped.
      snat({ to: formatAddress(to), fullyRandom: true }),
    ]),
  ];
}

function rangesOf(texts: readonly string[], family: 4 | 6): SetElement[] {
  const cidrs = texts.map((text) => parseCidr(text)).filter((cidr) => cidr.family === family);
  // Summarised, because the kernel refuses intervals that overlap.
  return summarise(cidrs).map((cidr) => ({
    key:
      cidr.prefixLength === (family === 4 ? 32 : 128) ? formatAddress(firstAddress(cidr)) : formatCidr(cidr),
  }));
}
