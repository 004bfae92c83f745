import type { KubeletPod } from './model.ts';

/** What stands in a resolv.conf. */
export interface DnsConfig {
  readonly servers: readonly string[];
  readonly searches: readonly string[];
  readonly options: readonly string[];
}

export interface ClusterDns {
  /** Empty: the cluster has no DNS, and pods use the node's. */
  readonly servers: readonly string[];
  /** Such as `cluster.local`. */
  readonly domain: string;
}

/** Limits that Kubernetes keeps for resolvers' sake. */
const MAX_SERVERS = 3;
const MAX_SEARCHES = 32;
const MAX_SEARCH_TEXT = 2048;

/**
 * Reads a resolv.conf as the upstream kubelet does: the last `search` line counts, `options` add up, and one that is said
 * again (`ndots:1`, `ndots:2`) takes the place of what it said before.
 */
export function parseResolvConf(text: string): DnsConfig {
  const servers: string[] = [];
  let searches: string[] = [];
  const options = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [key, ...values] = line.trim().split(/\s+/);
    if (key === 'nameserver' && values[0]) servers.push(values[0]);
    if (key === 'search')
      searches = values.map((value) => (value === '.' ? value : value.replace(/\.$/, '')));
    if (key === 'options') for (const value of values) options.set(value.split(':', 1)[0]!, value);
  }
  return { servers, searches, options: [...options.values()] };
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)];
}

function capped(config: DnsConfig): DnsConfig {
  const searches: string[] = [];
  for (const search of config.searches.slice(0, MAX_SEARCHES)) {
    if ([...searches, search].join(' ').length > MAX_SEARCH_TEXT) break;
    searches.push(search);
  }
  return { servers: config.servers.slice(0, MAX_SERVERS), searches, options: config.options };
}

/** A pod's resolver, by its dnsPolicy and dnsConfig. @param node - what the node itself uses */
export function podDns(pod: KubeletPod, cluster: ClusterDns, node: DnsConfig): DnsConfig {
  const policy = pod.spec.dnsPolicy ?? 'ClusterFirst';
  const byCluster =
    policy === 'ClusterFirstWithHostNet' || (policy === 'ClusterFirst' && !pod.spec.hostNetwork);
  let base: DnsConfig = node;
  if (policy === 'None') base = { servers: [], searches: [], options: [] };
  else if (byCluster && cluster.servers.length > 0) {
    const domain = cluster.domain;
    base = {
      servers: cluster.servers,
      searches: unique([`${pod.namespace}.svc.${domain}`, `svc.${domain}`, domain, ...node.searches]),
      options: ['ndots:5'],
    };
  }
  const own = pod.spec.dnsConfig;
  if (!own) return capped(base);
  const options = new Map(
    base.options.map((option) => [option.split(':')[0]!, option.slice(option.indexOf(':') + 1)]),
  );
  for (const option of base.options) if (!option.includes(':')) options.set(option, '');
  for (const { name, value } of own.options ?? []) if (name) options.set(name, value ?? '');
  return capped({
    servers: unique([...base.servers, ...(own.nameservers ?? [])]),
    searches: unique([...base.searches, ...(own.searches ?? [])]),
    options: [...options].map(([name, value]) => (value === '' ? name : `${name}:${value}`)),
  });
}
