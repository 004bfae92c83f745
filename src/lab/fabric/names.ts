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
};

/** A link name that fits in 15 characters and does not change: the prefix and ten hex digits of the name. */
export function linkName(prefix: string, name: string): string {
  return `${prefix}${digest(name).slice(0, 10)}`;
}

/** A locally administered MAC that does not change: neighbour entries can be written before the link exists. */
export function macOf(namespace: string, link: string): string {
  const hex = digest(`${namespace}/${link}`);
  return `02:${[0, 2, 4, 6, 8].map((i) => hex.slice(i, i + 2)).join(':')}`;
}
