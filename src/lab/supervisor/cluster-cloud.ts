import { findCluster } from '../azure/door/cluster.ts';
import { nodeGroup, resourceId, TYPES } from '../azure/ids.ts';
import type { LoadBalancer, PublicIpAddress } from '../azure/types.ts';
import type { Cloud } from '../load-balancer/cloud.ts';
import { type Outcome, type Reconciled, reconcile } from '../load-balancer/reconcile.ts';
import type { Wish } from '../load-balancer/wish.ts';
import { fabricName, type LabContext } from './context.ts';

type NamedBalancer = LoadBalancer & { name: string };

/** The cloud as one cluster's load balancer controller has it. Nobody else writes the cluster's load balancers. */
export class ClusterCloud implements Cloud {
  readonly #lab: LabContext;
  readonly #cluster: string;
  readonly #saveHealth: () => void;
  #balancers: readonly NamedBalancer[] | undefined;
  /** The fabric did not take what it was told last. */
  #behind = false;

  /** @param saveHealth - called when `healthyNodes` has changed */
  constructor(lab: LabContext, cluster: string, saveHealth: () => void) {
    this.#lab = lab;
    this.#cluster = cluster;
    this.#saveHealth = saveHealth;
  }

  balancers(): readonly NamedBalancer[] {
    this.#balancers ??= this.#lab
      .inventory()
      .loadBalancers.filter((balancer) => balancer.cluster === this.#cluster);
    return this.#balancers;
  }

  change(
    wishes: readonly Wish[],
    gone: readonly string[],
    alive: ReadonlySet<string>,
  ): ReadonlyMap<string, Outcome> {
    const inventory = this.#lab.inventory();
    const cluster = findCluster(inventory, this.#cluster);
    const wanted = reconcile(inventory, cluster, wishes, gone, alive);
    const { balancers, addressesMade, addressesGone } = wanted;
    if (balancers.size + addressesMade.length + addressesGone.length === 0) return wanted.outcomes;
    this.#expectNothing(wanted);
    this.#lab.change(() => this.#write(wanted));
    this.#balancers = undefined;
    return wanted.outcomes;
  }

  setHealth(nodes: ReadonlyMap<string, readonly string[]>): void {
    const { healthyNodes } = this.#lab;
    const wanted = new Map([...nodes].map(([rule, healthy]) => [`${this.#cluster}/${rule}`, healthy]));
    const mine = [...healthyNodes.keys()].filter((key) => key.startsWith(`${this.#cluster}/`));
    const extra = mine.filter((key) => !wanted.has(key));
    const changed = [...wanted].filter(([key, healthy]) => !same(healthyNodes.get(key), healthy));
    if (extra.length + changed.length === 0 && !this.#behind) return;
    for (const key of extra) healthyNodes.delete(key);
    for (const [key, healthy] of changed) healthyNodes.set(key, healthy);
    this.#saveHealth();
    this.#behind = true;
    this.#lab.applyFabric();
    this.#behind = false;
  }

  health(): ReadonlyMap<string, readonly string[]> {
    const prefix = `${this.#cluster}/`;
    const mine = [...this.#lab.healthyNodes].filter(([key]) => key.startsWith(prefix));
    return new Map(mine.map(([key, healthy]) => [key.slice(prefix.length), healthy]));
  }

  /** A rule without an entry has all nodes: a new one has none until they have answered. */
  #expectNothing({ balancers }: Reconciled): void {
    for (const [name, balancer] of balancers) {
      for (const rule of balancer?.rules ?? []) {
        const key = `${fabricName({ cluster: this.#cluster, name })}/${rule.name}`;
        if (!this.#lab.healthyNodes.has(key)) this.#lab.healthyNodes.set(key, []);
      }
    }
  }

  #write({ balancers, addressesMade, addressesGone }: Reconciled): void {
    const { store } = this.#lab;
    const group = nodeGroup(this.#cluster);
    for (const { name, group: place, properties } of addressesMade) {
      store.put<PublicIpAddress>({
        id: resourceId(TYPES.publicIpAddress, [name], place),
        type: TYPES.publicIpAddress,
        provisioningState: 'Succeeded',
        properties,
      });
    }
    for (const [name, properties] of balancers) {
      const id = resourceId(TYPES.loadBalancer, [name], group);
      if (properties) {
        store.put<LoadBalancer>({ id, type: TYPES.loadBalancer, provisioningState: 'Succeeded', properties });
      } else store.delete(id);
    }
    for (const { name, id } of this.#lab.inventory().publicIpAddresses) {
      if (addressesGone.includes(name)) store.delete(id);
    }
  }
}

function same(a: readonly string[] | undefined, b: readonly string[]): boolean {
  return a !== undefined && a.length === b.length && a.every((name, i) => name === b[i]);
}
