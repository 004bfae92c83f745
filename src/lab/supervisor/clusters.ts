import { type ClusterRequest, findCluster, newCluster } from '../azure/door/cluster.ts';
import { newMachines, pickNode } from '../azure/door/machine.ts';
import { hasOwnNetwork } from '../azure/door/network-plugin.ts';
import type { OutboundRequest } from '../azure/door/outbound.ts';
import { resourceId, TYPES } from '../azure/ids.ts';
import type { Resource } from '../azure/store.ts';
import type { Cluster, Machine, VirtualNetwork } from '../azure/types.ts';
import { LabError } from '../errors.ts';
import { ClusterPool } from './cluster-pool.ts';
import type { LabContext, Report } from './context.ts';
import type { ControlPlanes } from './control-planes.ts';
import type { LoadBalancers } from './load-balancers.ts';
import { forEach } from './lock.ts';
import type { Nodes } from './nodes.ts';
import { removeClusterNetworking, updateOutbound, writeOutbound } from './outbound.ts';
import type { ClusterView, NodeView } from './views.ts';

/**
 * Clusters and their nodes. What was asked for is in the store before any of it is built, so it can be resumed. A
 * deletion outruns everything: what is marked as Deleting gets no other state any more.
 */
export class Clusters {
  readonly #lab: LabContext;
  readonly #nodes: Nodes;
  readonly #controlPlanes: ControlPlanes;
  readonly #loadBalancers: LoadBalancers;

  constructor(lab: LabContext, nodes: Nodes, controlPlanes: ControlPlanes, loadBalancers: LoadBalancers) {
    this.#lab = lab;
    this.#nodes = nodes;
    this.#controlPlanes = controlPlanes;
    this.#loadBalancers = loadBalancers;
  }

  list(): ClusterView[] {
    const machines = Map.groupBy(
      this.#lab.store.list<Machine>(TYPES.machine),
      (machine) => machine.properties.cluster,
    );
    const clusters = this.#lab.store.list<Cluster>(TYPES.cluster);
    return clusters.map((cluster) => this.#view(cluster, machines.get(cluster.name) ?? []));
  }

  /** @throws LabError NotFound */
  show(name: string): ClusterView {
    findCluster(this.#lab.inventory(), name);
    const cluster = this.#lab.store.get<Cluster>(resourceId(TYPES.cluster, [name]))!;
    return this.#view(cluster, this.#machines(name));
  }

  /** Checks, records, and makes the cluster's place in the fabric. @throws LabError, AddressError */
  accept(request: ClusterRequest): { warnings: string[] } {
    const { store } = this.#lab;
    this.#refuseWhileDeleting('NAME', request.name);
    const { cluster, network, outbound, warnings } = newCluster(this.#lab.inventory(), request);
    this.#lab.change(() => {
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
      writeOutbound(this.#lab, request.name, outbound);
      this.#putMachines(request.name, Number(request.nodes));
    });
    return { warnings };
  }

  /**
   * Builds an accepted cluster, or goes on where a former supervisor was stopped.
   * @throws Error of the first node that does not start; LabError `OperationPreempted`
   */
  async build(name: string, report: Report): Promise<ClusterView> {
    const id = resourceId(TYPES.cluster, [name]);
    return await this.#lab.locks.run(`cluster/${name}`, async () => {
      this.#refusePreempted(id, 'cluster', name);
      report(`routing domain of ${name} is up`);
      try {
        await this.#start(name, report);
      } catch (error) {
        this.#settle(id, 'Failed', (error as Error).message);
        throw error;
      }
      this.#settle(id, 'Succeeded');
      this.#refusePreempted(id, 'cluster', name);
      return this.show(name);
    });
  }

  /** Nodes are begun also when the control plane fails: both are tried again until they work. */
  async #start(name: string, report: Report): Promise<void> {
    const failure = await this.#controlPlanes.ensure(name, report).catch((error: unknown) => error);
    const { autoscaler } = this.#lab.store.get<Cluster>(resourceId(TYPES.cluster, [name]))!.properties;
    if (autoscaler) await this.#lab.nodePools.open(name, new ClusterPool(this.#lab, this, name));
    const nodes = forEach(this.#machines(name), (machine) => this.#nodes.ensure(machine, report));
    if (failure === undefined) return await nodes;
    await nodes.catch(() => undefined);
    throw failure;
  }

  /** Records the deletion of a cluster. @throws LabError NotFound */
  acceptDeletion(name: string): void {
    const cluster = findCluster(this.#lab.inventory(), name);
    this.#lab.store.transaction(() => {
      this.#lab.store.setState(cluster.id, 'Deleting');
      for (const machine of this.#machines(name)) this.#lab.store.setState(machine.id, 'Deleting');
    });
  }

