import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { KubeClient } from './client.ts';
import { Informer, type InformerOptions } from './informer.ts';
import { PODS } from './resources.ts';
import { FakeApi } from './testing.ts';
import type { Pod } from './types.ts';

const COLLECTION = '/api/v1/pods';
let api: FakeApi;
let client: KubeClient;
let informer: Informer<Pod>;
let seen: string[];

beforeEach(async () => {
  api = await FakeApi.start();
  client = api.client();
});

afterEach(async () => {
  await informer.stop();
  client.close();
  await api.close();
});

function pod(name: string, node = 'n1', labels: Record<string, string> = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', labels, managedFields: [{ manager: 'kubelet' }] },
    spec: { nodeName: node, containers: [] },
  };
}

function start(options: InformerOptions<Pod> = {}): Informer<Pod> {
  informer = new Informer(client, PODS, { retry: { first: 5, longest: 20 }, ...options });
  seen = [];
  informer.on('add', (one) => seen.push(`+${one.metadata?.name}`));
  informer.on('update', (one, old) =>
    seen.push(`~${one.metadata?.name} ${old.metadata?.labels?.v ?? '-'}>${one.metadata?.labels?.v ?? '-'}`),
  );
  informer.on('delete', (one) => seen.push(`-${one.metadata?.name}`));
  return informer.start();
}

/** A last object whose arrival says that everything before it has arrived. */
async function settled(name = 'zz-end'): Promise<void> {
  if (!api.get(COLLECTION, `default/${name}`)) api.put(COLLECTION, pod(name));
  while (!informer.get(`default/${name}`))
    await new Promise<void>((resolve) => informer.once('add', () => resolve()));
}

