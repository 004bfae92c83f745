import type { Inventory, Named } from '../azure/door/inventory.ts';
import { nodeGroup, resourceId, TYPES } from '../azure/ids.ts';
import type { Cluster, LoadBalancer, LoadBalancerRule, PublicIpAddress } from '../azure/types.ts';
import { LabError } from '../errors.ts';
import { type Frontend, type FrontendChoice, frontendFor } from './frontend.ts';
import { ownerOfName } from './service.ts';
import type { Wish } from './wish.ts';

export const PUBLIC = 'kubernetes';
export const INTERNAL = 'kubernetes-internal';

/** What a Service got. */
export type Outcome = { readonly address: string; readonly changed: boolean } | { readonly error: Error };

/** What to write, all of it in one transaction; names are those of resources of the cluster. */
export interface Reconciled {
  readonly outcomes: ReadonlyMap<string, Outcome>;
  /** Load balancers as they have to be; undefined: it has to go. Those that are not here stay as they are. */
  readonly balancers: ReadonlyMap<string, LoadBalancer | undefined>;
  readonly addressesMade: readonly NonNullable<FrontendChoice['made']>[];
  /** Names of public addresses that nobody needs any more. */
  readonly addressesGone: readonly string[];
}

/**
 * Brings a cluster's load balancers to what some of its Services want. A Service that cannot have it keeps what it
 * has. Pure: doing it again with the result changes nothing.
 *
 * @param gone - owners that want nothing any more
 * @param alive - owners that want something, whether it is in `wishes` or not
 */
export function reconcile(
  inventory: Inventory,
  cluster: Named<Cluster>,
  wishes: readonly Wish[],
  gone: readonly string[],
  alive: ReadonlySet<string>,
): Reconciled {
  const work = new Work(inventory, cluster, alive);
  // First all that goes: somebody may be waiting for just that address or port.
  for (const owner of gone) work.release(owner);
  const outcomes = new Map(wishes.map((wish) => [wish.owner, work.grant(wish)] as const));
  return { outcomes, ...work.result() };
}

/** The state in the middle of the work: an inventory of its own, which grows and shrinks. */
class Work {
  readonly #inventory: Inventory;
  readonly #cluster: Named<Cluster>;
  readonly #before: ReadonlyMap<string, string>;
  readonly #made = new Map<string, NonNullable<FrontendChoice['made']>>();
  readonly #gone = new Set<string>();
  readonly #alive: ReadonlySet<string>;

