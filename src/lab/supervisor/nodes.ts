import { setTimeout as delay } from 'node:timers/promises';
import { resourceId, TYPES } from '../azure/ids.ts';
import type { Resource } from '../azure/store.ts';
import type { Cluster, Machine } from '../azure/types.ts';
import type { ProcessIdentity } from '../machine/index.ts';
import type { LabContext, NodeOrder, Report } from './context.ts';
import { Gate } from './lock.ts';
import type { NodeView } from './views.ts';

/** Nodes that start at one time: each spends its start in containerd and Node, which two cores share. */
const PARALLEL_STARTS = 4;
/** Nodes that stop at one time: that is killing, waiting, and removing files. */
const PARALLEL_STOPS = 8;

/** First wait before a node is mended again; doubled up to the longest, in milliseconds. */
const BACKOFF = { first: 200, longest: 10_000, forgottenAfter: 60_000 };

/** The nodes of all clusters: starts them, keeps their daemons running, removes them. */
export class Nodes {
  readonly #lab: LabContext;
  readonly #starts = new Gate(PARALLEL_STARTS);
  readonly #stops = new Gate(PARALLEL_STOPS);
  readonly #closing = new AbortController();
  /** How often, and when last, something of a node had to be mended. */
  readonly #troubles = new Map<string, { count: number; last: number }>();
  /** Nodes whose mending is arranged and has not begun: it will find all that is wrong by then. */
  readonly #mending = new Set<string>();
  /** Parts of nodes that are watched: `<node>/<part>` -> the process. */
  readonly #watched = new Map<string, ProcessIdentity>();

  constructor(lab: LabContext) {
    this.#lab = lab;
  }

  /**
   * Brings a node to running and Ready, whatever part of it runs already. One that fails is tried again behind the
   * scenes, less and less often: the store says that it should be there. One that is being deleted is left alone.
   *
   * @throws Error naming the node, what went wrong, and where to look
   */
  async ensure(machine: Resource<Machine>, report: Report): Promise<void> {
    try {
      await this.#start(machine, report);
    } catch (error) {
      void this.#mend(machine, 'start');
      const { cluster } = machine.properties;
      throw new Error(
        `node ${machine.name} did not start: ${(error as Error).message}; the lab goes on trying: flyover node list ${cluster}`,
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
      this.#lab.change(() => this.#lab.store.delete(id));
      this.#troubles.delete(name);
      report(`node ${name} is gone: ${properties.nodeBlock} is free`);
    });
  }

  view(machine: Resource<Machine>): NodeView {
    return {
      name: machine.name,
      ...machine.properties,
      state: machine.provisioningState,
      ...(machine.error === undefined ? {} : { error: machine.error }),
      ...this.#lab.nodes.look(machine.name),
    };
  }

  /** Stops watching and mending; the nodes run on. */
  close(): void {
    this.#closing.abort();
    this.#lab.watch.close();
  }

  /** The node as it is in the store, unless it is gone or on its way. */
  #wanted(id: string): Resource<Machine> | undefined {
    const machine = this.#lab.store.get<Machine>(id);
    return machine?.provisioningState === 'Deleting' ? undefined : machine;
  }

  async #start(machine: Resource<Machine>, report: Report): Promise<void> {
    await this.#lab.locks.run(`node/${machine.name}`, () =>
      this.#starts.run(async () => {
        const current = this.#wanted(machine.id);
        if (!current) return;
        const started = performance.now();
        try {
          // Its namespace could be what is missing.
          this.#lab.applyFabric();
          const parts = await this.#lab.nodes.start(this.#orderOf(current));
          if (!this.#wanted(machine.id)) return;
          for (const [part, process] of Object.entries(parts)) this.#keepAlive(current, part, process);
          this.#lab.store.setState(current.id, 'Succeeded');
        } catch (error) {
          if (!this.#wanted(machine.id)) return;
          this.#lab.store.setState(current.id, 'Failed', (error as Error).message);
          throw error;
        }
        const seconds = ((performance.now() - started) / 1000).toFixed(1);
        const { address, nodeBlock } = current.properties;
        report(`node ${current.name} is ready: ${address}, pods in ${nodeBlock} (${seconds} s)`);
      }),
    );
  }

  #orderOf(machine: Resource<Machine>): NodeOrder {
    const cluster = this.#lab.store.get<Cluster>(resourceId(TYPES.cluster, [machine.properties.cluster]))!;
    return {
      name: machine.name,
      machine: machine.properties,
      cluster: cluster.properties,
      wanted: () => this.#wanted(machine.id) !== undefined,
    };
  }

  #keepAlive(machine: Resource<Machine>, part: string, process: ProcessIdentity): void {
    const key = `${machine.name}/${part}`;
    const known = this.#watched.get(key);
    if (known?.pid === process.pid && known.startTime === process.startTime) return;
    this.#watched.set(key, process);
    this.#lab.watch.add(process, () => {
      if (this.#watched.get(key) === process) this.#watched.delete(key);
      void this.#mend(machine, part);
    });
  }

  /** Starts again what has died of a node, at once or after a while. */
  async #mend(machine: Resource<Machine>, part: string): Promise<void> {
    const { name, id } = machine;
    const { signal } = this.#closing;
    if (signal.aborted || this.#mending.has(name) || !this.#wanted(id)) return;
    this.#mending.add(name);
    try {
      const wait = this.#nextWait(name);
      this.#lab.log.warn({ node: name, part, restartInMs: wait }, 'died; starting it again');
      await delay(wait, undefined, { signal });
    } catch {
      return;
    } finally {
      this.#mending.delete(name);
    }
    await this.#start(machine, (text) => this.#lab.log.info(text)).catch((error: unknown) => {
      this.#lab.log.error({ node: name, part, err: error }, 'starting it again failed');
      void this.#mend(machine, part);
    });
  }

  /** The first time nothing, in milliseconds: an agent that is down holds up every pod of its node. */
  #nextWait(name: string): number {
    const past = this.#troubles.get(name);
    const recent = past && Date.now() - past.last < BACKOFF.forgottenAfter ? past.count : 0;
    this.#troubles.set(name, { count: recent + 1, last: Date.now() });
    return recent === 0 ? 0 : Math.min(BACKOFF.first * 2 ** (recent - 1), BACKOFF.longest);
  }
}
