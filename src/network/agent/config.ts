import { readFileSync } from 'node:fs';
// Not `{ z }`, which holds on to all of zod, every language of its messages included: 6 MB in memory.
import * as z from 'zod';
import { FEWEST_PODS, MOST_PODS } from '../../address/address-allocator.ts';
import {
  type Cidr,
  cidrContains,
  cidrsOverlap,
  compareCidrs,
  formatCidr,
  parseCidr,
} from '../../address/cidr.ts';
import { isAddressError } from '../../address/error.ts';
import { formatAddress, type IpAddress, parseAddress } from '../../address/ip.ts';
import type { NodeNetwork } from '../dataplane/model.ts';
import { ConfigError, type ConfigProblem, problemsOf } from './config-error.ts';

/** What `node.json` says, checked, with the defaults filled in. */
export interface NodeConfig extends NodeNetwork {
  /** Seconds that a released address rests before it is given again, 0..86400. */
  readonly cooldownSeconds: number;
  /** The most pods with an address at one time, 10..250 (AKS's rule). */
  readonly maxPods: number;
  /**
   * Whether Services are translated here (default false: another proxy does, or there are none). Only in a cluster.
   */
  readonly serviceProxy: boolean;
  /** Where Services have their addresses: with `serviceProxy` packets to one that no Service has are dropped. */
  readonly serviceCIDRs: readonly string[];
  /** The runtime's CRI socket, asked for live sandboxes when the agent reconciles. */
  readonly cri?: string;
}

const name = z
  .string()
  .max(253)
  .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/, 'must be lower-case letters, digits, - and . (a DNS name)');
const addresses = z.array(z.string()).min(1).max(2);
const cidrs = z.array(z.string()).max(64);

const schema = z.strictObject({
  nodeName: name,
  nodeAddresses: addresses,
  nodeBlocks: cidrs.min(1).max(2),
  podCIDRs: cidrs.min(1),
  nonMasqueradeRanges: cidrs.default([]),
  routing: z.enum(['fabric', 'direct', 'vxlan', 'auto']).default('fabric'),
  mtu: z.int().min(0).max(65535).default(0),
  trackPodTraffic: z.boolean().default(false),
  serviceProxy: z.boolean().default(false),
  serviceCIDRs: cidrs.default([]),
  cooldownSeconds: z.int().min(0).max(86_400).default(30),
  maxPods: z.int().min(FEWEST_PODS).max(MOST_PODS).default(MOST_PODS),
  peers: z
    .array(z.strictObject({ name, addresses, blocks: cidrs.min(1) }))
    .max(5000)
    .default([]),
  cri: z
    .string()
    .regex(/^\/.{0,106}$/, 'must be an absolute path of at most 107 characters')
    .optional(),
});

/**
 * Reads and checks the text of `node.json`.
 * @throws ConfigError that lists every problem found, each with field, value, rule and way out
 */
export function parseConfig(text: string, source = 'node.json'): NodeConfig {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    const rule = `is not JSON: ${error instanceof Error ? error.message : String(error)}`;
    throw new ConfigError(source, [
      { field: source, value: `${text.length} bytes`, rule, fix: 'correct the syntax there' },
    ]);
  }
  const parsed = schema.safeParse(json, { reportInput: true });
  if (!parsed.success) throw new ConfigError(source, problemsOf(parsed.error, Object.keys(schema.shape)));
  const { cri, ...rest } = parsed.data;
  const config: NodeConfig = cri === undefined ? rest : { ...rest, cri };
  const problems = new Checks(config).problems;
  if (problems.length > 0) throw new ConfigError(source, problems);
  return config;
}

/** Reads and checks the file at `path`. @throws ConfigError also when it cannot be read */
export function readConfig(path: string): NodeConfig {
  return parseConfig(readConfigText(path), path);
}

