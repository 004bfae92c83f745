import { afterAll, beforeAll, describe, expect, it } from 'vitest';
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
  expect(server.errors).toEqual([]);
});

const CMS = '/api/v1/namespaces/default/configmaps';
const PODS = '/api/v1/namespaces/default/pods';
const map = (name: string, more: object = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, ...more },
  data: { a: '1' },
});
const pod = (name: string, spec: object = {}, metadata: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, ...metadata },
  spec: { containers: [{ name: 'c', image: 'busybox' }], ...spec },
});

describe('create', () => {
  it('answers 201 with what the system adds, whatever the client said of it', async () => {
    const { status, body } = await client.post(
      CMS,
      map('one', { uid: 'mine', creationTimestamp: '2001-01-01T00:00:00Z' }),
    );
    expect(status).toBe(201);
    expect(body).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap', data: { a: '1' } });
    expect(body.metadata.namespace).toBe('default');
    expect(body.metadata.uid).toMatch(/^[0-9a-f-]{36}$/);
    expect(Date.now() - Date.parse(body.metadata.creationTimestamp)).toBeLessThan(5_000);
    expect(Number(body.metadata.resourceVersion)).toBeGreaterThan(1);
    expect((await client.get(`${CMS}/one`)).body).toEqual(body);
  });

  it('refuses what is there, what has no name, another namespace, another kind', async () => {
    await client.post(CMS, map('twice'));
    expect((await client.post(CMS, map('twice'))).body).toMatchObject({
      code: 409,
      reason: 'AlreadyExists',
      message: 'configmaps "twice" already exists',
      details: { name: 'twice', kind: 'configmaps' },
    });
    expect((await client.post(CMS, { ...map(''), metadata: {} })).body).toMatchObject({
      code: 422,
      reason: 'Invalid',
      details: { causes: [{ field: 'metadata.name', reason: 'FieldValueRequired' }] },
    });
    expect((await client.post(CMS, map('x', { namespace: 'other' }))).body.message).toBe(
      'the namespace of the provided object does not match the namespace sent on the request',
    );
    expect((await client.post(CMS, { ...map('x'), kind: 'Secret' })).body).toMatchObject({ code: 400 });
    expect((await client.post(CMS, map('x', { resourceVersion: '5' }))).body.code).toBe(400);
  });

  it('gives names from generateName', async () => {
    const made = await Promise.all(
      Array.from({ length: 20 }, () => client.post(CMS, map('', { name: undefined, generateName: 'gen-' }))),
    );
    const names = new Set(made.map(({ body }) => body.metadata.name));
    expect(names.size).toBe(20);
    for (const name of names) expect(name).toMatch(/^gen-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
  });

  it('stores nothing in a dry run', async () => {
    const { status, body } = await client.post(`${CMS}?dryRun=All`, map('dry'));
    expect([status, body.metadata.name, body.metadata.uid !== undefined]).toEqual([201, 'dry', true]);
    expect((await client.get(`${CMS}/dry`)).status).toBe(404);
    expect((await client.post(`${CMS}?dryRun=Some`, map('dry'))).status).toBe(422);
  });

  it('needs the namespace', async () => {
    const { body } = await client.post('/api/v1/namespaces/nowhere/configmaps', map('x'));
    expect(body).toMatchObject({ code: 404, message: 'namespaces "nowhere" not found' });
  });
});

describe('update and patch', () => {
  it('refuses an old resourceVersion, takes one that is left out', async () => {
    const first = (await client.post(CMS, map('u'))).body;
    const second = (await client.put(`${CMS}/u`, { ...first, data: { a: '2' } })).body;
    expect(second.data).toEqual({ a: '2' });
    expect(Number(second.metadata.resourceVersion)).toBeGreaterThan(Number(first.metadata.resourceVersion));
    expect((await client.put(`${CMS}/u`, { ...first, data: { a: '3' } })).body).toMatchObject({
      code: 409,
      reason: 'Conflict',
      message:
        'Operation cannot be fulfilled on configmaps "u": the object has been modified; please apply your changes to the latest version and try again',
    });
    expect((await client.put(`${CMS}/u`, map('u'))).body.data).toEqual({ a: '1' });
    expect((await client.put(`${CMS}/u`, map('other'))).body.code).toBe(400);
    expect((await client.put(`${CMS}/u`, map('u', { uid: 'x' }))).body.code).toBe(409);
    expect((await client.put(`${CMS}/none`, map('none'))).body.code).toBe(404);
  });

  it('writes nothing when nothing changes', async () => {
    const first = (await client.post(CMS, map('same'))).body;
    expect((await client.put(`${CMS}/same`, first)).body.metadata.resourceVersion).toBe(
      first.metadata.resourceVersion,
    );
    const patched = await client.patch(`${CMS}/same`, { data: { a: '1' } });
    expect(patched.body.metadata.resourceVersion).toBe(first.metadata.resourceVersion);
  });

  it('takes all four patches', async () => {
    await client.post(CMS, map('p'));
    expect((await client.patch(`${CMS}/p`, { data: { b: '2' } })).body.data).toEqual({ a: '1', b: '2' });
    expect(
      (await client.patch(`${CMS}/p`, { data: { a: null } }, 'strategic-merge-patch')).body.data,
    ).toEqual({ b: '2' });
    const json = await client.patch(`${CMS}/p`, [{ op: 'add', path: '/data/c', value: '3' }], 'json-patch');
    expect(json.body.data).toEqual({ b: '2', c: '3' });
    const apply = (path: string, body: string) =>
      client.send('PATCH', path, body, { 'content-type': 'application/apply-patch+yaml' });
    const applied = await apply(
      `${CMS}/p?fieldManager=me`,
      'apiVersion: v1\nkind: ConfigMap\ndata:\n  d: "4"\n',
    );
    expect(applied.body.data).toEqual({ b: '2', c: '3', d: '4' });
    const made = await apply(
      `${CMS}/new?fieldManager=me`,
      'apiVersion: v1\nkind: ConfigMap\ndata: {e: "5"}\n',
    );
    expect([made.status, made.body.metadata.name]).toEqual([201, 'new']);
    expect((await apply(`${CMS}/p`, '{}')).body.code).toBe(422);
    expect((await client.send('PATCH', `${CMS}/p`, '{}', { 'content-type': 'text/plain' })).status).toBe(415);
  });

  it('loses no write of many at once', async () => {
    await client.post(CMS, map('counter'));
    const add = async (n: number) => client.patch(`${CMS}/counter`, { data: { [`k${n}`]: 'v' } });
    const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => add(n)));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect(Object.keys((await client.get(`${CMS}/counter`)).body.data)).toHaveLength(51);
  });

  it('counts generations by spec, and keeps spec and status apart', async () => {
    const path = '/apis/apps/v1/namespaces/default/deployments';
    const deployment = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'd' },
      spec: {
        selector: { matchLabels: { a: 'b' } },
        template: { metadata: { labels: { a: 'b' } }, spec: pod('x').spec },
      },
      status: { replicas: 7 },
    };
    const made = (await client.post(path, deployment)).body;
    expect([made.metadata.generation, made.status?.replicas]).toEqual([1, undefined]);
    const labelled = await client.patch(`${path}/d`, { metadata: { labels: { x: 'y' } } });
    expect(labelled.body.metadata.generation).toBe(1);
    const scaled = await client.patch(`${path}/d`, { spec: { replicas: 4 }, status: { replicas: 9 } });
    expect([scaled.body.metadata.generation, scaled.body.status?.replicas]).toEqual([2, undefined]);
    const status = await client.patch(`${path}/d/status`, { spec: { replicas: 1 }, status: { replicas: 3 } });
    expect([status.body.spec.replicas, status.body.status.replicas, status.body.metadata.generation]).toEqual(
      [4, 3, 2],
    );
    const scale = (await client.get(`${path}/d/scale`)).body;
    expect(scale).toMatchObject({
      kind: 'Scale',
      spec: { replicas: 4 },
      status: { replicas: 3, selector: 'a=b' },
    });
    const put = await client.put(`${path}/d/scale`, { ...scale, spec: { replicas: 5 } });
    expect(put.body.spec.replicas).toBe(5);
    expect((await client.put(`${path}/d/scale`, { ...scale, spec: { replicas: 6 } })).body.code).toBe(409);
    expect((await client.put(`${path}/d/scale`, { ...put.body, spec: { replicas: -1 } })).body.code).toBe(
      422,
    );
    expect((await client.get(`${path}/d`)).body.spec.replicas).toBe(5);
  });
});

