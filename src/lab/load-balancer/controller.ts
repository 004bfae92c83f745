import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { KubeClient } from '../../kube/client.ts';
import { isKubeError } from '../../kube/error.ts';
import { EventRecorder } from '../../kube/event-recorder.ts';
import { Informer } from '../../kube/informer.ts';
import { keyOfObject } from '../../kube/object-index.ts';
import { NODES, SERVICES } from '../../kube/resources.ts';
import type { Node, Service } from '../../kube/types.ts';
import { WorkQueue } from '../../kube/work-queue.ts';
import { Batch } from './batch.ts';
import type { Cloud } from './cloud.ts';
import { HealthWatch } from './health-watch.ts';
import type { AskNode } from './probe.ts';
import { addressInStatus, hasFinalizer, ownerOf, ownerOfName, wantsLoadBalancer } from './service.ts';
import { ServiceWriter } from './service-writer.ts';
import { type Wish, wishOf } from './wish.ts';

/** Services that are worked on at a time. */
const WORKERS = 16;
/** Upstream's waits after a failure, in milliseconds. */
const RETRY = { first: 5000, longest: 300_000 };
/** How long a new rule may wait for its nodes' first answers before the Service gets its address, in milliseconds. */
const FIRST_ANSWERS_MS = 3000;
/** The key of what is not about one Service. */
const SWEEP = '';

export interface ControllerOptions {
  readonly client: KubeClient;
  readonly cloud: Cloud;
  readonly ask: AskNode;
  readonly log: Logger;
  /** Default: upstream's, 5 s to 5 min. */
  readonly retry?: { readonly first: number; readonly longest: number };
}

/**
 * What Azure's cloud provider does in a cluster: gives Services of type LoadBalancer their load balancer, keeps its
 * backend pool, and takes it back.
 */
export class LoadBalancerController {
  readonly #options: ControllerOptions;
  readonly #services: Informer<Service>;
  readonly #nodes: Informer<Node>;
  readonly #queue: WorkQueue;
  readonly #batch: Batch;
  readonly #health: HealthWatch;
  readonly #events: EventRecorder;
  readonly #writer: ServiceWriter;
  /** Services that could not have what they want. */
  readonly #failing = new Set<string>();
  #started = false;

