import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Store } from '../store/store.ts';
import { compactRegularly, EVENT_TTL, sweepEvents } from './housekeeping.ts';
import { startTestApiServer, type TestApiServer } from './testing.ts';
import { TestClient } from './testing-client.ts';

let server: TestApiServer;
let client: TestClient;

beforeAll(async () => {
  server = await startTestApiServer();
  client = new TestClient(server);
});
afterAll(async () => {
  client.close();
  await server.close();
});

const EVENTS = '/api/v1/namespaces/default/events';
const event = (name: string, time: Date) => ({
  apiVersion: 'v1',
  kind: 'Event',
  metadata: { name, namespace: 'default' },
  involvedObject: { kind: 'Pod', namespace: 'default', name: 'p' },
  reason: 'Started',
  message: 'it did',
  type: 'Normal',
  firstTimestamp: time.toISOString(),
  lastTimestamp: time.toISOString(),
});

describe('events', () => {
  it('go when nobody has touched them for an hour', async () => {
    const now = new Date();
    const old = new Date(now.getTime() - EVENT_TTL - 2_000);
    for (const [name, time] of [
      ['old', old],
      ['new', now],
    ] as const)
      expect((await client.post(EVENTS, event(name, time))).status).toBe(201);
    expect(await sweepEvents(server.server.runtime, now)).toBe(1);
    expect(
      (await client.get(EVENTS)).body.items.map((one: { metadata: { name: string } }) => one.metadata.name),
    ).toEqual(['new']);
  });

  it('are the same ones in both API groups', async () => {
    await client.post(EVENTS, event('shared', new Date()));
    const { body } = await client.get('/apis/events.k8s.io/v1/namespaces/default/events/shared');
    expect(body).toMatchObject({
      apiVersion: 'events.k8s.io/v1',
      regarding: { kind: 'Pod', name: 'p' },
      note: 'it did',
      deprecatedLastTimestamp: expect.any(String),
    });
    expect([body.message, body.involvedObject]).toEqual([undefined, undefined]);
    const { items } = (await client.get(`${EVENTS}?fieldSelector=involvedObject.name%3Dp,reason%3DStarted`))
      .body;
    expect(items.length).toBeGreaterThan(0);
  });
});

describe('paths that are no resources', () => {
  it('tell of health, version and figures', async () => {
    expect((await client.get('/readyz')).text).toBe('ok');
    expect((await client.get('/readyz?verbose')).text).toMatch(
      /^\[\+\]ping ok\n[\s\S]*\[\+\]store ok\nreadyz check passed\n$/,
    );
    expect((await client.get('/livez/store')).text).toBe('ok');
    expect((await client.get('/readyz/nothing')).status).toBe(404);
    expect((await client.get('/version')).body.gitVersion).toBe('v1.33.0');
    await client.get('/api/v1/pods/x/made-up-name');
    const { text } = await client.get('/metrics');
    expect(text).toMatch(/apiserver_request_total\{verb="CREATE",resource="events",code="201"\} \d+/);
    expect(text).toContain('apiserver_registered_watchers 0');
    expect(text).not.toContain('made-up');
  });

  it('are not for everyone', async () => {
    const anonymous = async (path: string) => {
      const { credentials, url } = server;
      const { request } = await import('node:https');
      return new Promise<number>((resolve, reject) => {
        request(`${url}${path}`, { ca: credentials.ca, agent: false }, (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        })
          .on('error', reject)
          .end();
      });
    };
    expect(await anonymous('/readyz')).toBe(200);
    expect(await anonymous('/version')).toBe(200);
    expect(await anonymous('/metrics')).toBe(403);
    expect(await anonymous('/api/v1/secrets')).toBe(403);
  });
});

describe('bodies', () => {
  it('may be YAML, not too large, and of a known type', async () => {
    const send = (body: string, type: string) =>
      client.send('POST', '/api/v1/namespaces/default/configmaps', body, { 'content-type': type });
    expect(
      (await send('apiVersion: v1\nkind: ConfigMap\nmetadata: {name: y}\n', 'application/yaml')).status,
    ).toBe(201);
    expect((await send('x', 'text/html')).status).toBe(415);
    expect((await send('{', 'application/json')).status).toBe(400);
    expect((await send('', 'application/json')).status).toBe(400);
    const large = JSON.stringify({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'l' },
      data: { a: 'x'.repeat(4 << 20) },
    });
    expect((await send(large, 'application/json').catch(() => ({ status: 413 }))).status).toBe(413);
    expect((await client.get('/api/v1/namespaces/default/configmaps/y')).status).toBe(200);
  });
});

it('compaction keeps an interval of history', async () => {
  const store = new Store(':memory:');
  for (let n = 0; n < 10; n++) store.put('a/b/c', store.get('a/b/c')?.revision ?? 0, () => '{}');
  store.flush();
  const end = compactRegularly(store, 10);
  await expect.poll(() => store.compacted).toBe(store.revision - 1);
  end();
  expect(store.get('a/b/c')?.revision).toBe(store.revision);
  store.close();
});
