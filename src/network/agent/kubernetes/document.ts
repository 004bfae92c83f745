import { type Cidr, cidrContains, compareCidrs, parseCidr } from '../../../address/cidr.ts';
import { isAddressError } from '../../../address/error.ts';
import { isAddress, parseAddress } from '../../../address/ip.ts';
import type { ConfigMap, Node } from '../../../kube/types.ts';
import { ConfigError, type ConfigProblem } from '../config-error.ts';

/** The ConfigMap with the cluster's settings. */
export const SETTINGS = { namespace: 'kube-system', name: 'flyover-config' } as const;

const LISTS = ['podCIDRs', 'nonMasqueradeRanges', 'serviceCIDRs'] as const;
const NUMBERS = ['mtu', 'cooldownSeconds', 'maxPods'] as const;
const BOOLEANS = ['trackPodTraffic', 'serviceProxy'] as const;
const TEXTS = ['routing'] as const;
/** Of the operator. */
const OTHERS = ['nodeBlockSize', 'nodeBlockSizeIPv6'] as const;
const KEYS: readonly string[] = [...LISTS, ...NUMBERS, ...BOOLEANS, ...TEXTS, ...OTHERS];

/** What the API server says that concerns this node. */
export interface ClusterView {
  readonly nodeName: string;
  /** Undefined while there is none of that name. */
  readonly node: Node | undefined;
  readonly settings: ConfigMap | undefined;
  /** The other nodes, where the routing needs them. */
  readonly others: readonly Node[];
  /** The runtime's CRI socket. */
  readonly cri?: string | undefined;
}

/** Whether nodes must know each other; with `fabric` the network knows them. */
export function needsPeers(settings: ConfigMap | undefined): boolean {
  const routing = settings?.data?.routing?.trim();
  return routing === 'direct' || routing === 'vxlan' || routing === 'auto';
}

/**
 * The `node.json` that Kubernetes' objects amount to. Its values are checked by whoever reads it; here only what has
 * no place in it.
 * @throws ConfigError when something is missing (no node, no block, no settings) or no setting of ours
 */
export function documentOf(view: ClusterView): string {
  const { nodeName, node, settings, cri } = view;
  const problems = missing(view);
  const values = settings ? settingsOf(settings.data ?? {}, problems) : {};
  if (problems.length > 0 || !node) throw new ConfigError('Kubernetes', problems);
  const blocks = blocksOf(node);
  // Another proxy translates Services by conntrack too, and its answers come from pods.
  if (values.serviceProxy !== true) values.trackPodTraffic ??= true;
  const peers = needsPeers(settings) ? peersOf(view, (values.podCIDRs ?? []) as string[]) : [];
  return JSON.stringify({
    nodeName,
    nodeAddresses: addressesOf(node),
    nodeBlocks: blocks,
    ...values,
    ...(peers.length === 0 ? {} : { peers }),
    ...(cri === undefined ? {} : { cri }),
  });
}

/** Whether the view lacks no more than a block: the operator has not come to this node yet. */
export function lacksBlock({ node }: ClusterView): boolean {
  return node !== undefined && blocksOf(node).length === 0;
}

function missing({ nodeName, node, settings }: ClusterView): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const add = (field: string, value: string, rule: string, fix: string): void => {
    problems.push({ field, value, rule, fix });
  };
  if (!node) {
    add(
      '--node-name',
      nodeName,
      'is no Node of this cluster',
      'wait until its kubelet has registered it, or give the name that it has',
    );
    return problems;
  }
  if (blocksOf(node).length === 0) {
    add(
      `Node ${nodeName} spec.podCIDRs`,
      'nothing',
      'has no block for pods yet',
      'the Flyover operator gives it one: look whether it runs, and at the events of this Node',
    );
  }
  if (addressesOf(node).length === 0)
    add(`Node ${nodeName} status.addresses`, 'nothing', 'has no InternalIP', 'give its kubelet --node-ip');
  if (!settings) {
    add(
      `ConfigMap ${SETTINGS.namespace}/${SETTINGS.name}`,
      'nothing',
      'does not exist',
      'create it with the key podCIDRs, the ranges that the operator gives blocks of',
    );
  }
  return problems;
}

