import { type ClusterRequest, findCluster, newCluster } from '../azure/door/cluster.ts';
import { readInventory } from '../azure/door/inventory.ts';
import { newMachines, pickNode } from '../azure/door/machine.ts';
import { resourceId, TYPES } from '../azure/ids.ts';
import type { ProvisioningState, Resource } from '../azure/store.ts';
import type { Cluster, Machine, VirtualNetwork } from '../azure/types.ts';
import { LabError } from '../errors.ts';
import type { LabContext, Report } from './context.ts';
import { forEachAtMost } from './lock.ts';
import type { Nodes } from './nodes.ts';

/** Nodes that start at one time: each spends its start in containerd and Node, which two cores share. */
const PARALLEL_STARTS = 4;

export interface NodeView {
  name: string;
  cluster: string;
  index: number;
  address: string;
  nodeBlock: string;
  state: ProvisioningState;
  error?: string;
  /** Pid of the node's init on this machine; absent while it does not run. */
  init?: number;
  containerd: 'running' | 'down';
  agent: 'running' | 'down';
}

export interface ClusterView extends Cluster {
  name: string;
  state: ProvisioningState;
  error?: string;
  nodes: NodeView[];
}

/** Clusters and their nodes. What was asked for is in the store before any of it is built, so it can be resumed. */
export class Clusters {
  readonly #lab: LabContext;
  readonly #nodes: Nodes;

  constructor(lab: LabContext, nodes: Nodes) {
    this.#lab = lab;
    this.#nodes = nodes;
  }

  list(): ClusterView[] {
    return this.#lab.store.list<Cluster>(TYPES.cluster).map((cluster) => this.#view(cluster));
  }

