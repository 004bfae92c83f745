import type { Logger } from 'pino';
import { type Inventory, readInventory } from '../azure/door/inventory.ts';
import type { ResourceStore } from '../azure/store.ts';
import { Fabric } from '../fabric/apply.ts';
import { workingPeerings } from '../fabric/model.ts';
import { planFabric } from '../fabric/planner.ts';
import { LAB_RUN, namespacePath } from '../paths.ts';
import type { KeyedLock } from './lock.ts';

/** Tells a waiting person what is going on: one short line a step. */
export type Report = (text: string) => void;

/** Where the lab's own programs lie on this machine. */
export interface Programs {
  /** The Node runtime. */
  node: string;
  /** The folder with agent.js, cni/flyover and the other built files. */
  dist: string;
}

/** What the supervisor's parts share. */
export class LabContext {
  readonly store: ResourceStore;
  readonly programs: Programs;
  readonly log: Logger;
  /** Serialises what is done to one thing: `node/<name>`, `cluster/<name>`. */
  readonly locks: KeyedLock;
  readonly #fabric = new Fabric({ folder: `${LAB_RUN}/netns`, pathOf: namespacePath });

  constructor(parts: { store: ResourceStore; programs: Programs; log: Logger; locks: KeyedLock }) {
    this.store = parts.store;
    this.programs = parts.programs;
    this.log = parts.log;
    this.locks = parts.locks;
  }

  inventory(): Inventory {
    return readInventory(this.store);
  }

  /** Brings namespaces, cables, routes and filters to what the store says. Synchronous. */
  applyFabric(): void {
    const inventory = this.inventory();
    const started = performance.now();
    const plan = planFabric({ ...inventory, peerings: workingPeerings(inventory.peerings.map(asSide)) });
    this.#fabric.apply(plan);
    this.log.debug({ ms: performance.now() - started, namespaces: plan.namespaces.size }, 'fabric applied');
  }
}

function asSide(peering: Inventory['peerings'][number]): {
  from: string;
  peering: { remoteVirtualNetwork: string };
} {
  return { from: peering.from, peering };
}
