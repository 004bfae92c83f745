import type { LoadBalancer } from '../azure/types.ts';
import type { Outcome } from './reconcile.ts';
import type { Wish } from './wish.ts';

/** What a cluster's controller needs of the lab: its load balancers in the store, and the fabric. */
export interface Cloud {
  /** The cluster's load balancers as they are. */
  balancers(): readonly (LoadBalancer & { name: string })[];
  /**
   * Brings them to what some Services want, in one transaction with the fabric.
   * @param gone - owners that want nothing any more
   * @param alive - all owners that want something
   * @throws Error when the fabric does not take it; then nothing was changed
   */
  change(
    wishes: readonly Wish[],
    gone: readonly string[],
    alive: ReadonlySet<string>,
  ): ReadonlyMap<string, Outcome>;
  /**
   * Nodes that get connections, by `<load balancer>/<rule>`: all rules of the cluster.
   * @throws Error when the fabric does not take it; to be told again
   */
  setHealth(nodes: ReadonlyMap<string, readonly string[]>): void;
  /** What {@link setHealth} was told last, also by a former supervisor. */
  health(): ReadonlyMap<string, readonly string[]>;
}
