import type { Logger } from 'pino';
import type { SnatUsage } from '../fabric/snat-usage.ts';
import { Clusters } from './clusters.ts';
import { LabContext, type LabParts } from './context.ts';
import { ControlPlanes } from './control-planes.ts';
import { Gateways } from './gateways.ts';
import { Hosts } from './hosts.ts';
import { type CloudParts, LoadBalancers } from './load-balancers.ts';
import { within } from './lock.ts';
import { Networks } from './networks.ts';
import { Nodes } from './nodes.ts';
import { SnatWatch } from './snat.ts';
import type { LabStatus } from './views.ts';

/** How long work under way may hold up the supervisor's end, in milliseconds; `down` waits a little longer. */
const CLOSE_PATIENCE_MS = 4000;

/** What the lab as a whole has besides what its rooms share. */
export interface LabOptions extends LabParts {
  uplink: { readonly state: string; start(): Promise<void>; close(): void };
  registry: { start(): Promise<void>; close(): void };
  /** Absent: clusters have no load balancers. */
  cloud?: CloudParts;
  /** Source ports in the router of a virtual network; absent: nobody counts them. */
  snatUsage?: (virtualNetwork: string) => SnatUsage;
  /** Whether a namespace of the fabric is there. */
  isThere(namespace: string): boolean;
  /** Packets that a router refused, by reason. */
  refused(namespace: string): Record<string, number>;
}

/** The lab as its supervisor sees it: everything that the doors offer. */
export class Lab {
  readonly log: Logger;
  readonly networks: Networks;
  readonly clusters: Clusters;
  readonly hosts: Hosts;
  readonly gateways: Gateways;
  readonly loadBalancers: LoadBalancers;
  readonly snat: SnatWatch;
  readonly #context: LabContext;
  readonly #nodes: Nodes;
  readonly #controlPlanes: ControlPlanes;
  readonly #options: LabOptions;
  readonly #startedAt = new Date().toISOString();

  constructor(options: LabOptions) {
    this.log = options.log;
    this.#options = options;
    this.#context = new LabContext(options);
    this.#nodes = new Nodes(this.#context);
    this.loadBalancers = new LoadBalancers(this.#context, options.cloud);
    this.#controlPlanes = new ControlPlanes(this.#context, (cluster) => this.loadBalancers.open(cluster));
    this.networks = new Networks(this.#context);
    this.clusters = new Clusters(this.#context, this.#nodes, this.#controlPlanes, this.loadBalancers);
    this.hosts = new Hosts(this.#context);
    this.snat = new SnatWatch(this.#context, options.snatUsage, (name) => this.loadBalancers.clientOf(name));
    this.gateways = new Gateways(this.#context);
  }

  /** Takes over what runs, builds what is missing. The doors may open before `resumed` resolves; it never rejects. */
  async start(): Promise<{ resumed: Promise<void> }> {
    this.#context.applyFabric();
    await Promise.all([this.#options.uplink.start(), this.#options.registry.start()]);
    this.snat.start();
    return { resumed: this.clusters.resume((text) => this.log.info(text)) };
  }

  /** Looks at everything in the kernel, whatever is known about it, and mends what somebody broke. */
  check(): void {
    this.#context.applyFabric(true);
  }

  /** The machine's addresses have changed: what the lab keeps away from them has to follow. */
  machineChanged(): void {
    try {
      this.#context.applyFabric();
    } catch (error) {
      this.log.error({ err: error }, 'the fabric does not follow the addresses of the machine');
    }
  }

  status(): LabStatus {
    const inventory = this.#context.inventory();
    const there = [...this.#context.plan().namespaces.values()].filter(({ role }) => role !== 'machine');
    const missing = there.map(({ name }) => name).filter((name) => !this.#options.isThere(name));
    const routers = there.filter(({ role, name }) => role === 'router' && !missing.includes(name));
    const refused = routers.map(({ name }) => [name, this.#refusedBy(name)] as const);
    return {
      supervisor: { pid: process.pid, startedAt: this.#startedAt },
      uplink: this.#options.uplink.state,
      networks: inventory.virtualNetworks.length,
      hosts: inventory.hosts.length,
      clusters: this.clusters.list().map((cluster) => ({
        name: cluster.name,
        state: cluster.state,
        nodes: cluster.nodes.length,
        ready: cluster.nodes.filter((n) => n.state === 'Succeeded' && n.agent !== 'down').length,
        podCidr: cluster.podCidr,
        networkPlugin: cluster.networkPlugin ?? 'azure',
      })),
      missing,
      snat: this.snat.usage().nodes,
      refused: Object.fromEntries(refused.filter(([, counts]) => Object.keys(counts).length > 0)),
    };
  }

  /**
   * Lets go: nodes, namespaces and containers stay as they are. What is half started is finished first, within
   * reason: a machine between its birth and its record is hard to find for whoever comes next.
   */
  async close(): Promise<void> {
    this.#nodes.close();
    this.#controlPlanes.close();
    this.snat.close();
    this.loadBalancers.closeAll();
    this.#context.watch.close();
    this.#options.uplink.close();
    this.#options.registry.close();
    await within(this.#context.locks.idle(), CLOSE_PATIENCE_MS);
    this.#context.store.close();
  }

  /** Nothing when the router is being made or has lost its table: the rest of the status is still worth seeing. */
  #refusedBy(router: string): Record<string, number> {
    try {
      return this.#options.refused(router);
    } catch (error) {
      this.log.warn({ namespace: router, err: error }, 'cannot read what it refused');
      return {};
    }
  }
}
