import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApiServer, type TestApiServer } from './testing.ts';
import { TestClient } from './testing-client.ts';

let server: TestApiServer;
let client: TestClient;

beforeAll(async () => {
  server = await startTestApiServer({ serviceCidr: '10.9.0.0/28' });
  client = new TestClient(server);
});
afterAll(async () => {
  client.close();
  await server.close();
});

const NS = '/api/v1/namespaces/default';
const pod = (name: string, spec: object = {}, labels: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels },
  spec: { containers: [{ name: 'c', image: 'busybox' }], ...spec },
});

describe('admission of pods', () => {
  it('gives an account, its token, a priority and tolerations', async () => {
    const { body } = await client.post(`${NS}/pods`, pod('admitted'));
    expect(body.spec).toMatchObject({
      serviceAccountName: 'default',
      priority: 0,
      preemptionPolicy: 'PreemptLowerPriority',
    });
    expect(body.spec.volumes[0].name).toMatch(/^kube-api-access-[a-z0-9]{5}$/);
    expect(body.spec.containers[0].volumeMounts).toEqual([
      {
        name: body.spec.volumes[0].name,
        readOnly: true,
        mountPath: '/var/run/secrets/kubernetes.io/serviceaccount',
      },
    ]);
    expect(body.spec.tolerations.map((one: { key: string }) => one.key)).toEqual([
      'node.kubernetes.io/not-ready',
      'node.kubernetes.io/unreachable',
    ]);
    expect(body.status).toEqual({ phase: 'Pending', qosClass: 'BestEffort' });
  });

  it('refuses unknown accounts and classes; leaves out a token that is not wanted', async () => {
    expect((await client.post(`${NS}/pods`, pod('a', { serviceAccountName: 'none' }))).body.message).toBe(
      'pods "a" is forbidden: error looking up service account default/none: serviceaccount "none" not found',
    );
    expect((await client.post(`${NS}/pods`, pod('a', { priorityClassName: 'none' }))).body.code).toBe(403);
    const { body } = await client.post(`${NS}/pods`, pod('bare', { automountServiceAccountToken: false }));
    expect(body.spec.volumes).toBeUndefined();
    const critical = await client.post(
      `${NS}/pods`,
      pod('critical', { priorityClassName: 'system-node-critical' }),
    );
    expect(critical.body.spec.priority).toBe(2_000_001_000);
  });
});

describe('binding and eviction', () => {
  const bind = (name: string, node: string) =>
    client.post(`${NS}/pods/${name}/binding`, {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name },
      target: { kind: 'Node', name: node },
    });

  it('binds once', async () => {
    await client.post(`${NS}/pods`, pod('b'));
    expect((await bind('b', 'n1')).body).toMatchObject({ status: 'Success' });
    expect((await client.get(`${NS}/pods/b`)).body).toMatchObject({
      spec: { nodeName: 'n1' },
      status: { conditions: [{ type: 'PodScheduled', status: 'True' }] },
    });
    expect((await bind('b', 'n2')).body).toMatchObject({
      code: 409,
      message: 'Operation cannot be fulfilled on pods/binding "b": pod b is already assigned to node "n1"',
    });
    expect((await bind('nobody', 'n2')).body.code).toBe(404);
  });

  it('evicts as far as a budget allows', async () => {
    const budgets = '/apis/policy/v1/namespaces/default/poddisruptionbudgets';
    const budget = {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { name: 'pdb' },
      spec: { minAvailable: 1, selector: { matchLabels: { app: 'e' } } },
    };
    const evict = (name: string) =>
      client.post(`${NS}/pods/${name}/eviction`, {
        apiVersion: 'policy/v1',
        kind: 'Eviction',
        metadata: { name },
      });
    for (const name of ['e1', 'e2']) {
      await client.post(`${NS}/pods`, pod(name, { nodeName: 'n' }, { app: 'e' }));
      await client.patch(`${NS}/pods/${name}/status`, { status: { phase: 'Running' } });
    }
    await client.post(budgets, budget);
    const unseen = await evict('e1');
    expect([unseen.status, unseen.headers['retry-after']]).toEqual([429, '10']);
    const status = {
      observedGeneration: 1,
      disruptionsAllowed: 1,
      desiredHealthy: 1,
      currentHealthy: 2,
      expectedPods: 2,
    };
    await client.patch(`${budgets}/pdb/status`, { status });
    expect((await evict('e1')).status).toBe(201);
    expect((await client.get(`${NS}/pods/e1`)).body.metadata.deletionTimestamp).toBeDefined();
    expect((await client.get(`${budgets}/pdb`)).body.status.disruptionsAllowed).toBe(0);
    expect((await evict('e2')).body).toMatchObject({
      code: 429,
      reason: 'TooManyRequests',
      message: "Cannot evict pod as it would violate the pod's disruption budget.",
      details: { causes: [{ reason: 'DisruptionBudget' }] },
    });
  });
});