/** The text of the file at `path`. @throws ConfigError when it cannot be read */
export function readConfigText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const rule = missing
      ? 'does not exist'
      : `cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    const fix = "write the node's configuration there, or name another file with --config";
    throw new ConfigError(path, [{ field: '--config', value: path, rule, fix }]);
  }
}

/** What a schema cannot say: how the ranges and addresses fit together. */
class Checks {
  readonly problems: ConfigProblem[] = [];

  constructor(config: NodeConfig) {
    const own = this.#addresses(config.nodeAddresses, 'nodeAddresses');
    const pods = this.#cidrs(config.podCIDRs, 'podCIDRs');
    const blocks = this.#cidrs(config.nodeBlocks, 'nodeBlocks');
    this.#cidrs(config.nonMasqueradeRanges, 'nonMasqueradeRanges');
    this.#apart(pods, 'give ranges that are apart');
    this.#services(config, own, pods);
    for (const [address, field] of own) {
      const inside = pods.find(([cidr]) => cidrContains(cidr, address));
      if (inside) {
        this.#add(
          field,
          formatAddress(address),
          `lies in pod CIDR ${formatCidr(inside[0])}`,
          'nodes and pods need ranges of their own: change one of the two',
        );
      }
    }
    this.#blocks(blocks, own, pods);
    this.#mtu(config, blocks);
    this.#peers(config, blocks, own, pods);
  }

  #add(field: string, value: string, rule: string, fix: string): void {
    this.problems.push({ field, value, rule, fix });
  }

  #read<T>(parse: () => T): T | undefined {
    try {
      return parse();
    } catch (error) {
      if (!isAddressError(error)) throw error;
      this.#add(error.field, error.value, error.rule, error.fix);
      return undefined;
    }
  }

  #cidrs(texts: readonly string[], field: string): [Cidr, string][] {
    return texts.flatMap((text, i) => {
      const cidr = this.#read(() => parseCidr(text, `${field}[${i}]`));
      return cidr ? [[cidr, `${field}[${i}]`] as [Cidr, string]] : [];
    });
  }

  /** At most one address a family. */
  #addresses(texts: readonly string[], field: string): [IpAddress, string][] {
    const read = texts.flatMap((text, i) => {
      const address = this.#read(() => parseAddress(text, `${field}[${i}]`));
      return address ? [[address, `${field}[${i}]`] as [IpAddress, string]] : [];
    });
    const [first, second] = read;
    if (first && second && first[0].family === second[0].family) {
      this.#add(
        second[1],
        formatAddress(second[0]),
        `is a second IPv${second[0].family} address`,
        'give one address a family',
      );
    }
    return read;
  }

  /** Refuses ranges that share addresses. Sorted first: a cluster has thousands of blocks. */
  #apart(cidrs: readonly (readonly [Cidr, string])[], fix: string): void {
    let outer: readonly [Cidr, string] | undefined;
    for (const entry of [...cidrs].sort((a, b) => compareCidrs(a[0], b[0]))) {
      if (outer && cidrContains(outer[0], entry[0])) {
        this.#add(entry[1], formatCidr(entry[0]), `overlaps ${outer[1]} ${formatCidr(outer[0])}`, fix);
      } else outer = entry;
    }
  }

  /** What is in these ranges and no Service is dropped, so nothing else may be there. */
  #services(config: NodeConfig, own: [IpAddress, string][], pods: [Cidr, string][]): void {
    for (const [cidr, field] of this.#cidrs(config.serviceCIDRs, 'serviceCIDRs')) {
      const others = [
        ...own.map(([address, name]) => ({
          name,
          text: formatAddress(address),
          hit: cidrContains(cidr, address),
        })),
        ...pods.map(([pod, name]) => ({ name, text: formatCidr(pod), hit: cidrsOverlap(cidr, pod) })),
      ];
      const other = others.find(({ hit }) => hit);
      if (other)
        this.#add(
          field,
          formatCidr(cidr),
          `overlaps ${other.name} ${other.text}`,
          'give Services a range of their own',
        );
    }
  }

  #blocks(blocks: [Cidr, string][], own: [IpAddress, string][], pods: [Cidr, string][]): void {
    const [first, second] = blocks;
    if (first && second && first[0].family === second[0].family) {
      this.#add(
        second[1],
        formatCidr(second[0]),
        `is a second IPv${second[0].family} block`,
        'give one block a family',
      );
    }
    for (const [block, field] of blocks) {
      const smallest = block.family === 4 ? 29 : 125;
      if (block.prefixLength > smallest) {
        this.#add(field, formatCidr(block), 'has fewer than eight addresses', `use a /${smallest} or wider`);
      }
      this.#inPods(block, field, pods);
      if (!own.some(([address]) => address.family === block.family)) {
        this.#add(
          field,
          formatCidr(block),
          `is IPv${block.family}, and the node has no IPv${block.family} address that its pods could leave with`,
          'add one to nodeAddresses, or remove the block',
        );
      }
    }
    if (blocks.length > 0 && !blocks.some(([block]) => block.family === 4)) {
      this.#add(
        'nodeBlocks',
        blocks.map(([b]) => formatCidr(b)).join(', '),
        'has no IPv4 block',
        'add one: pods are IPv4 or dual-stack',
      );
    }
  }

  #inPods(block: Cidr, field: string, pods: [Cidr, string][]): void {
    if (pods.some(([pod]) => cidrContains(pod, block))) return;
    const known = pods.map(([pod]) => formatCidr(pod)).join(', ');
    this.#add(
      field,
      formatCidr(block),
      `is not inside a pod CIDR (${known})`,
      'take it from podCIDRs, or add its range there',
    );
  }

  #mtu(config: NodeConfig, blocks: [Cidr, string][]): void {
    const least = blocks.some(([block]) => block.family === 6) ? 1280 : 576;
    if (config.mtu !== 0 && config.mtu < least) {
      this.#add('mtu', String(config.mtu), `is below ${least}`, `use 0 (copy the NIC's) or ${least}..65535`);
    }
  }

  #peers(
    config: NodeConfig,
    blocks: [Cidr, string][],
    own: [IpAddress, string][],
    pods: [Cidr, string][],
  ): void {
    const names = new Map<string, number>();
    const taken = [...blocks];
    const homes = new Map(own.map(([address, field]) => [formatAddress(address), field]));
    for (const [i, peer] of config.peers.entries()) {
      const at = `peers[${i}]`;
      const earlier = names.get(peer.name);
      if (peer.name === config.nodeName) {
        this.#add(`${at}.name`, peer.name, 'is this node itself', 'remove it: peers are the other nodes');
      } else if (earlier !== undefined) {
        this.#add(`${at}.name`, peer.name, `is the name of peers[${earlier}] too`, 'name each node once');
      }
      names.set(peer.name, i);
      for (const [address, field] of this.#addresses(peer.addresses, `${at}.addresses`)) {
        const text = formatAddress(address);
        const same = homes.get(text);
        if (same) this.#add(field, text, `is ${same} too`, 'an address belongs to one node');
        homes.set(text, field);
      }
      for (const [block, field] of this.#cidrs(peer.blocks, `${at}.blocks`)) {
        this.#inPods(block, field, pods);
        taken.push([block, field]);
      }
    }
    this.#apart(taken, 'a block belongs to one node');
  }
}
