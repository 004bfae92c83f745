import type { Cloud } from './cloud.ts';
import type { Outcome } from './reconcile.ts';
import type { Wish } from './wish.ts';

interface Waiting {
  readonly owner: string;
  /** Undefined: it wants nothing any more. */
  readonly wish: Wish | undefined;
  readonly done: PromiseWithResolvers<Outcome | undefined>;
}

/**
 * Hands what many Services want to the cloud together: a hundred that are made in one moment are one transaction and
 * one look at the fabric.
 */
export class Batch {
  readonly #cloud: Cloud;
  readonly #alive: () => ReadonlySet<string>;
  #waiting: Waiting[] = [];

  /** @param alive - owners that want something at the moment */
  constructor(cloud: Cloud, alive: () => ReadonlySet<string>) {
    this.#cloud = cloud;
    this.#alive = alive;
  }

  /** @throws Error why it cannot be had; then the Service keeps what it has */
  async ensure(wish: Wish): Promise<{ address: string; changed: boolean }> {
    const outcome = (await this.#enqueue(wish.owner, wish))!;
    if ('error' in outcome) throw outcome.error;
    return outcome;
  }

  async release(owner: string): Promise<void> {
    await this.#enqueue(owner, undefined);
  }

  #enqueue(owner: string, wish: Wish | undefined): Promise<Outcome | undefined> {
    const done = Promise.withResolvers<Outcome | undefined>();
    if (this.#waiting.length === 0) setImmediate(() => this.#flush());
    this.#waiting.push({ owner, wish, done });
    return done.promise;
  }

  #flush(): void {
    const batch = this.#waiting;
    this.#waiting = [];
    const wishes = batch.flatMap(({ wish }) => (wish ? [wish] : []));
    const gone = batch.filter(({ wish }) => wish === undefined).map(({ owner }) => owner);
    try {
      const outcomes = this.#cloud.change(wishes, gone, this.#alive());
      for (const { owner, wish, done } of batch) done.resolve(wish && outcomes.get(owner));
    } catch (error) {
      for (const { done } of batch) done.reject(error as Error);
    }
  }
}