  constructor(inventory: Inventory, cluster: Named<Cluster>, alive: ReadonlySet<string>) {
    this.#alive = alive;
    this.#cluster = cluster;
    this.#inventory = {
      ...inventory,
      loadBalancers: structuredClone(inventory.loadBalancers),
      publicIpAddresses: [...inventory.publicIpAddresses],
    };
    this.#before = new Map(this.#mine().map((balancer) => [balancer.name, JSON.stringify(balancer)]));
  }

  release(owner: string): void {
    for (const balancer of this.#mine()) {
      removeOwner(balancer, owner);
      this.#sweep(balancer, owner);
    }
  }

  grant(wish: Wish): Outcome {
    const name = wish.internal ? INTERNAL : PUBLIC;
    const balancer = this.#mine().find((each) => each.name === name) ?? this.#add(name);
    const before = JSON.stringify(this.#mine());
    try {
      const without = structuredClone(balancer);
      removeOwner(without, wish.owner);
      const { frontend, made } = frontendFor(this.#inventory, this.#cluster, without, wish);
      checkPorts(without, frontend, wish);
      // From here on nothing is refused.
      const found = balancer.frontends.find(
        (each) => each.name === frontend.name && each.address === frontend.address,
      );
      for (const each of this.#mine()) {
        removeOwner(each, wish.owner);
        this.#sweep(each, wish.owner, found);
      }
      if (made) this.#make(made);
      const chosen = found ?? this.#addFrontend(balancer, frontend);
      balancer.rules.push(...wish.rules.map((rule) => ({ ...rule, frontend: chosen.name })));
      balancer.probes.push(...wish.probes);
      sort(balancer);
      return { address: chosen.address, changed: JSON.stringify(this.#mine()) !== before };
    } catch (error) {
      return { error: error as Error };
    }
  }

  result(): Omit<Reconciled, 'outcomes'> {
    const balancers = new Map<string, LoadBalancer | undefined>();
    for (const each of this.#mine()) {
      if (each.frontends.length === 0) {
        if (this.#before.has(each.name)) balancers.set(each.name, undefined);
      } else if (this.#before.get(each.name) !== JSON.stringify(each)) {
        const { name, id: _id, ...properties } = each;
        balancers.set(name, properties);
      }
    }
    return { balancers, addressesMade: [...this.#made.values()], addressesGone: [...this.#gone] };
  }

  #mine(): Named<LoadBalancer>[] {
    return this.#inventory.loadBalancers.filter((balancer) => balancer.cluster === this.#cluster.name);
  }

  #add(name: string): Named<LoadBalancer> {
    const group = nodeGroup(this.#cluster.name);
    const balancer: Named<LoadBalancer> = {
      name,
      id: resourceId(TYPES.loadBalancer, [name], group),
      cluster: this.#cluster.name,
      frontends: [],
      rules: [],
      probes: [],
    };
    this.#inventory.loadBalancers.push(balancer);
    return balancer;
  }

  #make(made: NonNullable<FrontendChoice['made']>): void {
    this.#made.set(made.name, made);
    this.#gone.delete(made.name);
    const id = resourceId(TYPES.publicIpAddress, [made.name], made.group);
    this.#inventory.publicIpAddresses.push({ ...made.properties, name: made.name, id });
  }

  /** A Service may have lent the frontend with its name to others, and wants another one now. */
  #addFrontend(balancer: LoadBalancer, frontend: Frontend): Frontend {
    const taken = (name: string): boolean => balancer.frontends.some((each) => each.name === name);
    let { name } = frontend;
    for (let i = 2; taken(name); i++) name = `${frontend.name}-${i}`;
    const added = { ...frontend, name };
    balancer.frontends.push(added);
    return added;
  }

  /** Takes away frontends that nobody uses any more, now that `owner` has no rules. */
  #sweep(balancer: LoadBalancer, owner: string, keep?: Frontend): void {
    const used = new Set(balancer.rules.map((rule) => rule.frontend));
    const unused = balancer.frontends.filter(
      (each) => each !== keep && !used.has(each.name) && this.#abandoned(ownerOfName(each.name), owner),
    );
    balancer.frontends = balancer.frontends.filter((each) => !unused.includes(each));
    for (const { publicIpAddress } of unused) this.#giveBack(publicIpAddress);
  }

  /** A frontend without rules may belong to a Service that lives and all of whose ports have none. */
  #abandoned(frontendOwner: string, owner: string): boolean {
    if (frontendOwner === owner || !this.#alive.has(frontendOwner)) return true;
    return this.#mine().some(({ rules }) => rules.some((rule) => ownerOfName(rule.name) === frontendOwner));
  }

  #giveBack(name: string | undefined): void {
    const address = this.#inventory.publicIpAddresses.find((each) => each.name === name);
    if (!address || address.cluster !== this.#cluster.name) return;
    if (this.#cluster.outbound?.publicIpAddresses?.includes(address.name)) return;
    const others = this.#mine().flatMap((balancer) => balancer.frontends);
    if (others.some((frontend) => frontend.publicIpAddress === address.name)) return;
    if (!this.#made.delete(address.name)) this.#gone.add(address.name);
    const all: Named<PublicIpAddress>[] = this.#inventory.publicIpAddresses;
    this.#inventory.publicIpAddresses = all.filter((each) => each !== address);
  }
}

function removeOwner(balancer: LoadBalancer, owner: string): void {
  balancer.rules = balancer.rules.filter((rule) => ownerOfName(rule.name) !== owner);
  balancer.probes = balancer.probes.filter((probe) => ownerOfName(probe.name) !== owner);
}

/** The same Services make the same load balancer, in whatever order they came. */
function sort(balancer: LoadBalancer): void {
  const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1);
  balancer.frontends.sort(byName);
  balancer.rules.sort(byName);
  balancer.probes.sort(byName);
}

function checkPorts(balancer: LoadBalancer, frontend: { name: string; address: string }, wish: Wish): void {
  const taken = (rule: Wish['rules'][number]): LoadBalancerRule | undefined =>
    balancer.rules.find(
      (other) =>
        other.frontend === frontend.name && other.port === rule.port && other.protocol === rule.protocol,
    );
  const clash = wish.rules.find(taken);
  if (!clash) return;
  throw new LabError({
    code: 'RulesUseSameFrontendPortAndProtocol',
    field: 'spec.ports',
    value: `${clash.port}/${clash.protocol}`,
    rule: `is taken at ${frontend.address} by another Service (rule ${taken(clash)!.name}); Services may share an address when their ports differ`,
    fix: 'use another port or another address',
    status: 409,
  });
}
