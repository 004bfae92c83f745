import { createHash } from 'node:crypto';
import type { LoadBalancer } from '../azure/types.ts';
import type { MapElement } from './plan.ts';

/**
 * Values of the hash that connections are spread by. Constant, because the kernel's modulus is: nodes share them, and
 * of two healthy nodes one has at most two more than the other.
 */
export const BUCKETS = 256;
/** Minutes that a flow may be idle. Each rule of a load balancer gets the next longer. */
export const IDLE_CLASSES = [4, 8, 15, 30, 60, 120] as const;

export interface Backend {
  /** The node's name. */
  name: string;
  /** Its number in the cluster, from 1: the mark of packets to it. */
  number: number;
  /** Its port of the routing domain. */
  port: string;
}

/** What the table of a routing domain looks up to balance. */
export interface Balancing {
  sets: { frontends: string[][]; backends: string[][]; members: string[][] };
  maps: { groups: MapElement[]; buckets: MapElement[]; rules: MapElement[]; answers: MapElement[] };
}

/**
 * The sets and maps for a cluster's load balancers. Pure.
 *
 * Rules with the same healthy nodes share a group, which is named by a hash of what is in it: when a node's health
 * changes, one group comes, one goes, and rules change two elements each. In a group every node keeps the buckets that are
 * its own when all are healthy; only those of the others are shared out.
 *
 * @param balancers - with the name that `healthyNodes` has them by
 */
export function balancingOf(
  balancers: readonly (LoadBalancer & { name: string })[],
  backends: readonly Backend[],
  healthyNodes: ReadonlyMap<string, readonly string[]> = new Map(),
): Balancing {
  const pool = [...backends].sort((a, b) => a.number - b.number);
  const frontends = new Set<string>();
  const rules = new Map<string, { key: string[]; group: number; idle: number }>();
  const groups = new Map<number, number[]>();
  for (const balancer of balancers) {
    const addresses = new Map(balancer.frontends.map(({ name, address }) => [name, address]));
    for (const address of addresses.values()) frontends.add(address);
    for (const rule of balancer.rules) {
      const address = addresses.get(rule.frontend);
      if (address === undefined) continue;
      const healthy = healthyNodes.get(`${balancer.name}/${rule.name}`);
      const isHealthy = healthy ? new Set(healthy) : undefined;
      const members = pool.filter(({ name }) => isHealthy?.has(name) ?? true).map(({ number }) => number);
      const group = groupNumber(pool, members);
      if (members.length > 0) groups.set(group, members);
      const key = [address, rule.protocol.toLowerCase(), String(rule.port)];
      rules.set(key.join(' '), { key, group, idle: idleClass(rule.idleTimeoutInMinutes) });
    }
  }
  const all = [...rules.values()];
  return {
    sets: {
      frontends: [...frontends].map((address) => [address]),
      backends: pool.map(({ port, number }) => [port, String(number)]),
      members: all.flatMap(({ key, group }) => (groups.get(group) ?? []).map((n) => [...key, String(n)])),
    },
    maps: {
      groups: all.map(({ key, group }) => ({ key, data: [String(group)] })),
      buckets: [...groups].flatMap(([group, members]) =>
        bucketsOf(pool, members).map((n, i) => ({ key: [String(group), String(i)], data: [String(n)] })),
      ),
      rules: all.map(({ key, idle }) => ({ key, data: [`goto kept_${idle}`] })),
      answers: all.map(({ key, idle }) => ({ key, data: [`goto answered_${idle}`] })),
    },
  };
}

/** The node of each bucket. */
function bucketsOf(pool: readonly Backend[], members: readonly number[]): number[] {
  const healthy = new Set(members);
  let orphans = 0;
  return Array.from({ length: BUCKETS }, (_, i) => {
    const own = pool[i % pool.length]!.number;
    return healthy.has(own) ? own : members[orphans++ % members.length]!;
  });
}

/** 0 for nobody, otherwise 1..2^31. */
function groupNumber(pool: readonly Backend[], members: readonly number[]): number {
  if (members.length === 0) return 0;
  return stableNumber([pool.map(({ number }) => number).join(), members.join()].join('/'));
}

/** A number for a text, 1..2^31: always the same, and another for another text but for one case in 2^31. */
export function stableNumber(text: string): number {
  return (createHash('sha256').update(text).digest().readUInt32BE() & 0x7fffffff) + 1;
}

function idleClass(minutes: number): number {
  return IDLE_CLASSES.find((longest) => minutes <= longest) ?? IDLE_CLASSES.at(-1)!;
}
