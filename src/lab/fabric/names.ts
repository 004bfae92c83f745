import { createHash } from 'node:crypto';

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Network namespaces of the lab, by what they are. The names are what `flyover status` and `nsenter` show. */
export const namespaceOf = {
  internet: (): string => 'internet',
  virtualNetwork: (name: string): string => `vnet-${name}`,
  /** The cluster's routing domain, between its nodes and their virtual network. */
  domain: (cluster: string): string => `domain-${cluster}`,
  node: (node: string): string => `node-${node}`,
  /** The machine that the cluster's Kubernetes API runs on. */
  controlPlane: (cluster: string): string => `control-${cluster}`,
  host: (host: string): string => `host-${host}`,
  site: (site: string): string => `site-${site}`,
};

/** The machine's own network namespace; the lab owns exactly one link there. */
export const MACHINE = '';
/** The lab's only link in the machine's own namespace. */
export const MACHINE_LINK = 'flyover0';

/** What links of a router lead to: the first letter of their names, so that one rule matches a kind. */
export const PORT_PREFIX = {
  node: 'n-',
  cluster: 'c-',
  host: 'h-',
  virtualNetwork: 'v-',
  peering: 'p-',
  site: 's-',
  controlPlane: 'k-',
};

/** The most that the kernel takes (IFNAMSIZ less the final zero). */
const LONGEST_LINK_NAME = 15;

/**
 * A link name that does not change: the prefix and as many hex digits of the name's hash as fit, 52 bits. Two
 * names with one hash in one router are refused by the plan.
 */
export function linkName(prefix: string, name: string): string {
  return prefix + digest(name).slice(0, LONGEST_LINK_NAME - prefix.length);
}

/** A locally administered MAC that does not change: neighbour entries can be written before the link exists. */
export function macOf(namespace: string, link: string): string {
  const hex = digest(`${namespace}/${link}`);
  return `02:${[0, 2, 4, 6, 8].map((i) => hex.slice(i, i + 2)).join(':')}`;
}
