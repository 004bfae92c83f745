import { Rtnl } from '../../kernel/netlink/index.ts';
import { deleteNamespace, namespaceId, setNetSysctl } from '../../kernel/netns.ts';
import { cableKey, connect, removeExtraLinks } from './cables.ts';
import { configure } from './configure.ts';
import { applyFilter } from './filter-sync.ts';
import { type FabricLocation, makeNamespace, pinnedNamespaces } from './namespace.ts';
import type { Cable, FabricPlan, FilterPlan, LinkEnd, NamespacePlan } from './plan.ts';

export { type FabricLocation, removeFabric } from './namespace.ts';

/** Brings the kernel to a plan once. @throws KernelError */
export function applyPlan(plan: FabricPlan, at: FabricLocation): void {
  new Fabric(at).apply(plan);
}

/** What this process has brought a namespace to. */
interface Applied {
  /** The namespace that had the name; another one may get it later, even with the same number. */
  id: number;
  /** All but the filter. */
  plan: string;
  filter: FilterPlan | undefined;
  filterText: string | undefined;
}

/** A namespace whose plan is to be carried out. */
interface Change extends Applied {
  namespace: NamespacePlan;
  /** The first time in this process: nothing about it is known. */
  unknown: boolean;
  /** More than the filter has changed. The health of a load balancer's nodes is in the filter alone. */
  beyondFilter: boolean;
  filterBefore: FilterPlan | undefined;
}

/**
 * Brings the kernel to a plan, whatever it finds: what is missing is made, what differs is set, what is too much is
 * removed. The first time it looks at everything, so it is also how a new supervisor takes over from a killed one.
 * Afterwards it looks at the namespaces whose plan has changed, and at whether the others are still there.
 *
 * In each namespace the filter comes before the links, so that a port that is up is a port that is checked.
 * Synchronous: nobody sees a half-applied plan from within this process.
 */
export class Fabric {
  readonly #at: FabricLocation;
  readonly #applied = new Map<string, Applied>();
  #cables = new Set<string>();

  constructor(at: FabricLocation) {
    this.#at = at;
  }

  /** @throws KernelError; the next attempt then looks at everything. */
  apply(plan: FabricPlan): void {
    try {
      this.#apply(plan);
    } catch (error) {
      this.forget();
      throw error;
    }
  }

  /** Makes the next `apply` look at everything again. */
  forget(): void {
    this.#applied.clear();
    this.#cables.clear();
  }

  #apply(plan: FabricPlan): void {
    this.#removeStrays(plan);
    const ends = endsByNamespace(plan.cables);
    const changes = new Map<string, Change>();
    for (const namespace of plan.namespaces.values()) {
      const change = this.#changeOf(namespace, ends.get(namespace.name) ?? []);
      if (change) changes.set(namespace.name, change);
    }
    if (changes.size === 0) return;

    using sockets = new Sockets(this.#at);
    for (const [name, { namespace, beyondFilter, filterBefore }] of changes) {
      const path = this.#at.pathOf(name);
      if (namespace.filter) applyFilter(namespace.filter, path, filterBefore);
      if (!beyondFilter) continue;
      for (const [key, value] of Object.entries(namespace.sysctls ?? {})) setNetSysctl(path, key, value);
    }
    const more = [...changes].filter(([, { beyondFilter }]) => beyondFilter).map(([name]) => name);
    for (const name of more) {
      if (plan.namespaces.get(name)!.role === 'router') {
        removeExtraLinks(sockets.in(name), ends.get(name) ?? []);
      }
    }
    const isUnknown = (end: LinkEnd): boolean => changes.get(end.namespace)?.unknown === true;
    const doubtful = plan.cables.filter(
      (cable) => !this.#cables.has(cableKey(cable)) || isUnknown(cable.a) || isUnknown(cable.b),
    );
    const made = connect(doubtful, sockets.in, this.#at);
    // A new end needs its addresses and routes also where the plan is what it was.
    const touched = new Set([...more, ...made.flatMap(({ a, b }) => [a.namespace, b.namespace])]);
    for (const name of touched) configure(plan.namespaces.get(name)!, sockets.in(name));

    for (const [name, { id, plan: text, filter, filterText }] of changes) {
      this.#applied.set(name, { id, plan: text, filter, filterText });
    }
    this.#cables = new Set(plan.cables.map(cableKey));
  }

  #removeStrays(plan: FabricPlan): void {
    const wanted = new Set([...plan.namespaces.keys()].map((name) => this.#at.pathOf(name)));
    for (const name of pinnedNamespaces(this.#at)) {
      if (!wanted.has(this.#at.pathOf(name))) deleteNamespace(this.#at.pathOf(name));
    }
    for (const name of this.#applied.keys()) if (!plan.namespaces.has(name)) this.#applied.delete(name);
  }

  /** Makes the namespace when it is missing; undefined when it is known to be what its plan says. */
  #changeOf(namespace: NamespacePlan, ends: readonly LinkEnd[]): Change | undefined {
    const { name } = namespace;
    const path = this.#at.pathOf(name);
    let id = namespaceId(path);
    if (id === undefined) {
      makeNamespace(namespace, this.#at);
      this.#applied.delete(name);
      id = namespaceId(path)!;
    }
    const { filter, ...rest } = namespace;
    const plan = JSON.stringify([rest, ends]);
    const filterText = JSON.stringify(filter);
    const before = this.#applied.get(name);
    const unknown = before?.id !== id;
    const beyondFilter = unknown || before.plan !== plan;
    if (!beyondFilter && before.filterText === filterText) return undefined;
    const filterBefore = unknown ? undefined : before.filter;
    return { id, plan, filter, filterText, namespace, unknown, beyondFilter, filterBefore };
  }
}

function endsByNamespace(cables: readonly Cable[]): Map<string, LinkEnd[]> {
  return Map.groupBy(
    cables.flatMap((cable) => [cable.a, cable.b]),
    (end) => end.namespace,
  );
}

/** One rtnetlink socket in each namespace that is touched. */
class Sockets {
  readonly #at: FabricLocation;
  readonly #open = new Map<string, Rtnl>();

  constructor(at: FabricLocation) {
    this.#at = at;
  }

  readonly in = (namespace: string): Rtnl => {
    let socket = this.#open.get(namespace);
    if (!socket) {
      socket = Rtnl.open({ netns: this.#at.pathOf(namespace) });
      this.#open.set(namespace, socket);
    }
    return socket;
  };

  [Symbol.dispose](): void {
    for (const socket of this.#open.values()) socket.close();
  }
}
