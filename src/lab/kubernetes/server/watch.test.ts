import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApiServer, type TestApiServer } from './testing.ts';
import { TestClient, type TestWatch } from './testing-client.ts';

let server: TestApiServer;
let client: TestClient;
const open: TestWatch[] = [];

beforeAll(async () => {
  server = await startTestApiServer();
  client = new TestClient(server);
});
afterAll(async () => {
  for (const watch of open) watch.close();
  client.close();
  await server.close();
});

let spaces = 0;
/** A namespace of the test's own. */
async function space(): Promise<string> {
  const name = `w${++spaces}`;
  await client.post('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  return `/api/v1/namespaces/${name}/configmaps`;
}
const map = (name: string, labels: object = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, labels },
});
async function watch(path: string, headers?: Record<string, string>): Promise<TestWatch> {
  const one = await client.watch(path, headers);
  open.push(one);
  return one;
}
const revisionOf = async (path: string): Promise<string> =>
  (await client.get(path)).body.metadata.resourceVersion;

describe('list', () => {
  it('goes through pages of one moment, whatever changes meanwhile', async () => {
    const path = await space();
    for (const name of ['a', 'b', 'c', 'd', 'e']) await client.post(path, map(name));
    const first = (await client.get(`${path}?limit=2`)).body;
    expect(first.items.map((one: { metadata: { name: string } }) => one.metadata.name)).toEqual(['a', 'b']);
    expect(first.metadata.remainingItemCount).toBe(3);
    await client.delete(`${path}/d`);
    await client.post(path, map('bb'));
    const names: string[] = [];
    let token: string | undefined = first.metadata.continue;
    while (token) {
      const { body } = await client.get(`${path}?limit=2&continue=${token}`);
      expect(body.metadata.resourceVersion).toBe(first.metadata.resourceVersion);
      names.push(...body.items.map((one: { metadata: { name: string } }) => one.metadata.name));
      token = body.metadata.continue;
    }
    expect(names).toEqual(['c', 'd', 'e']);
    expect((await client.get(`${path}?limit=2&continue=nonsense`)).status).toBe(400);
    const exact = await client.get(
      `${path}?resourceVersion=${first.metadata.resourceVersion}&resourceVersionMatch=Exact`,
    );
    expect(exact.body.items).toHaveLength(5);
  });

  it('selects by labels and fields', async () => {
    const path = await space();
    await client.post(path, map('one', { app: 'x', tier: 'front' }));
    await client.post(path, map('two', { app: 'y' }));
    const names = async (query: string) =>
      (await client.get(`${path}?${query}`)).body.items.map(
        (one: { metadata: { name: string } }) => one.metadata.name,
      );
    expect(await names('labelSelector=app%3Dx')).toEqual(['one']);
    expect(await names('labelSelector=app+in+(x,y),!tier')).toEqual(['two']);
    expect(await names('labelSelector=app%21%3Dx')).toEqual(['two']);
    expect(await names('fieldSelector=metadata.name%3Dtwo')).toEqual(['two']);
    expect((await client.get(`${path}?fieldSelector=data.x%3Dtwo`)).status).toBe(400);
    expect((await client.get(`${path}?labelSelector=a+in+(`)).status).toBe(400);
  });

  it('refuses what options do not go together, and revisions that are not there yet', async () => {
    const path = await space();
    expect((await client.get(`${path}?resourceVersionMatch=Exact`)).status).toBe(422);
    expect((await client.get(`${path}?resourceVersion=x`)).status).toBe(422);
    expect((await client.get(`${path}?sendInitialEvents=true`)).status).toBe(422);
    expect((await client.get(`${path}?resourceVersion=999999999`)).body).toMatchObject({
      code: 504,
      details: { causes: [{ reason: 'ResourceVersionTooLarge' }] },
    });
  });

  it('compresses what is large', async () => {
    const path = await space();
    const data = { a: 'x'.repeat(200_000) };
    await client.post(path, { ...map('large'), data });
    const { headers } = await client.get(path, { 'accept-encoding': 'gzip' });
    expect(headers['content-encoding']).toBe('gzip');
    expect((await client.get(path)).body.items[0].data).toEqual(data);
  });
});