  show(name: string): ClusterView {
    findCluster(this.#lab.inventory(), name);
    return this.#view(this.#lab.store.get<Cluster>(resourceId(TYPES.cluster, [name]))!);
  }

  /** Checks and records; nothing is built yet. @throws LabError, AddressError */
  accept(request: ClusterRequest): { warnings: string[] } {
    const { store } = this.#lab;
    const { cluster, network, warnings } = newCluster(this.#lab.inventory(), request);
    store.transaction(() => {
      store.put<VirtualNetwork>({
        id: resourceId(TYPES.virtualNetwork, [network.name]),
        type: TYPES.virtualNetwork,
        provisioningState: 'Succeeded',
        properties: network.properties,
      });
      store.put<Cluster>({
        id: resourceId(TYPES.cluster, [request.name]),
        type: TYPES.cluster,
        provisioningState: 'Creating',
        properties: cluster,
      });
      this.#putMachines(request.name, Number(request.nodes));
    });
    return { warnings };
  }

  /** Builds an accepted cluster, or goes on where a former supervisor was stopped. */
  async build(name: string, report: Report): Promise<ClusterView> {
    return await this.#lab.locks.run(`cluster/${name}`, async () => {
      const id = resourceId(TYPES.cluster, [name]);
      this.#lab.applyFabric();
      report(`routing domain of ${name} is up`);
      const machines = this.#machines(name);
      try {
        await forEachAtMost(machines, PARALLEL_STARTS, (machine) => this.#nodes.ensure(machine, report));
        this.#lab.store.setState(id, 'Succeeded');
      } catch (error) {
        this.#lab.store.setState(id, 'Failed', (error as Error).message);
        throw error;
      }
      return this.show(name);
    });
  }

  /** Records the deletion of a cluster. @throws LabError NotFound */
  acceptDeletion(name: string): void {
    const cluster = findCluster(this.#lab.inventory(), name);
    this.#lab.store.transaction(() => {
      this.#lab.store.setState(cluster.id, 'Deleting');
      for (const machine of this.#machines(name)) this.#lab.store.setState(machine.id, 'Deleting');
    });
  }

  async remove(name: string, report: Report): Promise<void> {
    await this.#lab.locks.run(`cluster/${name}`, async () => {
      await forEachAtMost(this.#machines(name), PARALLEL_STARTS, (machine) =>
        this.#nodes.remove(machine, report),
      );
      this.#lab.store.delete(resourceId(TYPES.cluster, [name]));
      this.#lab.applyFabric();
      report(`routing domain of ${name} is gone`);
    });
  }

  /** Records a new node: its address and block are its own from here on. @throws LabError, AddressError */
  acceptNode(cluster: string): Resource<Machine> {
    const found = findCluster(this.#lab.inventory(), cluster);
    this.#refuseWhileDeleting(found.id, cluster);
    return this.#lab.store.transaction(() => this.#putMachines(cluster, 1)[0]!);
  }

  async buildNode(machine: Resource<Machine>, report: Report): Promise<NodeView> {
    this.#lab.applyFabric();
    await this.#nodes.ensure(machine, report);
    return this.node(machine.properties.cluster, machine.name);
  }

  acceptNodeDeletion(cluster: string, node: string): Resource<Machine> {
    findCluster(this.#lab.inventory(), cluster);
    const siblings = this.#machines(cluster).map((m) => ({ ...m, index: m.properties.index }));
    const { id } = pickNode(cluster, siblings, node);
    this.#lab.store.setState(id, 'Deleting');
    return this.#lab.store.get<Machine>(id)!;
  }

  async removeNode(machine: Resource<Machine>, report: Report): Promise<void> {
    await this.#nodes.remove(machine, report);
  }

  node(cluster: string, node: string): NodeView {
    return pickNode(cluster, this.show(cluster).nodes, node);
  }

  /** Goes on with everything that was accepted and not finished. Failures are kept with the resource and logged. */
  async resume(report: Report): Promise<void> {
    const pending = this.#lab.store.list<Cluster>(TYPES.cluster);
    await Promise.all(
      pending.map(async (cluster) => {
        try {
          if (cluster.provisioningState === 'Deleting') return await this.remove(cluster.name, report);
          for (const machine of this.#machines(cluster.name)) {
            if (machine.provisioningState === 'Deleting') await this.#nodes.remove(machine, report);
          }
          await this.build(cluster.name, report);
        } catch (error) {
          this.#lab.log.error({ cluster: cluster.name, err: error }, 'resuming failed');
        }
      }),
    );
  }

  #machines(cluster: string): Resource<Machine>[] {
    return this.#lab.store.list<Machine>(TYPES.machine, resourceId(TYPES.cluster, [cluster]));
  }

  #putMachines(cluster: string, count: number): Resource<Machine>[] {
    const inventory = readInventory(this.#lab.store);
    return newMachines(inventory, findCluster(inventory, cluster), count).map(({ name, properties }) =>
      this.#lab.store.put<Machine>({
        id: resourceId(TYPES.machine, [cluster, name]),
        type: TYPES.machine,
        provisioningState: 'Creating',
        properties,
      }),
    );
  }

  #refuseWhileDeleting(id: string, cluster: string): void {
    if (this.#lab.store.get(id)?.provisioningState !== 'Deleting') return;
    throw new LabError({
      code: 'OperationNotAllowed',
      field: 'CLUSTER',
      value: cluster,
      rule: 'is being deleted',
      fix: 'wait for it, then create a new one',
      status: 409,
    });
  }

  /** A cluster whose failed nodes came up later has not failed. */
  #recovered(cluster: Resource<Cluster>): Resource<Cluster> {
    if (cluster.provisioningState !== 'Failed') return cluster;
    if (this.#machines(cluster.name).some((machine) => machine.provisioningState !== 'Succeeded'))
      return cluster;
    this.#lab.store.setState(cluster.id, 'Succeeded');
    return this.#lab.store.get<Cluster>(cluster.id)!;
  }

  #view(found: Resource<Cluster>): ClusterView {
    const cluster = this.#recovered(found);
    return {
      name: cluster.name,
      state: cluster.provisioningState,
      ...(cluster.error === undefined ? {} : { error: cluster.error }),
      ...cluster.properties,
      nodes: this.#machines(cluster.name).map((machine) => this.#nodes.view(machine)),
    };
  }
}