describe('delete', () => {
  it('honours preconditions and finalizers', async () => {
    const made = (await client.post(CMS, map('f', { finalizers: ['example.com/hold'] }))).body;
    expect((await client.delete(`${CMS}/f`, { preconditions: { uid: 'other' } })).body.code).toBe(409);
    const deleting = await client.delete(`${CMS}/f`);
    expect([deleting.status, deleting.body.kind]).toEqual([200, 'ConfigMap']);
    expect(deleting.body.metadata.deletionTimestamp).toBeDefined();
    expect((await client.get(`${CMS}/f`)).status).toBe(200);
    const revision = (await client.get(`${CMS}/f`)).body.metadata.resourceVersion;
    await client.delete(`${CMS}/f`);
    expect((await client.get(`${CMS}/f`)).body.metadata.resourceVersion).toBe(revision);
    await client.patch(`${CMS}/f`, { metadata: { finalizers: null } });
    expect((await client.get(`${CMS}/f`)).status).toBe(404);
    expect(made.metadata.uid).toBeDefined();
  });

  it('says by finalizers what is to happen with dependents', async () => {
    const finalizers = async (name: string, options: object) => {
      await client.post(CMS, map(name));
      return (await client.delete(`${CMS}/${name}`, options)).body;
    };
    expect((await finalizers('fg', { propagationPolicy: 'Foreground' })).metadata.finalizers).toEqual([
      'foregroundDeletion',
    ]);
    expect((await finalizers('or', { propagationPolicy: 'Orphan' })).metadata.finalizers).toEqual(['orphan']);
    expect((await finalizers('bg', { propagationPolicy: 'Background' })).status).toBe('Success');
    expect((await finalizers('no', { propagationPolicy: 'Whatever' })).code).toBe(400);
  });

  it('lets a pod on a node end with grace, one without a node at once', async () => {
    await client.post(PODS, pod('free'));
    expect((await client.delete(`${PODS}/free`)).body.kind).toBe('Pod');
    expect((await client.get(`${PODS}/free`)).status).toBe(404);
    await client.post(PODS, pod('bound', { nodeName: 'n', terminationGracePeriodSeconds: 20 }));
    const grace = async (path: string) => (await client.get(path)).body?.metadata?.deletionGracePeriodSeconds;
    await client.delete(`${PODS}/bound`);
    expect(await grace(`${PODS}/bound`)).toBe(20);
    await client.delete(`${PODS}/bound`, { gracePeriodSeconds: 60 });
    expect(await grace(`${PODS}/bound`)).toBe(20);
    await client.delete(`${PODS}/bound`, { gracePeriodSeconds: 5 });
    expect(await grace(`${PODS}/bound`)).toBe(5);
    await client.delete(`${PODS}/bound?gracePeriodSeconds=0`);
    expect((await client.get(`${PODS}/bound`)).status).toBe(404);
  });

  it('deletes collections by selector', async () => {
    for (const n of [1, 2, 3])
      await client.post(CMS, map(`col-${n}`, { labels: { col: n < 3 ? 'yes' : 'no' } }));
    const { body } = await client.delete(`${CMS}?labelSelector=col%3Dyes`);
    expect(body.items.map((one: { metadata: { name: string } }) => one.metadata.name)).toEqual([
      'col-1',
      'col-2',
    ]);
    expect((await client.get(`${CMS}?labelSelector=col`)).body.items).toHaveLength(1);
  });

  it('keeps a namespace until it is finalized, and takes nothing into it meanwhile', async () => {
    const NS = '/api/v1/namespaces';
    const space = (
      await client.post(NS, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'going' } })
    ).body;
    expect(space).toMatchObject({ spec: { finalizers: ['kubernetes'] }, status: { phase: 'Active' } });
    expect((await client.delete(`${NS}/going`)).body.status.phase).toBe('Terminating');
    expect((await client.delete(`${NS}/going`)).body.code).toBe(409);
    expect((await client.post(`${NS}/going/configmaps`, map('late'))).body).toMatchObject({
      code: 403,
      message:
        'configmaps "late" is forbidden: unable to create new content in namespace going because it is being terminated',
    });
    const live = (await client.get(`${NS}/going`)).body;
    await client.put(`${NS}/going/finalize`, { ...live, spec: { finalizers: [] } });
    expect((await client.get(`${NS}/going`)).status).toBe(404);
    expect((await client.delete(`${NS}/kube-system`)).body.code).toBe(403);
  });
});
