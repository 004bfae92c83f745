import type { Conntrack } from '../../../kernel/conntrack/index.ts';
import { isKernelError } from '../../../kernel/errno.ts';
import { type CounterValue, type Nft, Transaction } from '../../../kernel/nft/index.ts';
import type { ServiceTranslation } from '../../../service/types.ts';
import { TABLE as POD_TABLE } from '../table.ts';
import { dynamicChain } from './chains.ts';
import { addDynamicChain, compareFrame } from './frame.ts';
import {
  addressTexts,
  BACKENDS,
  CONFIGURED,
  FAMILIES,
  FRONTENDS,
  INSIDE_BACKENDS,
  NODES,
  PLANNED,
  PODS,
  rangeTexts,
  SERVICE_RANGES,
  SETS,
  TABLE,
  TRACKED,
} from './layout.ts';
import { Mirror } from './mirror.ts';
import { ServicePlan } from './plan.ts';
import { forgetClients, forgetStaleUdp, inUse } from './stale.ts';
import { waysOf } from './way.ts';

/** What the tables must know of the node and its cluster. All CIDRs are strict (no host bits) and checked. */
export interface ServiceNetwork {
  /** The node's own addresses: node ports are there, and translated sources wear them. At most a few. */
  readonly nodeAddresses: readonly string[];
  /** Where all pods of the cluster live: who comes from there is inside. */
  readonly podCIDRs: readonly string[];
  /** Packets to an address in these that no Service has are dropped instead of leaving by the default route. */
  readonly serviceCIDRs?: readonly string[];
}

/** What {@link ServiceTable.sync} found and did. */
export interface ServiceFindings {
  /** The table was not there, or not of this layout, and was made as a whole. */
  readonly created: boolean;
  /** Elements, chains and rules that were added, changed or removed; 0 when the kernel was right. */
  readonly changes: number;
  /** UDP connections that were forgotten because they led to a backend that is gone. */
  readonly forgotten: number;
  /** What is not in force, and why: one sentence each. */
  readonly problems: readonly string[];
}

/** What the kernel holds and should hold. */
interface State {
  readonly mirror: Mirror;
  readonly plan: ServicePlan;
  readonly dynamic: Set<string>;
}

/**
 * The Services of one node in the kernel: table `inet flyover-services`, and in the pod table the set of backends whose
 * answers have to be tracked. All translations happen in chains of type nat, so that only the first packet of a
 * connection comes by; connections that are established stay where they are, whatever changes here.
 */
export class ServiceTable {
  readonly #nft: Nft;
  readonly #conntrack: Conntrack;
  #network: ServiceNetwork;
  #services = new Map<string, ServiceTranslation>();
  /** Undefined until the first {@link sync}, and when the kernel refused a change. */
  #state: State | undefined;

  /** Closes both with this object; they must be bound to the node's namespace. */
  constructor(nft: Nft, conntrack: Conntrack, network: ServiceNetwork) {
    this.#nft = nft;
    this.#conntrack = conntrack;
    this.#network = network;
  }

  /** Another configuration of the node; in force with the next {@link sync}. */
  configure(network: ServiceNetwork): void {
    this.#network = network;
  }

