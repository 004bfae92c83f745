import { Informer } from '../../../../kube/informer.ts';
import type { ResourceType } from '../../../../kube/resources.ts';
import type { Context } from '../common/context.ts';
import { discover } from '../common/discovery.ts';
import { messageOf } from '../common/message.ts';
import { type AnyObject, CRDS } from '../common/objects.ts';
import { metadataOnly } from './graph.ts';

/** Resources are looked for this often, and when a CustomResourceDefinition changes. */
const REFRESH = 30_000;
/** Upstream ignores events too: nothing owns them, and there are many. */
const IGNORED = new Set(['/events', 'events.k8s.io/events']);

export interface MonitorHandlers {
  changed(type: ResourceType<unknown>, object: AnyObject): void;
  gone(type: ResourceType<unknown>, object: AnyObject): void;
  /** A resource was found that was not there before. */
  found(): void;
}

interface Monitor {
  type: ResourceType<unknown>;
  informer: Informer<AnyObject>;
  /** Not one that others use too. */
  own: boolean;
  detach(): void;
}

/** An informer for every resource that can be listed, watched and deleted: others' where there is one, else one of metadata only. */
export class Monitors {
  readonly #context: Context;
  readonly #handlers: MonitorHandlers;
  readonly #monitors = new Map<string, Monitor>();
  readonly #byKind = new Map<string, ResourceType<unknown>>();
  readonly #timer: NodeJS.Timeout;
  #refreshing: Promise<void> | undefined;
  #again = false;
  #stopped = false;

  constructor(context: Context, handlers: MonitorHandlers) {
    this.#context = context;
    this.#handlers = handlers;
    this.#timer = setInterval(() => void this.refresh(), REFRESH);
    this.#timer.unref();
    const crds = context.informers.of(CRDS);
    crds.on('update', () => void this.refresh()).on('delete', () => void this.refresh());
  }

  /** Whether every known resource has been listed. */
  async synced(): Promise<void> {
    await this.refresh();
    await Promise.all([...this.#monitors.values()].map(({ informer }) => informer.synced));
  }

  /** The resource of an apiVersion and kind; of any version of the group, they hold the same objects. */
  resolve(apiVersion: string, kind: string): ResourceType<unknown> | undefined {
    const slash = apiVersion.indexOf('/');
    return this.#byKind.get(`${slash < 0 ? '' : apiVersion.slice(0, slash)}/${kind}`);
  }

  refresh(): Promise<void> {
    if (this.#refreshing) {
      this.#again = true;
      return this.#refreshing;
    }
    this.#refreshing = this.#refresh()
      .catch((error) => {
        this.#context.log.warn({ controller: 'gc', error: messageOf(error) }, 'discovery failed');
      })
      .finally(() => {
        this.#refreshing = undefined;
        if (this.#again && !this.#stopped) {
          this.#again = false;
          void this.refresh();
        }
      });
    return this.#refreshing;
  }

  async #refresh(): Promise<void> {
    const { resources, failures } = await discover(this.#context.client);
    if (this.#stopped) return;
    const seen = new Set<string>();
    let grown = false;
    for (const { type, verbs } of resources) {
      const key = `${type.group}/${type.plural}`;
      if (!['list', 'watch', 'delete'].every((verb) => verbs.includes(verb)) || IGNORED.has(key)) continue;
      seen.add(key);
      this.#byKind.set(`${type.group}/${type.kind}`, type);
      if (this.#monitors.has(key)) continue;
      this.#monitors.set(key, this.#monitor(type));
      grown = true;
    }
    if (grown) this.#handlers.found();
    for (const [key, monitor] of this.#monitors) {
      const { group, version, kind } = monitor.type;
      // A group that did not answer is not gone.
      if (seen.has(key) || failures.has(group ? `${group}/${version}` : version)) continue;
      this.#monitors.delete(key);
      this.#byKind.delete(`${group}/${kind}`);
      monitor.detach();
      for (const object of monitor.informer.list()) this.#handlers.gone(monitor.type, object);
      if (monitor.own) void monitor.informer.stop();
    }
  }

  #monitor(type: ResourceType<unknown>): Monitor {
    const shared = this.#context.informers.whole(type) as Informer<AnyObject> | undefined;
    const informer =
      shared ??
      new Informer<AnyObject>(this.#context.client, type as ResourceType<AnyObject>, {
        transform: metadataOnly,
      });
    const changed = (object: AnyObject): void => this.#handlers.changed(type, object);
    const gone = (object: AnyObject): void => this.#handlers.gone(type, object);
    informer.on('add', changed).on('update', changed).on('delete', gone);
    for (const object of informer.list()) changed(object);
    if (!shared) informer.start();
    const detach = (): void => {
      informer.off('add', changed).off('update', changed).off('delete', gone);
    };
    return { type, informer, own: !shared, detach };
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    await this.#refreshing;
    await Promise.all([...this.#monitors.values()].filter((m) => m.own).map((m) => m.informer.stop()));
  }
}
