import type { Logger } from 'pino';
import { type Inventory, readInventory } from '../azure/door/inventory.ts';
import type { ResourceStore } from '../azure/store.ts';
import type { Cluster, Machine } from '../azure/types.ts';
import { workingPeerings } from '../fabric/model.ts';
import type { FabricPlan } from '../fabric/plan.ts';
import { planFabric } from '../fabric/planner.ts';
import type { ProcessIdentity } from '../machine/index.ts';
import { KeyedLock } from './lock.ts';
import type { NodePoolDoors } from './node-pools.ts';
import type { ControlPlaneView, NodeView } from './views.ts';

/** What the fabric calls a load balancer: a name that no other cluster's has. */
export function fabricName(balancer: { cluster: string; name: string }): string {
  return `${balancer.cluster}/${balancer.name}`;
}

/** Tells a waiting person what is going on: one short line a step. */
export type Report = (text: string) => void;

/** A cluster, with its name. */
export type ClusterOrder = Cluster & { name: string };

/** A control plane as it should run. */
export type ControlPlaneOrder = ClusterOrder & {
  /** False once nobody wants the cluster any more. */
  wanted(): boolean;
};

/** How the Kubernetes API of clusters is run, and asked. */
export interface ControlPlaneDriver {
  /**
   * Starts what does not run yet and waits until the API serves. Returns its parts, by name.
   * @throws Error with what went wrong, or when it is not wanted any more
   */
  start(order: ControlPlaneOrder): Promise<Record<string, ProcessIdentity>>;
  /** Ends it and removes all that it stored. One that does not run is no error. */
  stop(cluster: string): Promise<void>;
  look(cluster: string): ControlPlaneView;
  /** The kubeconfig of the cluster's administrator. @throws Error before the control plane was started once */
  kubeconfig(cluster: string): Promise<string>;
  /** A Node of the cluster, as its API shows it; undefined when there is none. */
  exampleNode(cluster: string): Promise<object | undefined>;
  /** Deletes a Node object whose machine is gone. One that is not there is no error. */
  forgetNode(cluster: string, node: string): Promise<void>;
}

/** A node as it should run. */
export interface NodeOrder {
  name: string;
  machine: Machine;
  cluster: ClusterOrder;
  /** False once nobody wants the node any more: what is still to be done for it need not be done. */
  wanted(): boolean;
}

/** How nodes are run: as machines on this machine, or in tests not at all. */
export interface NodeDriver {
  /**
   * Starts what of a node does not run yet and waits until it serves. Returns its parts, by name.
   * @throws Error with what went wrong, or when it is not wanted any more
   */
  start(order: NodeOrder): Promise<Record<string, ProcessIdentity>>;
  /** Ends the node and removes its disk. One that does not run is no error. */
  stop(name: string): Promise<void>;
  look(name: string): Pick<NodeView, 'init' | 'containerd' | 'agent' | 'kubelet'>;
}

/** Tells of the end of processes: see ProcessWatch. */
export interface Watch {
  add(process: ProcessIdentity, onGone: () => void): void;
  close(): void;
}

/** What the lab is built of. */
export interface LabParts {
  store: ResourceStore;
  log: Logger;
  nodes: NodeDriver;
  controlPlanes: ControlPlaneDriver;
  nodePools: NodePoolDoors;
  watch: Watch;
  fabric: {
    apply(plan: FabricPlan): void;
    /** Makes the next `apply` look at everything. */
    forget(): void;
  };
  /** IPv4 addresses of the machine, without the lab's own. */
  machineAddresses(): string[];
}

/** What the supervisor's parts share. */
export class LabContext {
  readonly store: ResourceStore;
  readonly log: Logger;
  readonly nodes: NodeDriver;
  readonly controlPlanes: ControlPlaneDriver;
  readonly nodePools: NodePoolDoors;
  readonly watch: Watch;
  /** Serialises what is done to one thing: `node/<name>`, `cluster/<name>`. */
  readonly locks = new KeyedLock();
  /** Nodes that get connections, by load balancer and rule: see `FabricModel`. Whoever writes to it applies the fabric. */
  readonly healthyNodes = new Map<string, readonly string[]>();
  readonly #fabric: LabParts['fabric'];
  readonly #machineAddresses: () => string[];

  constructor(parts: LabParts) {
    this.store = parts.store;
    this.log = parts.log;
    this.nodes = parts.nodes;
    this.controlPlanes = parts.controlPlanes;
    this.nodePools = parts.nodePools;
    this.watch = parts.watch;
    this.#fabric = parts.fabric;
    this.#machineAddresses = parts.machineAddresses;
  }

  inventory(): Inventory {
    return readInventory(this.store);
  }

  plan(): FabricPlan {
    const inventory = this.inventory();
    const sides = inventory.peerings.map((peering) => ({ from: peering.from, peering }));
    const machineAddresses = this.#machineAddresses();
    return planFabric({
      ...inventory,
      peerings: workingPeerings(sides),
      // Every cluster has one called `kubernetes`.
      loadBalancers: inventory.loadBalancers.map((each) => ({ ...each, name: fabricName(each) })),
      healthyNodes: this.healthyNodes,
      machineAddresses,
    });
  }

  /**
   * Brings namespaces, cables, routes and filters to what the store says. Synchronous.
   * @param everything - look also at what this process has brought there before
   */
  applyFabric(everything = false): void {
    const started = performance.now();
    if (everything) this.#fabric.forget();
    const plan = this.plan();
    this.#fabric.apply(plan);
    this.log.debug({ ms: performance.now() - started, namespaces: plan.namespaces.size }, 'fabric applied');
  }

  /**
   * Writes to the store and brings the fabric to it: both or neither. Whoever is refused finds everything as it was.
   * A supervisor that is killed in between leaves a fabric that the next one brings back to the store.
   */
  change<T>(write: () => T): T {
    try {
      return this.store.transaction(() => {
        const result = write();
        this.applyFabric();
        return result;
      });
    } catch (error) {
      try {
        this.applyFabric(true);
      } catch (again) {
        this.log.error({ err: again }, 'the fabric does not take its former state either');
      }
      throw error;
    }
  }
}
