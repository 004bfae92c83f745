import { resourceId, TYPES } from '../azure/ids.ts';
import type { Cluster } from '../azure/types.ts';
import type { LabContext, Report } from './context.ts';
import { Keeper } from './keeper.ts';

/** Control planes that start at one time. */
const PARALLEL_STARTS = 4;

/** The Kubernetes API of each cluster, with its controllers: starts them, keeps them running, removes them. */
export class ControlPlanes {
  readonly #lab: LabContext;
  readonly #keeper: Keeper;
  readonly #serves: (cluster: string) => void;

  /** @param serves - called whenever a cluster's API has come up */
  constructor(lab: LabContext, serves: (cluster: string) => void = () => undefined) {
    this.#lab = lab;
    this.#serves = serves;
    this.#keeper = new Keeper(lab, PARALLEL_STARTS);
  }

  /**
   * Brings the API of a cluster to serving, whatever part of it runs already.
   * @throws Error naming the cluster, what went wrong, and where to look
   */
  async ensure(cluster: string, report: Report): Promise<void> {
    const id = resourceId(TYPES.cluster, [cluster]);
    const wanted = (): boolean => {
      const state = this.#lab.store.get(id)?.provisioningState;
      return state !== undefined && state !== 'Deleting';
    };
    const start = async (): ReturnType<LabContext['controlPlanes']['start']> => {
      const began = performance.now();
      const { properties } = this.#lab.store.get<Cluster>(id)!;
      // Its namespace could be what is missing.
      this.#lab.applyFabric();
      const order = { name: cluster, ...properties, wanted };
      const parts = await this.#lab.controlPlanes.start(order).catch((error: unknown) => {
        if (wanted()) throw error;
        return undefined;
      });
      if (!parts) return {};
      const seconds = ((performance.now() - began) / 1000).toFixed(1);
      this.#serves(cluster);
      report(`Kubernetes API of ${cluster} serves at ${properties.apiServerAddress} (${seconds} s)`);
      return parts;
    };
    try {
      await this.#keeper.bring({ key: `control/${cluster}`, wanted, start });
    } catch (error) {
      throw new Error(
        `the Kubernetes API of ${cluster} did not start: ${(error as Error).message}; the lab goes on trying`,
        { cause: error },
      );
    }
  }

  /** Stops the control plane of a cluster that is being deleted, and forgets all that it stored. */
  async remove(cluster: string): Promise<void> {
    await this.#lab.locks.run(`control/${cluster}`, () => this.#lab.controlPlanes.stop(cluster));
    this.#keeper.forget(`control/${cluster}`);
  }

  /** Stops watching and mending; what runs runs on. */
  close(): void {
    this.#keeper.close();
  }
}
