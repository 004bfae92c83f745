import type { Cidr } from '../../../../address/cidr.ts';
import type { KubeObject } from '../../schema/types.ts';
import type { Reservations } from '../reservations.ts';
import type { Access } from '../types.ts';

export interface StrategyContext {
  access: Access;
  reservations: Reservations;
  dryRun: boolean;
  /** Where cluster addresses come from. */
  serviceCidr: Cidr;
  now: Date;
}

/** What is particular to the writes of one kind; upstream's registry strategies. All may throw StatusError. */
export interface Strategy {
  /** What a delete does with dependents when the client does not say. */
  defaultPropagation?: 'Background' | 'Orphan';
  /** Clients may create objects with a status. */
  statusOnCreate?: true;
  /** Status and fields of the system, after admission and defaults, before validation. */
  prepareCreate?(object: KubeObject, context: StrategyContext): void;
  prepareUpdate?(object: KubeObject, live: KubeObject, context: StrategyContext): void;
  prepareStatus?(object: KubeObject, live: KubeObject, context: StrategyContext): void;
  /** Takes what must be taken only once (addresses, ports), in the same transaction as the write; not called for dry runs. */
  reserve?(object: KubeObject, live: KubeObject | undefined, context: StrategyContext): void;
  /** Gives it back. */
  release?(object: KubeObject, context: StrategyContext): void;
  /** Seconds between the request to delete and the end; 0 is at once. `asked` is the client's. Missing: always at once. */
  gracePeriod?(object: KubeObject, asked: number | undefined): number;
  /** Refuses a deletion. */
  checkDelete?(object: KubeObject): void;
  /** Changes an object whose deletion begins. */
  beginDelete?(object: KubeObject): void;
  /** Whether something beside metadata.finalizers keeps a deleted object. */
  held?(object: KubeObject): boolean;
}