  constructor(options: ControllerOptions) {
    const { client, cloud, log } = options;
    this.#options = options;
    this.#services = new Informer(client, SERVICES);
    this.#nodes = new Informer(client, NODES);
    this.#writer = new ServiceWriter(client);
    this.#events = new EventRecorder(client, {
      component: 'service-controller',
      onError: (error) => log.warn({ err: error }, 'an event about a load balancer was not written'),
    });
    this.#batch = new Batch(cloud, () => this.#alive());
    this.#health = new HealthWatch({
      cloud,
      ask: options.ask,
      log,
      hostsChanged: () => this.#hostsChanged(),
    });
    this.#queue = new WorkQueue({
      workers: WORKERS,
      retry: options.retry ?? RETRY,
      handler: (key, signal) => (key === SWEEP ? this.#sweep() : this.#sync(key, signal)),
      onError: (key, error, tries) =>
        log.warn({ service: key, tries, err: error }, 'load balancer not synced'),
    });
  }

  /** Watches until it is closed. An API server that is not there yet, or not any more, is waited for. */
  start(): void {
    const add = (service: Service): void => {
      if (this.#concerns(service)) this.#queue.add(keyOfObject(service));
    };
    this.#services.on('add', add);
    this.#services.on('update', add);
    this.#services.on('delete', () => this.#queue.add(SWEEP));
    for (const informer of [this.#services, this.#nodes]) {
      informer.on('error', (error) => this.#options.log.debug({ err: error }, 'cannot follow the cluster'));
    }
    this.#nodes.start();
    // Without its nodes a load balancer would lose what it has.
    void this.#nodes.synced.then(
      () => {
        this.#started = true;
        // Only now: with a part of them the pool would lose the others for a moment.
        const refresh = (): void => this.#health.setNodes(this.#nodes.list());
        refresh();
        for (const event of ['add', 'update', 'delete'] as const) this.#nodes.on(event, refresh);
        this.#services.start();
        return this.#services.synced.then(() => this.#queue.add(SWEEP));
      },
      () => undefined,
    );
  }

  /** Lets go: what was made stays as it is. */
  async close(): Promise<void> {
    this.#services.stop();
    this.#nodes.stop();
    this.#health.close();
    await this.#queue.stop();
    await this.#events.flush();
  }

  /** Resolves when nothing is left to do at the moment. */
  idle(): Promise<void> {
    return this.#queue.idle();
  }

  /** Also one that has a load balancer and wants none any more. */
  #concerns(service: Service): boolean {
    if (wantsLoadBalancer(service)) return true;
    // One with a class has its finalizer from somebody else.
    if (service.spec?.loadBalancerClass !== undefined) return this.#owns(ownerOf(service));
    return hasFinalizer(service) || this.#owns(ownerOf(service));
  }

  #owns(owner: string): boolean {
    return this.#options.cloud
      .balancers()
      .some(({ frontends, rules }) =>
        [...frontends, ...rules].some(({ name }) => ownerOfName(name) === owner),
      );
  }

  #alive(): Set<string> {
    return new Set(this.#services.list().filter(wantsLoadBalancer).map(ownerOf));
  }

  async #sync(key: string, signal: AbortSignal): Promise<void> {
    this.#failing.delete(key);
    const service = this.#services.get(key);
    if (!service) return;
    if (wantsLoadBalancer(service)) await this.#ensure(service, signal);
    else if (this.#concerns(service)) await this.#release(service);
  }

  /** Something was given back: somebody may be waiting for just that. */
  #tryAgain(): void {
    for (const key of this.#failing) this.#queue.add(key);
  }

  async #ensure(service: Service, signal: AbortSignal): Promise<void> {
    let announced = false;
    const announce = (): void => {
      if (!announced) this.#events.event(service, 'Normal', 'EnsuringLoadBalancer', 'Ensuring load balancer');
      announced = true;
    };
    try {
      const wish = wishOf(service);
      if (!hasFinalizer(service)) {
        announce();
        await this.#writer.addFinalizer(service);
      }
      const { address, changed } = await this.#batch.ensure(wish);
      if (changed) {
        announce();
        // It may have left what it had.
        if (addressInStatus(service) !== undefined) this.#tryAgain();
      }
      this.#health.refresh();
      if (changed || addressInStatus(service) !== address) {
        announce();
        await this.#waitForNodes(wish, signal);
        await this.#writer.setAddress(service, address);
      }
      if (!announced) return;
      for (const note of wish.notes) this.#events.event(service, 'Warning', 'UnsupportedAnnotation', note);
      this.#events.event(service, 'Normal', 'EnsuredLoadBalancer', 'Ensured load balancer');
    } catch (error) {
      // Somebody was faster, or it is gone by now: there will be news of it.
      if (isKubeError(error, 404, 409)) return;
      announce();
      this.#failed(service, 'ensure', error as Error);
      throw error;
    }
  }

  async #release(service: Service): Promise<void> {
    this.#events.event(service, 'Normal', 'DeletingLoadBalancer', 'Deleting load balancer');
    try {
      await this.#batch.release(ownerOf(service));
      this.#health.refresh();
      this.#tryAgain();
      await this.#writer.forget(service);
    } catch (error) {
      if (isKubeError(error, 404, 409)) return;
      this.#failed(service, 'delete', error as Error);
      throw error;
    }
    this.#events.event(service, 'Normal', 'DeletedLoadBalancer', 'Deleted load balancer');
  }

  /** In upstream's words. */
  #failed(service: Service, what: 'ensure' | 'delete', error: Error): void {
    const text = `Error syncing load balancer: failed to ${what} load balancer: ${error.message}`;
    this.#failing.add(keyOfObject(service));
    this.#events.event(service, 'Warning', 'SyncLoadBalancerFailed', text);
  }

  /** Takes back what belongs to Services that are gone without us: deleted while nobody watched, with their finalizer removed by hand. */
  async #sweep(): Promise<void> {
    const alive = this.#alive();
    // Those on their way out are let go in their own turn.
    for (const service of this.#services.list()) if (this.#concerns(service)) alive.add(ownerOf(service));
    const names = this.#options.cloud
      .balancers()
      .flatMap(({ rules, frontends }) => [...rules, ...frontends.filter(({ name }) => !name.includes('-'))])
      .map(({ name }) => ownerOfName(name));
    const orphans = [...new Set(names)].filter((owner) => !alive.has(owner));
    await Promise.all(orphans.map((owner) => this.#batch.release(owner)));
    this.#health.refresh();
    if (orphans.length > 0) this.#tryAgain();
  }

  /** A Service that has its address is used at once: its rules should have nodes by then. */
  async #waitForNodes(wish: Wish, signal: AbortSignal): Promise<void> {
    const patience = delay(FIRST_ANSWERS_MS, undefined, { signal }).catch(() => undefined);
    await Promise.race([this.#health.firstAnswers(wish.probes), patience]);
    this.#health.publish();
  }

  #hostsChanged(): void {
    if (!this.#started) return;
    for (const service of this.#services.list()) {
      if (!wantsLoadBalancer(service) || addressInStatus(service) === undefined) continue;
      const text = 'Updated load balancer with new hosts';
      this.#events.event(service, 'Normal', 'UpdatedLoadBalancer', text);
    }
  }
}
