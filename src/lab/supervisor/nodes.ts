import { resourceId, TYPES } from '../azure/ids.ts';
import type { Resource } from '../azure/store.ts';
import type { Cluster, Machine } from '../azure/types.ts';
import { namespaceOf } from '../fabric/names.ts';
import { findMachine, findService, type ProcessWatch, stopMachine } from '../machine/index.ts';
import { namespacePath } from '../paths.ts';
import type { NodeView } from './clusters.ts';
import type { LabContext, Report } from './context.ts';
import { machineRefOf, type NodeBuild, startNode } from './node-start.ts';

/** First wait before a service or node that died is started again; doubled up to the longest, in milliseconds. */
const BACKOFF = { first: 200, longest: 10_000, forgottenAfter: 60_000 };

/** The nodes of all clusters: starts them, keeps their daemons running, removes them. */
export class Nodes {
  readonly #lab: LabContext;
  readonly #watch: ProcessWatch;
  readonly #deaths = new Map<string, { count: number; last: number }>();
  readonly #watched = new Map<string, number>();
  #closed = false;

  constructor(lab: LabContext, watch: ProcessWatch) {
    this.#lab = lab;
    this.#watch = watch;
  }

  /**
   * Brings a node to running and Ready, whatever part of it runs already. One that fails is tried again behind the
   * scenes, less and less often: the store says that it should be there.
   */
  async ensure(machine: Resource<Machine>, report: Report): Promise<void> {
    try {
      await this.#start(machine, report);
    } catch (error) {
      void this.#revive(machine, 'start');
      throw error;
    }
  }

  async #start(machine: Resource<Machine>, report: Report): Promise<void> {
    await this.#lab.locks.run(`node/${machine.name}`, async () => {
      const current = this.#lab.store.get<Machine>(machine.id);
      if (!current || current.provisioningState === 'Deleting') return;
      const started = performance.now();
      try {
        const running = await startNode(this.#build(current));
        this.#keepAlive(current, 'init', running.machine.init);
        for (const service of running.services) this.#keepAlive(current, service.name, service.process);
        this.#lab.store.setState(current.id, 'Succeeded');
        const seconds = ((performance.now() - started) / 1000).toFixed(1);
        const { address, nodeBlock } = current.properties;
        report(`node ${current.name} is ready: ${address}, pods in ${nodeBlock} (${seconds} s)`);
      } catch (error) {
        this.#lab.store.setState(current.id, 'Failed', (error as Error).message);
        throw error;
      }
    });
  }

  /** Stops a node, frees its block and address, and forgets it. */
  async remove(machine: Resource<Machine>, report: Report): Promise<void> {
    await this.#lab.locks.run(`node/${machine.name}`, async () => {
      await stopMachine(machineRefOf(machine.name), { removeDisk: true });
      this.#lab.store.delete(machine.id);
      this.#lab.applyFabric();
      report(`node ${machine.name} is gone: ${machine.properties.nodeBlock} is free`);
    });
  }

  view(machine: Resource<Machine>): NodeView {
    const running = findMachine(machineRefOf(machine.name));
    const stateOf = (service: string): 'running' | 'down' =>
      running && findService(running, service) ? 'running' : 'down';
    return {
      name: machine.name,
      cluster: machine.properties.cluster,
      index: machine.properties.index,
      address: machine.properties.address,
      nodeBlock: machine.properties.nodeBlock,
      state: machine.provisioningState,
      ...(machine.error === undefined ? {} : { error: machine.error }),
      ...(running ? { init: running.init.pid } : {}),
      containerd: stateOf('containerd'),
      agent: stateOf('agent'),
    };
  }

  /** Stops watching; the nodes run on. */
  close(): void {
    this.#closed = true;
    this.#watch.close();
  }

  #build(machine: Resource<Machine>): NodeBuild {
    const { store, programs, log } = this.#lab;
    const cluster = store.get<Cluster>(resourceId(TYPES.cluster, [machine.properties.cluster]))!;
    return {
      name: machine.name,
      netns: namespacePath(namespaceOf.node(machine.name)),
      machine: machine.properties,
      cluster: cluster.properties,
      programs,
      log: log.child({ node: machine.name }),
    };
  }

  #keepAlive(machine: Resource<Machine>, part: string, process: { pid: number; startTime: string }): void {
    const key = `${machine.name}/${part}`;
    if (this.#watched.get(key) === process.pid) return;
    this.#watched.set(key, process.pid);
    this.#watch.add(process, () => {
      this.#watched.delete(key);
      void this.#revive(machine, part);
    });
  }

  async #revive(machine: Resource<Machine>, part: string): Promise<void> {
    const current = this.#lab.store.get<Machine>(machine.id);
    if (this.#closed || !current || current.provisioningState === 'Deleting') return;
    const key = `${machine.name}/${part}`;
    const past = this.#deaths.get(key);
    const recent = past && Date.now() - past.last < BACKOFF.forgottenAfter ? past.count : 0;
    this.#deaths.set(key, { count: recent + 1, last: Date.now() });
    // The first death is mended at once: an agent that is down holds up every pod of its node.
    const wait = recent === 0 ? 0 : Math.min(BACKOFF.first * 2 ** (recent - 1), BACKOFF.longest);
    this.#lab.log.warn({ node: machine.name, part, restartInMs: wait }, 'died; starting it again');
    await new Promise((resolve) => setTimeout(resolve, wait));
    if (this.#closed) return;
    await this.#start(current, (text) => this.#lab.log.info(text)).catch((error: unknown) => {
      this.#lab.log.error({ node: machine.name, part, err: error }, 'starting it again failed');
      void this.#revive(machine, part);
    });
  }
}
