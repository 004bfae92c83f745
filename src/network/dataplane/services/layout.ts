import { formatCidr, parseCidr } from '../../../address/cidr.ts';
import { formatAddress, parseAddress } from '../../../address/ip.ts';
import { summarise } from '../../../address/range.ts';
import {
  type ChainSpec,
  type CounterSpec,
  ct,
  type DataTypeName,
  ip,
  ip6,
  type MapSpec,
  meta,
  priorities,
  type SetElement,
  type SetSpec,
  type TableSpec,
  th,
  type Value,
} from '../../../kernel/nft/index.ts';
import { SERVICE_BACKENDS } from '../table.ts';

/** A few shared maps, never a chain for a Service: one more Service is one more element, whatever there is already. */
export const TABLE: TableSpec = { family: 'inet', name: 'flyover-services' };

export type Family = 4 | 6;
export const FAMILIES = [4, 6] as const;

/** Connections that were given a backend (their first packets). */
export const TRANSLATED = 'translated';
/** First packets to a Service without any backend, or to a port that a cluster address does not have: answered. */
export const REFUSED = 'refused';
/** First packets to a Service whose traffic policy allows no backend here: dropped. */
export const NO_LOCAL_BACKEND = 'no_local_backend';
/** First packets from outside of `loadBalancerSourceRanges`: dropped. */
export const DENIED = 'denied_source';
/** First packets to an address of the service range that no Service has: dropped. */
export const UNKNOWN = 'unknown_address';
/** Connections that were given the node's address as their source. */
export const MASQUERADED = 'masqueraded';

export const COUNTERS: readonly CounterSpec[] = [
  TRANSLATED,
  REFUSED,
  NO_LOCAL_BACKEND,
  DENIED,
  UNKNOWN,
  MASQUERADED,
].map((name) => ({ table: TABLE, name }));

/** Clients that are remembered at a time, of all Services: some 30 MB. Beyond, new ones get a backend at random. */
const MOST_REMEMBERED = 262_144;

function perFamily<T extends SetSpec>(make: (address: DataTypeName, suffix: string) => T): Record<Family, T> {
  return { 4: make('ipv4_addr', ''), 6: make('ipv6_addr', '6') };
}

function set(
  name: string,
  comment: string,
  key: (address: DataTypeName) => SetSpec['key'],
  more: Partial<SetSpec> = {},
): Record<Family, SetSpec> {
  return perFamily((address, suffix) => ({
    table: TABLE,
    name: name + suffix,
    comment,
    key: key(address),
    ...more,
  }));
}

function map(
  name: string,
  comment: string,
  key: (address: DataTypeName) => SetSpec['key'],
  data: (address: DataTypeName) => MapSpec['data'],
  more: Partial<SetSpec> = {},
): Record<Family, MapSpec> {
  return perFamily((address, suffix) => ({
    table: TABLE,
    name: name + suffix,
    comment,
    key: key(address),
    data: data(address),
    ...more,
  }));
}

const frontend = (address: DataTypeName) => [address, 'inet_proto', 'inet_service'] as const;
const verdict = () => 'verdict' as const;
const backend = (address: DataTypeName) => [address, 'inet_service'] as const;