  /** @throws Error when something of a node does not go; then the rest of the cluster is gone, and it can be repeated */
  async remove(name: string, report: Report): Promise<void> {
    const id = resourceId(TYPES.cluster, [name]);
    await this.#lab.locks.run(`cluster/${name}`, async () => {
      // Asked for twice, and by now there may even be a new cluster of this name.
      if (!this.#isDeleting(id)) return;
      await forEach(this.#machines(name), (machine) => this.#nodes.remove(machine, report));
      await this.#lab.nodePools.close(name);
      await this.#loadBalancers.close(name);
      await this.#controlPlanes.remove(name);
      this.#lab.change(() => {
        removeClusterNetworking(this.#lab, name);
        this.#lab.store.delete(id);
      });
      report(`routing domain of ${name} is gone`);
    });
  }

  /** Gives a running cluster another way out; its nodes and pods stay as they are. @throws LabError */
  updateOutbound(name: string, request: OutboundRequest): ClusterView {
    updateOutbound(this.#lab, name, request);
    return this.show(name);
  }

  /** Records a new node and makes its port: its address and block are its own from here on. @throws LabError, AddressError */
  acceptNode(cluster: string): Resource<Machine> {
    findCluster(this.#lab.inventory(), cluster);
    this.#refuseWhileDeleting('CLUSTER', cluster);
    return this.#lab.change(() => this.#putMachines(cluster, 1)[0]!);
  }

  /** @throws Error when it does not start; LabError `OperationPreempted` */
  async buildNode(machine: Resource<Machine>, report: Report): Promise<NodeView> {
    await this.#nodes.ensure(machine, report);
    this.#refusePreempted(machine.id, 'node', machine.name);
    return this.#nodes.view(this.#lab.store.get<Machine>(machine.id)!);
  }

  /** @param node - its name or its number in the cluster. @throws LabError NotFound */
  acceptNodeDeletion(cluster: string, node: string): Resource<Machine> {
    findCluster(this.#lab.inventory(), cluster);
    const siblings = this.#machines(cluster).map((each) => ({ ...each, index: each.properties.index }));
    const { id } = pickNode(cluster, siblings, node);
    this.#lab.store.setState(id, 'Deleting');
    return this.#lab.store.get<Machine>(id)!;
  }

  async removeNode(machine: Resource<Machine>, report: Report): Promise<void> {
    await this.#nodes.remove(machine, report);
  }

  /** The administrator's kubeconfig. @throws LabError NotFound */
  async kubeconfig(name: string): Promise<{ kubeconfig: string }> {
    findCluster(this.#lab.inventory(), name);
    return { kubeconfig: await this.#lab.controlPlanes.kubeconfig(name) };
  }

  /** Goes on with everything that was accepted and not finished. Failures are kept with the resource and logged. */
  async resume(report: Report): Promise<void> {
    const clusters = this.#lab.store.list<Cluster>(TYPES.cluster);
    await Promise.all(clusters.map((cluster) => this.#resume(cluster, report)));
  }

  async #resume({ name, provisioningState }: Resource<Cluster>, report: Report): Promise<void> {
    const attempt = async (work: () => Promise<unknown>): Promise<void> => {
      await work().catch((error: unknown) =>
        this.#lab.log.error({ cluster: name, err: error }, 'resuming failed'),
      );
    };
    if (provisioningState === 'Deleting') return await attempt(() => this.remove(name, report));
    const leaving = this.#machines(name).filter((machine) => machine.provisioningState === 'Deleting');
    await Promise.all([
      attempt(() => this.build(name, report)),
      ...leaving.map((machine) => attempt(() => this.#nodes.remove(machine, report))),
    ]);
  }

  #machines(cluster: string): Resource<Machine>[] {
    return this.#lab.store.list<Machine>(TYPES.machine, resourceId(TYPES.cluster, [cluster]));
  }

  #putMachines(cluster: string, count: number): Resource<Machine>[] {
    const inventory = this.#lab.inventory();
    return newMachines(inventory, findCluster(inventory, cluster), count).map(({ name, properties }) =>
      this.#lab.store.put<Machine>({
        id: resourceId(TYPES.machine, [cluster, name]),
        type: TYPES.machine,
        provisioningState: 'Creating',
        properties,
      }),
    );
  }

  #isDeleting(id: string): boolean {
    return this.#lab.store.get(id)?.provisioningState === 'Deleting';
  }

  #settle(id: string, state: 'Succeeded' | 'Failed', error?: string): void {
    if (!this.#isDeleting(id)) this.#lab.store.setState(id, state, error);
  }

  #refuseWhileDeleting(field: string, cluster: string): void {
    if (!this.#isDeleting(resourceId(TYPES.cluster, [cluster]))) return;
    throw new LabError({
      code: 'OperationNotAllowed',
      field,
      value: cluster,
      rule: 'is the name of a cluster that is being deleted',
      fix: 'wait until flyover cluster list does not show it any more',
      status: 409,
    });
  }

  #refusePreempted(id: string, kind: string, name: string): void {
    if (this.#lab.store.get(id) && !this.#isDeleting(id)) return;
    throw new LabError({
      code: 'OperationPreempted',
      field: kind,
      value: name,
      rule: 'was deleted while it was made',
      fix: 'make it again',
      status: 409,
    });
  }

  #view(cluster: Resource<Cluster>, machines: Resource<Machine>[]): ClusterView {
    const { name, provisioningState, error, properties } = cluster;
    // Its nodes are tried again: one that has come up since then has not failed.
    const recovered =
      provisioningState === 'Failed' && machines.every((m) => m.provisioningState === 'Succeeded');
    return {
      name,
      state: recovered ? 'Succeeded' : provisioningState,
      ...(error === undefined || recovered ? {} : { error }),
      ...properties,
      controlPlane: {
        ...this.#lab.controlPlanes.look(name),
        ...(hasOwnNetwork(properties) ? { operator: 'none' } : {}),
      },
      nodes: machines.map((machine) => this.#nodes.view(machine)),
    };
  }
}
