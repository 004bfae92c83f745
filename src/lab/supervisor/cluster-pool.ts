import { resourceId, TYPES } from '../azure/ids.ts';
import type { Resource } from '../azure/store.ts';
import type { Cluster, Machine } from '../azure/types.ts';
import { LabError } from '../errors.ts';
import type { Clusters } from './clusters.ts';
import type { LabContext } from './context.ts';
import { type NodePoolView, type NodePoolWork, POOL } from './node-pools.ts';

/** A cluster's nodes as its autoscaler sees them: what it asks for is accepted at once and done behind the scenes. */
export class ClusterPool implements NodePoolWork {
  readonly #lab: LabContext;
  readonly #clusters: Clusters;
  readonly #cluster: string;

  constructor(lab: LabContext, clusters: Clusters, cluster: string) {
    this.#lab = lab;
    this.#clusters = clusters;
    this.#cluster = cluster;
  }

  async list(): Promise<NodePoolView[]> {
    const bounds = this.#bounds();
    if (!bounds) return [];
    const template = await this.#lab.controlPlanes.exampleNode(this.#cluster);
    return template ? [{ name: POOL, ...bounds, size: this.#size(), template }] : [];
  }

  add(count: number): void {
    const { max } = this.#need();
    if (this.#size() + count > max) {
      throw this.#refusal(count, `more would be above its most, ${max}`, 'ask for fewer');
    }
    for (let i = 0; i < count; i++) {
      const machine = this.#clusters.acceptNode(this.#cluster);
      this.#behind(
        machine,
        this.#clusters.buildNode(machine, (text) => this.#lab.log.info(text)),
      );
    }
  }

  remove(node: string): void {
    const { min } = this.#need();
    if (this.#size() <= min) {
      throw this.#refusal(node, `without it the pool would be below its least, ${min}`, 'keep it');
    }
    const machine = this.#clusters.acceptNodeDeletion(this.#cluster, node);
    this.#behind(
      machine,
      this.#clusters.removeNode(machine, (text) => this.#lab.log.info(text)),
    );
  }

  #bounds(): { min: number; max: number } | undefined {
    return this.#lab.store.get<Cluster>(resourceId(TYPES.cluster, [this.#cluster]))?.properties.autoscaler;
  }

  #need(): { min: number; max: number } {
    const bounds = this.#bounds();
    if (bounds) return bounds;
    throw this.#refusal(this.#cluster, 'has no autoscaler', 'make it with --min-count and --max-count');
  }

  #size(): number {
    const machines = this.#lab.store.list<Machine>(TYPES.machine, resourceId(TYPES.cluster, [this.#cluster]));
    return machines.filter((machine) => machine.provisioningState !== 'Deleting').length;
  }

  #refusal(value: unknown, rule: string, fix: string): LabError {
    const field = `node pool ${POOL} of ${this.#cluster}`;
    return new LabError({ code: 'OperationNotAllowed', field, value: String(value), rule, fix, status: 409 });
  }

  #behind(machine: Resource<Machine>, work: Promise<unknown>): void {
    work.catch((error: unknown) =>
      this.#lab.log.error({ node: machine.name, err: error }, 'what the autoscaler asked for failed'),
    );
  }
}