/** `address . protocol . port` of everything that is translated or refused: where the search begins. */
export const FRONTENDS = map('frontends', 'every way to a Service, and where it leads', frontend, verdict);
export const RESTRICTED = map(
  'restricted_frontends',
  'the same behind a check of the source',
  frontend,
  verdict,
);
export const INSIDE = map(
  'inside_frontends',
  'for packets from pods and nodes of the cluster',
  frontend,
  verdict,
);
export const OUTSIDE = map('outside_frontends', 'for packets from elsewhere', frontend, verdict);
/** `frontend . number`: numbers are 0 up to the count that the chain's name says. */
export const BACKENDS = map('backends', 'frontend . number', (a) => [...frontend(a), 'mark'], backend);
export const INSIDE_BACKENDS = map(
  'inside_backends',
  'frontend . number, for packets from inside',
  (a) => [...frontend(a), 'mark'],
  backend,
);
export const AFFINITY = map(
  'affinity',
  'frontend . client: its backend',
  (a) => [...frontend(a), a],
  backend,
  { dynamic: true, timeout: true, size: MOST_REMEMBERED },
);
export const REMEMBERED = map(
  'remembered',
  'frontends that remember their clients, and how long',
  frontend,
  verdict,
);
/** Concatenated, hence the kernel's pipapo: an addition costs the same at 10,000 elements. */
export const ALLOWED = set('allowed_sources', 'frontend . range', (a) => [...frontend(a), a], {
  interval: true,
});
export const WEARING_NODE = set(
  'masqueraded_frontends',
  'clients from outside wear the node address',
  frontend,
);
export const KEEPING_SOURCE = set('source_kept_frontends', 'clients from outside keep theirs', frontend);
export const HAIRPINS = set('hairpins', 'backends of this node, as their own clients', (a) => [a, a]);
export const CLUSTER_IPS = set('cluster_ips', 'addresses of Services', (a) => a);
export const NODES = set('node_addresses', 'this node', (a) => a);
export const PODS = set('pod_cidrs', 'pods of the cluster', (a) => a, { interval: true });
export const SERVICE_RANGES = set('service_cidrs', 'addresses that only Services have', (a) => a, {
  interval: true,
});

/** Of the pod table: what must be tracked because answers have to be translated back. */
export const TRACKED = SERVICE_BACKENDS;

/** Sets whose elements the planner keeps, in the order in which they are filled. */
export const PLANNED = [
  BACKENDS,
  INSIDE_BACKENDS,
  ALLOWED,
  REMEMBERED,
  WEARING_NODE,
  KEEPING_SOURCE,
  HAIRPINS,
  CLUSTER_IPS,
  RESTRICTED,
  INSIDE,
  OUTSIDE,
  FRONTENDS,
] as const;
/** Those whose elements come from the node's configuration. */
export const CONFIGURED = [NODES, PODS, SERVICE_RANGES] as const;

export const SETS: readonly (SetSpec | MapSpec)[] = [...CONFIGURED, AFFINITY, ...PLANNED].flatMap((one) =>
  FAMILIES.map((family) => one[family]),
);

/** What a packet that was not translated yet names its frontend by. */
export function frontendOf(family: Family): Value[] {
  return [(family === 4 ? ip : ip6)('daddr'), meta('l4proto'), th('dport')];
}

/** What a connection that was translated named its frontend by. */
export function originalFrontendOf(family: Family): Value[] {
  return [
    ct(family === 4 ? 'ip daddr' : 'ip6 daddr', 'original'),
    meta('l4proto'),
    ct('proto-dst', 'original'),
  ];
}

/** Where packets enter the table; all of type nat, so that only the first of a connection comes by. */
export const BASE_CHAINS: readonly ChainSpec[] = (
  [
    ['prerouting', 'prerouting', priorities.dstnat],
    ['output', 'output', priorities.dstnat],
    ['input', 'input', priorities.srcnat - 1],
    // Before the pod table's, which gives the node's address to pods that leave the cluster.
    ['postrouting', 'postrouting', priorities.srcnat - 1],
  ] as const
).map(([name, hook, priority]) => ({ table: TABLE, name, hook: { type: 'nat', hook, priority } }));

/** Ranges as elements of a plain interval set: summarised, because the kernel refuses intervals that overlap. */
export function rangeElements(texts: readonly string[], family: Family): SetElement[] {
  return rangeTexts(texts, family).map((key) => ({ key }));
}

/** Ranges of one family, summarised, in the kernel's notation. */
export function rangeTexts(texts: readonly string[], family: Family): string[] {
  const cidrs = texts.map((text) => parseCidr(text)).filter((cidr) => cidr.family === family);
  return summarise(cidrs).map((cidr) => {
    const text = formatCidr(cidr);
    return cidr.prefixLength === (family === 4 ? 32 : 128) ? text.slice(0, text.indexOf('/')) : text;
  });
}

/** The addresses of one family, in the kernel's notation, each once. */
export function addressTexts(texts: readonly string[], family: Family): string[] {
  const found = texts.map((text) => parseAddress(text)).filter((address) => address.family === family);
  return [...new Set(found.map(formatAddress))];
}