function settingsOf(
  data: Readonly<Record<string, string>>,
  problems: ConfigProblem[],
): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [key, raw] of Object.entries(data)) {
    const text = raw.trim();
    const add = (rule: string, fix: string): void => {
      problems.push({
        field: `ConfigMap ${SETTINGS.namespace}/${SETTINGS.name} data.${key}`,
        value: text.slice(0, 60),
        rule,
        fix,
      });
    };
    if (!KEYS.includes(key)) {
      const near = KEYS.find((one) => one.toLowerCase().startsWith(key.toLowerCase().slice(0, 5)));
      add('is not a setting', near ? `did you mean ${near}?` : `the settings are ${KEYS.join(', ')}`);
    } else if (text === '' || OTHERS.includes(key as (typeof OTHERS)[number])) {
      // An empty one is not set.
    } else if (LISTS.includes(key as (typeof LISTS)[number])) {
      values[key] = text.split(/[\s,]+/).filter((one) => one !== '');
    } else if (NUMBERS.includes(key as (typeof NUMBERS)[number])) {
      if (/^\d{1,9}$/.test(text)) values[key] = Number(text);
      else add('is not a whole number', 'give digits only');
    } else if (BOOLEANS.includes(key as (typeof BOOLEANS)[number])) {
      if (text === 'true' || text === 'false') values[key] = text === 'true';
      else add('is neither true nor false', 'give one of the two');
    } else values[key] = text;
  }
  return values;
}

export function blocksOf(node: Node): string[] {
  const { podCIDR, podCIDRs } = node.spec ?? {};
  return podCIDRs?.length ? podCIDRs : podCIDR ? [podCIDR] : [];
}

/** The InternalIPs, the first of each family. */
function addressesOf(node: Node): string[] {
  const found = new Map<number, string>();
  for (const { type, address } of node.status?.addresses ?? []) {
    if (type !== 'InternalIP' || !isAddress(address)) continue;
    const { family } = parseAddress(address);
    if (!found.has(family)) found.set(family, address);
  }
  return [...found.values()];
}

/**
 * The other nodes that can be reached: with addresses, and with blocks of the pod CIDRs that are theirs alone. One
 * node's trouble must not be all nodes' trouble, so what does not fit is left out; the operator tells of it.
 */
function peersOf({ node, nodeName, others }: ClusterView, podCIDRs: readonly string[]): object[] {
  const ranges = podCIDRs.flatMap((text) => cidrOrNothing(text));
  const homes = new Set(node ? addressesOf(node) : []);
  const claims: { cidr: Cidr; owner: string }[] = (node ? blocksOf(node) : []).flatMap((text) =>
    cidrOrNothing(text).map((cidr) => ({ cidr, owner: nodeName })),
  );
  const peers = new Map<string, object>();
  const sorted = [...others].sort((a, b) => ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1));
  for (const other of sorted) {
    const name = other.metadata?.name ?? '';
    const blocks = blocksOf(other);
    const cidrs = blocks.flatMap(cidrOrNothing);
    const addresses = addressesOf(other);
    const fits = cidrs.length > 0 && cidrs.length === blocks.length && addresses.length > 0;
    const inside = cidrs.every((cidr) => ranges.some((range) => cidrContains(range, cidr)));
    if (name === nodeName || !fits || !inside || addresses.some((one) => homes.has(one))) continue;
    for (const one of addresses) homes.add(one);
    for (const cidr of cidrs) claims.push({ cidr, owner: name });
    peers.set(name, { name, addresses, blocks });
  }
  // Neighbours in order: what overlaps comes one after another.
  let outer: { cidr: Cidr; owner: string } | undefined;
  for (const claim of claims.sort((a, b) => compareCidrs(a.cidr, b.cidr))) {
    if (outer && cidrContains(outer.cidr, claim.cidr)) {
      peers.delete(claim.owner === nodeName ? outer.owner : claim.owner);
      if (claim.owner === nodeName) outer = claim;
    } else outer = claim;
  }
  return [...peers.values()];
}

function cidrOrNothing(text: string): Cidr[] {
  try {
    return [parseCidr(text)];
  } catch (error) {
    if (isAddressError(error)) return [];
    throw error;
  }
}