  /**
   * Brings the kernel to exactly these, whatever it holds: at the start, and from time to time to repair what others
   * did. Nothing is touched that is right already.
   *
   * @throws KernelError when the kernel refuses; then nothing has changed
   */
  sync(services: Iterable<ServiceTranslation>): ServiceFindings {
    this.#services = new Map([...services].map((service) => [service.key, service]));
    this.#state = undefined;
    const problems: string[] = [];
    const { created, tx, changes, dynamic, foreign } = compareFrame(this.#nft, this.#network.nodeAddresses);
    const { mirror, tracking } = this.#read(created);
    const before = new Set(FAMILIES.flatMap((family) => [...mirror.keys(FRONTENDS[family])]));
    const ledTo = tracking ? backendsIn(mirror) : new Set<string>();
    const plan = new ServicePlan(mirror, tracking);
    mirror.beginSweep();
    this.#putNetwork(mirror);
    // In this order who has a claim comes before who has to wait, and backends keep their places in the maps.
    for (const key of [...this.#services.keys()].sort())
      plan.set(key, this.#ways(this.#services.get(key)!, problems));
    mirror.sweep([...CONFIGURED, ...PLANNED].flatMap((set) => FAMILIES.map((family) => set[family])));
    if (tracking) this.#collectTracked(mirror, plan, ledTo);
    const state = { mirror, plan, dynamic };
    const written = this.#commit(tx, state, foreign);
    this.#state = state;
    plan.takeChanged();
    const all = new Set([...before, ...plan.ways.keys()]);
    const forgotten = this.#afterwards(state, all, undefined, problems);
    return { created, changes: changes + written, forgotten, problems };
  }

  /**
   * Only what changed, in one transaction; `gone` are keys. Where the kernel's table turns out not to be what was left
   * there, everything is brought up to date instead.
   *
   * @throws KernelError when the kernel refuses that too
   */
  update(changed: readonly ServiceTranslation[], gone: readonly string[]): ServiceFindings {
    for (const key of gone) this.#services.delete(key);
    for (const service of changed) this.#services.set(service.key, service);
    const state = this.#state;
    if (state === undefined) return this.sync(this.#services.values());
    const problems: string[] = [];
    for (const key of gone) if (!this.#services.has(key)) state.plan.set(key, new Map());
    for (const service of changed) state.plan.set(service.key, this.#ways(service, problems));
    let changes: number;
    try {
      changes = this.#commit(new Transaction(), state, []);
    } catch (error) {
      this.#state = undefined;
      if (!isKernelError(error)) throw error;
      const findings = this.sync(this.#services.values());
      const found = `the table was not as it was left (${error.message}) and has been brought up to date`;
      return { ...findings, problems: [found, ...findings.problems] };
    }
    const touched = state.plan.takeChanged();
    const forgotten = this.#afterwards(state, touched.all, touched.sticky, problems);
    return { created: false, changes, forgotten, problems };
  }

  /** The table's named counters; they live as long as the table, over restarts of the agent. */
  counters(): Map<string, CounterValue> {
    return this.#nft.counters(TABLE);
  }

  /**
   * Takes everything away. Connections that were translated end, unless the pod table tracks all pod traffic by then,
   * as it has to where somebody else translates.
   */
  remove(): void {
    const tx = new Transaction().deleteTable(TABLE, { ifMissing: 'ignore' });
    if (this.#hasTracked()) for (const family of FAMILIES) tx.flushSet(TRACKED[family]);
    this.#nft.commit(tx);
    this.#state = undefined;
    this.#services.clear();
  }

  close(): void {
    this.#nft.close();
    this.#conntrack.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #ways(service: ServiceTranslation, problems: string[]): ReturnType<typeof waysOf> {
    return waysOf(service, this.#network.nodeAddresses, (text) => problems.push(text));
  }

  /** What the kernel holds now. */
  #read(created: boolean): { mirror: Mirror; tracking: boolean } {
    const tracking = this.#hasTracked();
    const sets = SETS.filter((set) => !set.dynamic);
    const tracked = FAMILIES.map((family) => TRACKED[family]);
    const mirror = new Mirror(tracking ? [...sets, ...tracked] : sets);
    if (!created) for (const set of sets) mirror.load(set, this.#nft.listElements(TABLE, set.name));
    if (tracking) for (const set of tracked) mirror.load(set, this.#nft.listElements(POD_TABLE, set.name));
    return { mirror, tracking };
  }

  #putNetwork(mirror: Mirror): void {
    const { nodeAddresses, podCIDRs, serviceCIDRs = [] } = this.#network;
    for (const family of FAMILIES) {
      for (const text of addressTexts(nodeAddresses, family)) mirror.put(NODES[family], text, '');
      for (const text of rangeTexts(podCIDRs, family)) mirror.put(PODS[family], text, '');
      for (const text of rangeTexts(serviceCIDRs, family)) mirror.put(SERVICE_RANGES[family], text, '');
    }
  }

  /** Without a pod table, or one that is older than this, there is nothing to be told to it. */
  #hasTracked(): boolean {
    const exists = this.#nft
      .listTables(POD_TABLE.family)
      .some(({ name, family }) => name === POD_TABLE.name && family === POD_TABLE.family);
    if (!exists) return false;
    const names = new Set(this.#nft.listSets(POD_TABLE).map(({ name }) => name));
    return FAMILIES.every((family) => names.has(TRACKED[family].name));
  }

  /**
   * Takes backends out of the pod table's set that nothing leads to any more: no way, now or until this moment, and no
   * connection.
   */
  #collectTracked(mirror: Mirror, plan: ServicePlan, ledTo: ReadonlySet<string>): void {
    for (const family of FAMILIES) {
      const idle = new Set<string>();
      for (const key of mirror.keys(TRACKED[family]))
        if (!plan.leadsTo(key) && !ledTo.has(key)) idle.add(key);
      const used = inUse(this.#conntrack, idle);
      for (const key of idle) if (!used.has(key)) mirror.delete(TRACKED[family], key);
    }
  }

  /** @returns how many elements and chains changed */
  #commit(tx: Transaction, { mirror, dynamic }: State, foreign: readonly string[]): number {
    const wanted = new Set([...mirror.chains()].filter((name) => dynamicChain(name) !== undefined));
    const come = [...wanted].filter((name) => !dynamic.has(name));
    const go = [...[...dynamic].filter((name) => !wanted.has(name)), ...foreign];
    for (const name of come) addDynamicChain(tx, name);
    const changes = mirror.write(tx) + come.length + go.length;
    for (const name of go) tx.flushChain({ table: TABLE, name });
    for (const name of go) tx.deleteChain({ table: TABLE, name });
    this.#nft.commit(tx);
    mirror.settle();
    for (const name of go) dynamic.delete(name);
    for (const name of come) dynamic.add(name);
    return changes;
  }

  /** What cannot be in the transaction: what packets have left behind. Failures of it leave the tables in force. */
  #afterwards(
    { plan }: State,
    udp: ReadonlySet<string>,
    sticky: ReadonlySet<string> | undefined,
    problems: string[],
  ): number {
    try {
      if (sticky === undefined || sticky.size > 0) forgetClients(this.#nft, plan.ways, sticky);
      return forgetStaleUdp(this.#conntrack, plan.ways, udp);
    } catch (error) {
      problems.push(`connections to backends that are gone: ${(error as Error).message}`);
      return 0;
    }
  }
}

/** Backends that the kernel's maps lead to, as the pod table names them. */
function backendsIn(mirror: Mirror): Set<string> {
  const found = new Set<string>();
  for (const family of FAMILIES)
    for (const set of [BACKENDS[family], INSIDE_BACKENDS[family]])
      for (const key of mirror.keys(set)) {
        const protocol = key.split(' . ')[1];
        found.add(mirror.get(set, key)!.replace(' . ', ` . ${protocol} . `));
      }
  return found;
}