describe('updates', () => {
  it('leaves nodes to bindings and containers for debugging to their subresource', async () => {
    await client.post(`${NS}/pods`, pod('unbound'));
    const wanted = [{ nodeName: 'n' }, { ephemeralContainers: [{ name: 'd', image: 'i' }] }];
    for (const spec of wanted) {
      const { status, body } = await client.patch(`${NS}/pods/unbound`, { spec });
      expect(status).toBe(422);
      expect(body.message).toContain(`changed: spec.${Object.keys(spec)[0]}`);
    }
  });
});

describe('services', () => {
  it('keeps the address, also when only one of its two fields is changed', async () => {
    const { body } = await make('fixed');
    const { status, body: refused } = await client.patch(`${NS}/services/fixed`, {
      spec: { clusterIP: '10.9.0.14' === body.spec.clusterIP ? '10.9.0.13' : '10.9.0.14' },
    });
    expect(status).toBe(422);
    expect(refused.message).toContain('spec.clusterIPs[0]: Invalid value');
    await client.delete(`${NS}/services/fixed`);
  });
  const service = (name: string, spec: object = {}) => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: { ports: [{ port: 80 }], ...spec },
  });
  const make = (name: string, spec?: object) => client.post(`${NS}/services`, service(name, spec));

  it('has the first address for kubernetes, with what is behind it', async () => {
    expect((await client.get(`${NS}/services/kubernetes`)).body.spec.clusterIP).toBe('10.9.0.1');
    const slice = await client.get('/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes');
    expect(slice.body).toMatchObject({
      endpoints: [{ addresses: ['127.0.0.1'] }],
      ports: [{ port: server.server.port }],
    });
  });

  it('gives every address once, until there is none, and takes it back', async () => {
    const made = await Promise.all(Array.from({ length: 13 }, (_, n) => make(`s${n}`)));
    expect(made.map(({ status }) => status)).toEqual(made.map(() => 201));
    const addresses = made.map(({ body }) => body.spec.clusterIP);
    expect(new Set([...addresses, '10.9.0.1']).size).toBe(14);
    expect((await make('full')).body.message).toContain('range is full');
    expect((await client.get(`${NS}/services/full`)).status).toBe(404);
    await client.delete(`${NS}/services/s3`);
    expect((await make('again')).body.spec.clusterIP).toBe(addresses[3]);
    expect((await make('taken', { clusterIP: addresses[1] })).body).toMatchObject({
      code: 422,
      reason: 'Invalid',
    });
    expect((await make('outside', { clusterIP: '10.10.0.1' })).body.code).toBe(422);
    client.close();
    await server.restart();
    expect((await make('taken', { clusterIP: addresses[1] })).body.code).toBe(422);
    for (let n = 0; n < 13; n++) await client.delete(`${NS}/services/s${n}`);
    await client.delete(`${NS}/services/again`);
  });

  it('takes nothing in a dry run or for a refused object', async () => {
    for (let n = 0; n < 40; n++)
      expect((await client.send('POST', `${NS}/services?dryRun=All`, service('dry'))).status).toBe(201);
    await make('there');
    for (let n = 0; n < 40; n++) expect((await make('there')).status).toBe(409);
    expect((await make('more')).status).toBe(201);
  });

  it('gives node ports, keeps them through updates, and takes them back when the type changes', async () => {
    const { body } = await make('np', {
      type: 'NodePort',
      ports: [
        { port: 53, protocol: 'UDP', name: 'u' },
        { port: 53, name: 't' },
      ],
    });
    const [udp, tcp] = body.spec.ports;
    expect(udp.nodePort).toBe(tcp.nodePort);
    expect(tcp.nodePort).toBeGreaterThanOrEqual(30_000);
    expect(
      (await make('np2', { type: 'NodePort', ports: [{ port: 1, nodePort: tcp.nodePort }] })).body.code,
    ).toBe(422);
    const replaced = await client.put(
      `${NS}/services/np`,
      service('np', { type: 'NodePort', ports: [{ port: 53, name: 't' }] }),
    );
    expect(replaced.body.spec).toMatchObject({
      clusterIP: body.spec.clusterIP,
      ports: [{ nodePort: tcp.nodePort }],
    });
    const plain = await client.patch(`${NS}/services/np`, { spec: { type: 'ClusterIP' } });
    expect(plain.body.spec.ports[0].nodePort).toBeUndefined();
    expect(
      (await make('np3', { type: 'NodePort', ports: [{ port: 1, nodePort: tcp.nodePort }] })).status,
    ).toBe(201);
  });
});
