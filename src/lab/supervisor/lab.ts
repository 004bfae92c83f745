import { join } from 'node:path';
import type { Logger } from 'pino';
import { ResourceStore } from '../azure/store.ts';
import { refusedPackets } from '../fabric/filter-sync.ts';
import { namespaceOf } from '../fabric/names.ts';
import { ProcessWatch } from '../machine/index.ts';
import { LAB_STATE, namespacePath } from '../paths.ts';
import { Clusters } from './clusters.ts';
import { LabContext, type Programs } from './context.ts';
import { Hosts } from './hosts.ts';
import { KeyedLock, within } from './lock.ts';
import { Networks } from './networks.ts';
import { Nodes } from './nodes.ts';
import { Uplink } from './uplink.ts';

/** How long work under way may hold up the supervisor's end, in milliseconds; `down` waits a little longer. */
const CLOSE_PATIENCE_MS = 4000;

export interface LabStatus {
  supervisor: { pid: number; startedAt: string };
  uplink: string;
  networks: number;
  hosts: number;
  clusters: { name: string; state: string; nodes: number; ready: number; podCidr: string }[];
  /** Packets that the fabric refused, by namespace and reason. */
  refused: Record<string, Record<string, number>>;
}

/** The lab as its supervisor sees it: everything that the doors offer. */
export class Lab {
  readonly log: Logger;
  readonly networks: Networks;
  readonly clusters: Clusters;
  readonly hosts: Hosts;
  readonly #context: LabContext;
  readonly #nodes: Nodes;
  readonly #uplink: Uplink;
  readonly #startedAt = new Date().toISOString();

  constructor(options: { programs: Programs; log: Logger }) {
    this.log = options.log;
    this.#context = new LabContext({
      store: new ResourceStore(join(LAB_STATE, 'lab.sqlite')),
      programs: options.programs,
      log: options.log,
      locks: new KeyedLock(),
    });
    this.#nodes = new Nodes(this.#context, new ProcessWatch());
    this.#uplink = new Uplink(namespacePath(namespaceOf.internet()), options.log);
    this.networks = new Networks(this.#context);
    this.clusters = new Clusters(this.#context, this.#nodes);
    this.hosts = new Hosts(this.#context);
  }

  /** Takes over what runs, builds what is missing. The doors may open before it has finished. */
  async start(): Promise<{ resumed: Promise<void> }> {
    this.#context.applyFabric();
    await this.#uplink.start();
    return { resumed: this.clusters.resume((text) => this.log.info(text)) };
  }

  status(): LabStatus {
    const inventory = this.#context.inventory();
    const routers = [
      namespaceOf.internet(),
      ...inventory.virtualNetworks.map((network) => namespaceOf.virtualNetwork(network.name)),
      ...inventory.sites.map((site) => namespaceOf.site(site.name)),
      ...inventory.clusters.map((cluster) => namespaceOf.domain(cluster.name)),
    ];
    const refused = routers.map((name) => [name, refusedPackets(namespacePath(name))] as const);
    return {
      supervisor: { pid: process.pid, startedAt: this.#startedAt },
      uplink: this.#uplink.state,
      networks: inventory.virtualNetworks.length,
      hosts: inventory.hosts.length,
      clusters: this.clusters.list().map((cluster) => ({
        name: cluster.name,
        state: cluster.state,
        nodes: cluster.nodes.length,
        ready: cluster.nodes.filter((n) => n.state === 'Succeeded' && n.agent === 'running').length,
        podCidr: cluster.podCidr,
      })),
      refused: Object.fromEntries(refused.filter(([, counts]) => Object.keys(counts).length > 0)),
    };
  }

  /**
   * Lets go: nodes, namespaces and containers stay as they are. What is half started is finished first, within
   * reason: a machine between its birth and its record is hard to find for whoever comes next.
   */
  async close(): Promise<void> {
    this.#nodes.close();
    await within(this.#context.locks.idle(), CLOSE_PATIENCE_MS);
    this.#context.store.close();
  }
}