describe('an informer', () => {
  test('lists in pages, then follows', async () => {
    for (let i = 0; i < 25; i++) api.put(COLLECTION, pod(`p${i}`));
    await start({ pageSize: 10 }).synced;
    expect(informer.size).toBe(25);
    expect(api.requests.filter((one) => one.includes('limit=10'))).toHaveLength(3);
    api.put(COLLECTION, pod('p3', 'n1', { v: '2' }));
    api.remove(COLLECTION, 'default/p4');
    await settled();
    expect(seen.slice(25)).toEqual(['~p3 ->2', '-p4', '+zz-end']);
    expect(informer.get('default/p3')?.metadata?.managedFields).toBeUndefined();
    expect(informer.get('default/p3')?.kind).toBe('Pod');
  });

  test('goes on from where it was when the connection breaks', async () => {
    api.put(COLLECTION, pod('a'));
    await start().synced;
    await settled('first');
    api.dropConnections();
    api.put(COLLECTION, pod('a', 'n1', { v: '1' }));
    api.put(COLLECTION, pod('a', 'n1', { v: '2' }));
    api.put(COLLECTION, pod('b'));
    api.remove(COLLECTION, 'default/b');
    await settled();
    // Every state in between, and no second list.
    expect(seen).toEqual(['+a', '+first', '~a ->1', '~a 1>2', '+b', '-b', '+zz-end']);
    expect(api.requests.filter((one) => one.includes('limit='))).toHaveLength(1);
  });

  test.each(['an answer 410', 'an ERROR event 410'])(
    'lists anew after %s, and tells the difference only',
    async (how) => {
      for (const name of ['same', 'changed', 'gone', 'replaced']) api.put(COLLECTION, pod(name));
      await start().synced;
      while (api.watchers === 0) await new Promise(setImmediate);
      if (how === 'an ERROR event 410') {
        api.intercept = (_, url) => (url.searchParams.get('watch') ? 'reset' : undefined);
      }
      const status = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' };
      if (how === 'an ERROR event 410') api.sendRaw(`${JSON.stringify({ type: 'ERROR', object: status })}\n`);
      // No watcher hears of the following.
      api.endWatches();
      api.put(COLLECTION, pod('changed', 'n1', { v: '9' }));
      api.remove(COLLECTION, 'default/gone');
      api.remove(COLLECTION, 'default/replaced');
      api.put(COLLECTION, pod('replaced', 'n2'));
      api.put(COLLECTION, pod('new'));
      api.compact();
      api.intercept = undefined;
      await settled();
      expect(seen.slice(0, 4)).toEqual(['+same', '+changed', '+gone', '+replaced']);
      expect(seen.slice(4).sort()).toEqual(
        ['+new', '+replaced', '+zz-end', '-gone', '-replaced', '~changed ->9'].sort(),
      );
      expect(seen.indexOf('-replaced')).toBeLessThan(seen.lastIndexOf('+replaced'));
    },
  );

  test('a bookmark keeps its version young through a compaction', async () => {
    await start().synced;
    while (api.watchers === 0) await new Promise(setImmediate);
    api.put('/api/v1/nodes', { metadata: { name: 'other' } });
    api.compact();
    api.bookmark();
    await settled('first');
    api.endWatches();
    await settled();
    expect(api.requests.filter((one) => one.includes('limit='))).toHaveLength(1);
  });

  test('lists in one piece when its pages took too long', async () => {
    for (let i = 0; i < 6; i++) api.put(COLLECTION, pod(`p${i}`));
    let pages = 0;
    api.intercept = (_, url) => {
      if (url.searchParams.get('continue') && ++pages === 1) api.compact();
      return undefined;
    };
    await start({ pageSize: 2 }).synced;
    expect(informer.size).toBe(6);
    expect(seen).toHaveLength(6);
  });

  test('waits for a server that is away, and says so', async () => {
    api.intercept = () => 'reset';
    start();
    const errors: string[] = [];
    await new Promise<void>((resolve) => {
      informer.on('error', (error) => {
        errors.push(error.message);
        if (errors.length === 3) resolve();
      });
    });
    expect(errors[0]).toContain('GET /api/v1/pods?limit=500 at 127.0.0.1:');
    expect(informer.connected).toBe(false);
    api.intercept = undefined;
    await informer.synced;
    expect(informer.connected).toBe(true);
  });

  test('lists anew when the server refuses its version for another reason', async () => {
    api.put(COLLECTION, pod('a'));
    await start().synced;
    while (api.watchers === 0) await new Promise(setImmediate);
    let refusals = 0;
    api.intercept = (_, url) => {
      if (!url.searchParams.get('watch') || ++refusals > 3) return undefined;
      return { status: 500, body: { kind: 'Status', code: 500, message: 'Too large resource version' } };
    };
    api.endWatches();
    await settled();
    expect(api.requests.filter((one) => one.includes('limit='))).toHaveLength(2);
    expect(seen).toEqual(['+a', '+zz-end']);
  });

  test('follows some objects only, and finds them by index', async () => {
    api.put(COLLECTION, pod('a', 'n1', { app: 'web' }));
    api.put(COLLECTION, pod('b', 'n2'));
    start({
      fieldSelector: 'spec.nodeName=n1',
      indexers: { app: (one) => Object.values(one.metadata?.labels ?? {}) },
      transform: (one) => ({ metadata: one.metadata }) as Pod,
    });
    await informer.synced;
    expect(informer.byIndex('app', 'web').map((one) => one.metadata?.name)).toEqual(['a']);
    api.put(COLLECTION, pod('a', 'n1', { app: 'db' }));
    await settled();
    expect(informer.byIndex('app', 'web')).toEqual([]);
    expect(informer.byIndex('app', 'db')).toHaveLength(1);
    expect(informer.get('default/a')?.spec).toBeUndefined();
    expect(informer.get('default/b')).toBeUndefined();
    expect(() => informer.byIndex('node', 'n1')).toThrow("no indexer is called 'node'; there are app");
  });

  test('a handler that throws costs nobody anything', async () => {
    api.put(COLLECTION, pod('a'));
    informer = new Informer(client, PODS);
    const errors: Error[] = [];
    const names: string[] = [];
    informer.on('add', () => {
      throw new Error('mine');
    });
    informer.on('add', (one) => names.push(one.metadata?.name ?? ''));
    informer.on('error', (error) => errors.push(error));
    await informer.start().synced;
    expect(names).toEqual(['a']);
    expect(errors.map((error) => error.message)).toEqual(['mine']);
  });
});
