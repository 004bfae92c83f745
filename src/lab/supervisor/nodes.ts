import { hasOwnNetwork } from '../azure/door/network-plugin.ts';
import { resourceId, TYPES } from '../azure/ids.ts';
import type { Resource } from '../azure/store.ts';
import type { Cluster, Machine } from '../azure/types.ts';
import { Gate } from '../gate.ts';
import type { LabContext, NodeOrder, Report } from './context.ts';
import { Keeper } from './keeper.ts';
import type { NodeView } from './views.ts';

/** Nodes that start at one time: each spends its start in containerd and Node, which two cores share. */
const PARALLEL_STARTS = 4;
/** Nodes that stop at one time: that is killing, waiting, and removing files. */
const PARALLEL_STOPS = 8;

/** The nodes of all clusters: starts them, keeps their daemons running, removes them. */
export class Nodes {
  readonly #lab: LabContext;
  readonly #keeper: Keeper;
  readonly #stops = new Gate(PARALLEL_STOPS);

  constructor(lab: LabContext) {
    this.#lab = lab;
    this.#keeper = new Keeper(lab, PARALLEL_STARTS);
  }

  /**
   * Brings a node to running and Ready, whatever part of it runs already. One that fails is tried again behind the
   * scenes, less and less often: the store says that it should be there. One that is being deleted is left alone.
   *
   * @throws Error naming the node, what went wrong, and where to look
   */
  async ensure(machine: Resource<Machine>, report: Report): Promise<void> {
    const { name, properties } = machine;
    try {
      await this.#keeper.bring({
        key: `node/${name}`,
        wanted: () => this.#wanted(machine.id) !== undefined,
        start: () => this.#start(machine, report),
      });
    } catch (error) {
      throw new Error(
        `node ${name} did not start: ${(error as Error).message}; the lab goes on trying: flyover node list ${properties.cluster}`,
        { cause: error },
      );
    }
  }

  /** Stops a node that is marked as being deleted, frees its block and address, and forgets it. */
  async remove(machine: Resource<Machine>, report: Report): Promise<void> {
    const { name, id, properties } = machine;
    await this.#lab.locks.run(`node/${name}`, async () => {
      // Somebody else was faster, and by now there may even be a new node of this name.
      if (this.#lab.store.get(id)?.provisioningState !== 'Deleting') return;
      await this.#stops.run(() => this.#lab.nodes.stop(name));
      await this.#forgetInKubernetes(machine);
      this.#lab.change(() => this.#lab.store.delete(id));
      this.#keeper.forget(`node/${name}`);
      report(`node ${name} is gone: ${properties.nodeBlock} is free`);
    });
  }

  view(machine: Resource<Machine>): NodeView {
    const cluster = this.#lab.store.get<Cluster>(resourceId(TYPES.cluster, [machine.properties.cluster]));
    return {
      name: machine.name,
      ...machine.properties,
      state: machine.provisioningState,
      ...(machine.error === undefined ? {} : { error: machine.error }),
      ...this.#lab.nodes.look(machine.name),
      ...(cluster && hasOwnNetwork(cluster.properties) ? { agent: 'none' } : {}),
    };
  }

  /** Stops watching and mending; the nodes run on. */
  close(): void {
    this.#keeper.close();
  }

  /** The node as it is in the store, unless it is gone or on its way. */
  #wanted(id: string): Resource<Machine> | undefined {
    const machine = this.#lab.store.get<Machine>(id);
    return machine?.provisioningState === 'Deleting' ? undefined : machine;
  }

  async #start({ id }: Resource<Machine>, report: Report): ReturnType<LabContext['nodes']['start']> {
    const machine = this.#lab.store.get<Machine>(id)!;
    const started = performance.now();
    try {
      // Its namespace could be what is missing.
      this.#lab.applyFabric();
      const parts = await this.#lab.nodes.start(this.#orderOf(machine));
      if (!this.#wanted(id)) return parts;
      this.#lab.store.setState(id, 'Succeeded');
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      const { address, nodeBlock } = machine.properties;
      report(`node ${machine.name} is ready: ${address}, pods in ${nodeBlock} (${seconds} s)`);
      return parts;
    } catch (error) {
      if (!this.#wanted(id)) return {};
      this.#lab.store.setState(id, 'Failed', (error as Error).message);
      throw error;
    }
  }

  #orderOf({ id, name, properties }: Resource<Machine>): NodeOrder {
    const cluster = this.#lab.store.get<Cluster>(resourceId(TYPES.cluster, [properties.cluster]))!;
    return {
      name,
      machine: properties,
      cluster: { name: cluster.name, ...cluster.properties },
      wanted: () => this.#wanted(id) !== undefined,
    };
  }

  /** As a cloud's node controller does when a machine is deleted. With its cluster all of that goes by itself. */
  async #forgetInKubernetes({ name, properties }: Resource<Machine>): Promise<void> {
    const { cluster } = properties;
    const owner = this.#lab.store.get<Cluster>(resourceId(TYPES.cluster, [cluster]));
    if (!owner || owner.provisioningState === 'Deleting') return;
    await this.#lab.controlPlanes
      .forgetNode(cluster, name)
      .catch((error: unknown) =>
        this.#lab.log.warn({ node: name, err: error }, 'the Kubernetes API still has this node'),
      );
  }
}