describe('watch', () => {
  it('tells what is there, then what happens', async () => {
    const path = await space();
    await client.post(path, map('old'));
    const watching = await watch(`${path}?resourceVersion=0`);
    expect(await watching.told(1)).toEqual(['ADDED old']);
    await client.post(path, map('new'));
    await client.patch(`${path}/new`, { data: { a: '1' } });
    await client.delete(`${path}/new`);
    expect(await watching.told(3)).toEqual(['ADDED new', 'MODIFIED new', 'DELETED new']);
  });

  it('begins after the revision that is asked for, with history', async () => {
    const path = await space();
    await client.post(path, map('a'));
    const revision = await revisionOf(path);
    await client.post(path, map('b'));
    await client.delete(`${path}/a`);
    const watching = await watch(`${path}?resourceVersion=${revision}`);
    expect(await watching.told(2)).toEqual(['ADDED b', 'DELETED a']);
    await client.post(path, map('c'));
    const { object } = await watching.next();
    expect(object.metadata.name).toBe('c');
  });

  it('gives a deletion its own revision', async () => {
    const path = await space();
    const made = (await client.post(path, map('a'))).body;
    const watching = await watch(`${path}?resourceVersion=${made.metadata.resourceVersion}`);
    await client.delete(`${path}/a`);
    const { object } = await watching.next();
    expect(Number(object.metadata.resourceVersion)).toBeGreaterThan(Number(made.metadata.resourceVersion));
  });

  it('makes objects that enter or leave a selection come and go', async () => {
    const path = await space();
    const watching = await watch(`${path}?labelSelector=in%3Dyes&resourceVersion=${await revisionOf(path)}`);
    await client.post(path, map('x', { in: 'no' }));
    await client.patch(`${path}/x`, { metadata: { labels: { in: 'yes' } } });
    await client.patch(`${path}/x`, { data: { a: '1' } });
    const left = (await client.patch(`${path}/x`, { metadata: { labels: { in: 'no' } } })).body;
    await client.post(path, map('y', { in: 'yes' }));
    expect(await watching.told(2)).toEqual(['ADDED x', 'MODIFIED x']);
    const { type, object } = await watching.next();
    expect([type, object.metadata.labels.in, object.metadata.resourceVersion]).toEqual([
      'DELETED',
      'yes',
      left.metadata.resourceVersion,
    ]);
    expect(await watching.told(1)).toEqual(['ADDED y']);
  });

  it('ends the initial events with a bookmark where that is asked for', async () => {
    const path = await space();
    await client.post(path, map('a'));
    const watching = await watch(
      `${path}?sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true`,
    );
    expect(await watching.told(1)).toEqual(['ADDED a']);
    const { type, object } = await watching.next();
    expect([type, object.kind, object.metadata.annotations]).toEqual([
      'BOOKMARK',
      'ConfigMap',
      { 'k8s.io/initial-events-end': 'true' },
    ]);
    expect((await client.get(`${path}?watch=1&sendInitialEvents=true`)).status).toBe(422);
  });

  it('ends at its time, with a bookmark before', async () => {
    const path = await space();
    const watching = await watch(
      `${path}?timeoutSeconds=3&allowWatchBookmarks=true&resourceVersion=${await revisionOf(path)}`,
    );
    expect((await watching.next()).type).toBe('BOOKMARK');
    await expect(watching.next()).rejects.toThrow('ended');
  });

  it('says that history is gone', async () => {
    const path = await space();
    const old = await revisionOf(path);
    for (const name of ['a', 'b']) await client.post(path, map(name));
    const { store } = server.server.runtime;
    while (store.compact(store.revision));
    const watching = await watch(`${path}?resourceVersion=${old}`);
    const { type, object } = await watching.next();
    expect([type, object.code, object.reason]).toEqual(['ERROR', 410, 'Expired']);
    expect(object.message).toMatch(/^too old resource version: \d+ \(\d+\)$/);
    await expect(watching.next()).rejects.toThrow('ended');
    const page = (await client.get(`${path}?limit=1`)).body;
    await client.post(path, map('c'));
    await client.post(path, map('d'));
    while (store.compact(store.revision));
    const late = await client.get(`${path}?limit=1&continue=${page.metadata.continue}`);
    expect([late.status, late.body.reason]).toEqual([410, 'Expired']);
    const rest = await client.get(`${path}?continue=${late.body.metadata.continue}`);
    expect(rest.body.items.map((one: { metadata: { name: string } }) => one.metadata.name)).toEqual([
      'b',
      'c',
      'd',
    ]);
  });

  it('tells Tables and metadata alone', async () => {
    const path = await space();
    const revision = await revisionOf(path);
    const accept = (as: string) => ({
      accept: `application/json;as=${as};v=v1;g=meta.k8s.io,application/json`,
    });
    const tables = await watch(`${path}?resourceVersion=${revision}`, accept('Table'));
    const metadata = await watch(`${path}?resourceVersion=${revision}`, accept('PartialObjectMetadata'));
    await client.post(path, { ...map('a'), data: { x: 'y' } });
    const table = await tables.next();
    expect(table.object).toMatchObject({
      kind: 'Table',
      rows: [{ cells: ['a', 1, expect.anything()], object: { metadata: { name: 'a' } } }],
    });
    const { object } = await metadata.next();
    expect([object.kind, object.metadata.name, object.data]).toEqual([
      'PartialObjectMetadata',
      'a',
      undefined,
    ]);
  });

  it('watches one object, and all namespaces', async () => {
    const path = await space();
    const revision = await revisionOf(path);
    const one = await watch(`${path}?fieldSelector=metadata.name%3Db&resourceVersion=${revision}`);
    const all = await watch(`/api/v1/configmaps?resourceVersion=${revision}`);
    await client.post(path, map('a'));
    await client.post(path, map('b'));
    expect(await one.told(1)).toEqual(['ADDED b']);
    expect(await all.told(2)).toEqual(['ADDED a', 'ADDED b']);
  });
});

describe('a restart', () => {
  it('keeps objects and history, and ends watches', async () => {
    const path = await space();
    await client.post(path, map('kept'));
    const revision = await revisionOf(path);
    const watching = await watch(`${path}?resourceVersion=${revision}`);
    client.close();
    await server.restart();
    await expect(watching.next()).rejects.toThrow();
    await client.post(path, map('after'));
    const again = await watch(`${path}?resourceVersion=${revision}`);
    expect(await again.told(1)).toEqual(['ADDED after']);
    expect((await client.get(path)).body.items).toHaveLength(2);
  });
});
