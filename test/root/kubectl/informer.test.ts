// The official JavaScript client's informers, while objects change by the thousand and the API server is killed again and again: each state is
// seen once, none is missed. By hand with more: FLYOVER_INFORMER_CHANGES=100000 FLYOVER_INFORMER_KILLS=10.

import { setTimeout as delay } from 'node:timers/promises';
import { CoreV1Api, KubeConfig, makeInformer, type V1ConfigMap } from '@kubernetes/client-node';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { KubeClient } from '../../../src/kube/client.ts';
import { KubeError } from '../../../src/kube/error.ts';
import { loadKubeConfig } from '../../../src/kube/kube-config.ts';
import { CONFIG_MAPS } from '../../../src/kube/resources.ts';
import type { ConfigMap } from '../../../src/kube/types.ts';
import { ApiServer } from './testing-apiserver.ts';

const CHANGES = Number(process.env.FLYOVER_INFORMER_CHANGES ?? 3000);
const KILLS = Number(process.env.FLYOVER_INFORMER_KILLS ?? 3);
const INFORMERS = 3;
const WRITERS = 8;
const KEYS_OF_A_WRITER = 12;

let server: ApiServer;
beforeAll(async () => {
  server = await ApiServer.start();
});
afterAll(async () => {
  await server?.stop();
});

interface Seen {
  type: 'add' | 'update' | 'delete';
  revision: number;
}

/** An informer of the official client, run as its documentation says: started again after an error. */
class Follower {
  readonly seen = new Map<string, Seen[]>();
  lists = 0;
  events = 0;
  readonly informer: ReturnType<typeof makeInformer<V1ConfigMap>>;
  private stopped = false;

  constructor(kubeconfig: string) {
    const config = new KubeConfig();
    config.loadFromFile(kubeconfig);
    const api = config.makeApiClient(CoreV1Api);
    this.informer = makeInformer(
      config,
      '/api/v1/namespaces/default/configmaps',
      () => {
        this.lists++;
        return api.listNamespacedConfigMap({ namespace: 'default', labelSelector: 'informer' });
      },
      'informer',
    );
    for (const type of ['add', 'update', 'delete'] as const)
      this.informer.on(type, (object) => this.note(type, object));
    this.informer.on('error', () => {
      void delay(50).then(() => (this.stopped ? undefined : this.informer.start()));
    });
  }

  private note(type: Seen['type'], { metadata }: V1ConfigMap): void {
    const name = metadata?.name ?? '';
    const list = this.seen.get(name) ?? [];
    list.push({ type, revision: Number(metadata?.resourceVersion) });
    this.seen.set(name, list);
    this.events++;
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.informer.stop();
  }
}

/** Creates, changes and deletes its own objects, one change after the other, and remembers which were acknowledged. */
class Writer {
  readonly acknowledged = new Map<string, number[]>();
  deleted = 0;
  /** Calls that ended without an answer: done or not, who knows. */
  unanswered = 0;
  private readonly client: KubeClient;
  private readonly id: number;

  constructor(client: KubeClient, id: number) {
    this.client = client;
    this.id = id;
  }

  async run(changes: number): Promise<void> {
    for (let i = 0; i < changes; i++) {
      const name = `w${this.id}-${i % KEYS_OF_A_WRITER}`;
      const remove = i % 7 === 6;
      for (;;) {
        try {
          await this.change(name, i, remove);
          break;
        } catch (error) {
          if (error instanceof KubeError && error.status > 0 && error.status < 500) throw error;
          this.unanswered++;
          await delay(20);
        }
      }
    }
  }

  private async change(name: string, step: number, remove: boolean): Promise<void> {
    const where = { namespace: 'default', name };
    const live = await this.client.find(CONFIG_MAPS, where);
    if (remove) {
      if (!live) return;
      await this.client.delete(CONFIG_MAPS, where);
      this.deleted++;
      return;
    }
    const object: ConfigMap = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name, namespace: 'default', labels: { informer: '1' } },
      data: { step: String(step), padding: 'x'.repeat(100) },
    };
    const stored = live
      ? await this.client.replace(CONFIG_MAPS, object)
      : await this.client.create(CONFIG_MAPS, object);
    const revisions = this.acknowledged.get(name) ?? [];
    revisions.push(Number(stored.metadata?.resourceVersion));
    this.acknowledged.set(name, revisions);
  }
}

test(
  'informers see each state once',
  async () => {
    const client = new KubeClient(loadKubeConfig({ kubeconfig: server.kubeconfig }));
    const followers = Array.from({ length: INFORMERS }, () => new Follower(server.kubeconfig));
    await Promise.all(followers.map(({ informer }) => informer.start()));
    const writers = Array.from({ length: WRITERS }, (_, id) => new Writer(client, id));
    const acknowledged = () =>
      writers.reduce((sum, one) => sum + [...one.acknowledged.values()].flat().length, 0);
    const writing = Promise.all(writers.map((writer) => writer.run(Math.ceil(CHANGES / WRITERS))));
    let failed: unknown;
    writing.catch((error: unknown) => {
      failed = error;
    });
    for (let kill = 1; kill <= KILLS; kill++) {
      while (!failed && acknowledged() < (CHANGES * 0.8 * kill) / (KILLS + 1)) await delay(5);
      await server.kill();
      await server.run();
    }
    await writing;

    const { items } = await client.list(CONFIG_MAPS, { namespace: 'default', labelSelector: 'informer' });
    const wanted = new Map(
      items.map(({ metadata }) => [metadata?.name ?? '', metadata?.resourceVersion ?? '']),
    );
    for (const follower of followers) {
      await vi.waitFor(
        () =>
          expect(
            new Map(
              follower.informer
                .list()
                .map(({ metadata }) => [metadata?.name ?? '', metadata?.resourceVersion ?? '']),
            ),
          ).toEqual(wanted),
        { timeout: 30_000, interval: 50 },
      );
      await follower.stop();
    }
    client.close();

    const unanswered = writers.reduce((sum, one) => sum + one.unanswered, 0);
    for (const { seen, lists } of followers) {
      // After the first list all comes by watches, over restarts too: a list would hide what it skipped.
      expect(lists).toBe(1);
      let more = 0;
      for (const [name, events] of seen) {
        const revisions = events.map(({ revision }) => revision);
        expect(revisions).toEqual([...new Set(revisions)].toSorted((a, b) => a - b));
        events.forEach(({ type }, i) => {
          const before = events[i - 1]?.type ?? 'delete';
          expect([name, before, type === 'add']).toEqual([name, before, before === 'delete']);
        });
        more += events.filter(({ type }) => type !== 'delete').length;
      }
      for (const writer of writers)
        for (const [name, revisions] of writer.acknowledged) {
          const had = new Set((seen.get(name) ?? []).map(({ revision }) => revision));
          expect(revisions.filter((revision) => !had.has(revision))).toEqual([]);
        }
      // What was seen and not acknowledged are calls that the kills cut off.
      expect(more - acknowledged()).toBeLessThanOrEqual(unanswered);
    }
    expect(acknowledged()).toBeGreaterThan(CHANGES * 0.7);
  },
  60_000 + CHANGES * 20,
);
