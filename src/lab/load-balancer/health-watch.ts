import type { Logger } from 'pino';
import type { Node } from '../../kube/types.ts';
import type { LoadBalancer, LoadBalancerProbe } from '../azure/types.ts';
import type { Cloud } from './cloud.ts';
import { type PoolNode, poolOf } from './pool.ts';
import type { AskNode } from './probe.ts';
import { Prober } from './prober.ts';

/** What is learned within so many milliseconds is told together. */
const TOGETHER_MS = 20;
/** When the fabric did not take it, it is told again. */
const AGAIN_MS = 2000;

export interface HealthWatchOptions {
  readonly cloud: Cloud;
  readonly ask: AskNode;
  readonly log: Logger;
  /** The backend pool has got other nodes. Not called for the first ones. */
  readonly hostsChanged: () => void;
}

/** Knows which nodes may get connections by which rule, and tells the cloud. */
export class HealthWatch {
  readonly #options: HealthWatchOptions;
  readonly #prober: Prober;
  #pool: readonly PoolNode[] | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  /** The first probes were told what a former supervisor knew. */
  #begun = false;

  constructor(options: HealthWatchOptions) {
    this.#options = options;
    this.#prober = new Prober(options.ask, () => this.#soon());
  }

  /** The cluster's nodes have changed, perhaps in something that matters here. */
  setNodes(nodes: Iterable<Node>): void {
    const pool = poolOf(nodes);
    const before = this.#pool;
    if (before && JSON.stringify(before) === JSON.stringify(pool)) return;
    this.#pool = pool;
    this.refresh();
    if (before) this.#options.hostsChanged();
  }

  /** The load balancers have changed. */
  refresh(): void {
    if (!this.#pool || this.#closed) return;
    const balancers = this.#options.cloud.balancers();
    const probes = balancers.flatMap(({ probes }) => probes);
    this.#prober.set(probes, this.#pool, this.#begun ? undefined : this.#memory(balancers));
    this.#begun = true;
    this.#soon();
  }

  /** Resolves when all nodes have answered these probes once, or failed to. */
  async firstAnswers(probes: readonly LoadBalancerProbe[]): Promise<void> {
    await this.#prober.firstAnswers(probes, this.#pool ?? []);
  }

  /** Tells the cloud now. */
  publish(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const pool = this.#pool;
    if (!pool || this.#closed) return;
    const healthy = new Map<string, string[]>();
    for (const { name, rules, probes } of this.#options.cloud.balancers()) {
      const probeOf = new Map(probes.map((probe) => [probe.name, probe]));
      for (const rule of rules) {
        const probe = rule.probe === undefined ? undefined : probeOf.get(rule.probe);
        const nodes = probe ? pool.filter((node) => this.#prober.isUp(probe, node)) : pool;
        healthy.set(
          `${name}/${rule.name}`,
          nodes.map((node) => node.name),
        );
      }
    }
    try {
      this.#options.cloud.setHealth(healthy);
    } catch (error) {
      this.#options.log.error({ err: error }, 'the fabric does not follow the health of nodes');
      this.#soon(AGAIN_MS);
    }
  }

  /** Stops asking; what the cloud was told stays. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#prober.close();
  }

  #soon(milliseconds = TOGETHER_MS): void {
    this.#timer ??= setTimeout(() => this.publish(), milliseconds).unref();
  }

  /** After a restart what was known before goes on until the nodes say otherwise. */
  #memory(
    balancers: readonly (LoadBalancer & { name: string })[],
  ): (probe: LoadBalancerProbe, node: PoolNode) => boolean | undefined {
    const known = this.#options.cloud.health();
    const ruleOf = new Map<string, string>();
    for (const { name, rules } of balancers) {
      for (const rule of rules) if (rule.probe) ruleOf.set(rule.probe, `${name}/${rule.name}`);
    }
    return (probe, node) => known.get(ruleOf.get(probe.name) ?? '')?.includes(node.name);
  }
}
