import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import {
  CONFIG_MAPS,
  DAEMON_SETS,
  DEPLOYMENTS,
  ENDPOINT_SLICES,
  ENDPOINTS,
  type EndpointSlice,
  JOBS,
  NAMESPACES,
  PODS,
  REPLICA_SETS,
  SERVICE_ACCOUNTS,
  SERVICES,
  STATEFUL_SETS,
} from './common/objects.ts';
import { EXIT, startTestCluster, type TestCluster, template } from './testing.ts';

// A machine that is busy with other tests is slow; what is not reached at all says so after 20 s.
vi.setConfig({ testTimeout: 60_000 });

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await startTestCluster();
  await Promise.all(['n1', 'n2', 'n3'].map((name) => cluster.addNode(name)));
  await cluster.until(SERVICE_ACCOUNTS, 'default/default', (account) => account !== undefined);
}, 30_000);

afterAll(() => cluster?.close());

async function namespace(name: string): Promise<string> {
  await cluster.create(NAMESPACES, { metadata: { name } });
  await cluster.until(SERVICE_ACCOUNTS, `${name}/default`, (account) => account !== undefined);
  return name;
}

const deployment = (ns: string, name: string, spec: object) => ({
  metadata: { name, namespace: ns },
  spec: { selector: { matchLabels: { app: name } }, template: template({ app: name }), ...spec },
});

test('a namespace gets its service account and the root certificates', async () => {
  const ns = await namespace('accounts');
  const map = await cluster.until(CONFIG_MAPS, `${ns}/kube-root-ca.crt`, (o) => o !== undefined);
  expect(map?.data?.['ca.crt']).toBe('PEM');
});

test('a Deployment runs, rolls out without going below its size, and rolls back', async () => {
  const ns = await namespace('rollout');
  const strategy = { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } };
  await cluster.create(DEPLOYMENTS, deployment(ns, 'web', { replicas: 4, strategy }));
  const done =
    (generation: number) =>
    (d?: {
      status: {
        observedGeneration?: number;
        updatedReplicas?: number;
        availableReplicas?: number;
        replicas?: number;
      };
    }) =>
      d?.status.observedGeneration === generation &&
      d.status.updatedReplicas === 4 &&
      d.status.availableReplicas === 4 &&
      d.status.replicas === 4;
  await cluster.until(DEPLOYMENTS, `${ns}/web`, done(1));
  const patch = { spec: { template: { metadata: { annotations: { version: '2' } } } } };
  await cluster.client.patch(DEPLOYMENTS, { namespace: ns, name: 'web' }, patch, { type: 'merge' });
  const rolled = await cluster.until(DEPLOYMENTS, `${ns}/web`, done(2));
  expect(rolled?.metadata.annotations?.['deployment.kubernetes.io/revision']).toBe('2');
  await cluster.until(
    DEPLOYMENTS,
    `${ns}/web`,
    (d) =>
      d?.status.conditions?.some((c) => c.type === 'Progressing' && c.reason === 'NewReplicaSetAvailable') ===
      true,
  );
  const sets = await cluster.untilAll(REPLICA_SETS, (all) => {
    const own = all.filter((rs) => rs.metadata.namespace === ns);
    return (
      own.length === 2 && own.some((rs) => rs.spec.replicas === 0) && own.some((rs) => rs.spec.replicas === 4)
    );
  });
  expect(
    sets
      .filter((rs) => rs.metadata.namespace === ns)
      .map((rs) => rs.metadata.annotations?.['deployment.kubernetes.io/revision'])
      .sort(),
  ).toEqual(['1', '2']);
  await cluster.client.patch(
    DEPLOYMENTS,
    { namespace: ns, name: 'web' },
    { spec: { template: { metadata: { annotations: { version: null } } } } },
    { type: 'merge' },
  );
  await cluster.until(
    DEPLOYMENTS,
    `${ns}/web`,
    (d) => d?.metadata.annotations?.['deployment.kubernetes.io/revision'] === '3' && done(3)(d),
  );
  await cluster.client.patch(
    DEPLOYMENTS,
    { namespace: ns, name: 'web' },
    { spec: { replicas: 1 } },
    { type: 'merge' },
  );
  await cluster.untilAll(PODS, (pods) => pods.filter((p) => p.metadata.namespace === ns).length === 1);
});

test('Recreate ends the old pods before it makes new ones', async () => {
  const ns = await namespace('recreate');
  await cluster.create(DEPLOYMENTS, deployment(ns, 'db', { replicas: 2, strategy: { type: 'Recreate' } }));
  await cluster.until(DEPLOYMENTS, `${ns}/db`, (d) => d?.status.availableReplicas === 2);
  const patch = { spec: { template: { metadata: { annotations: { version: '2' } } } } };
  await cluster.client.patch(DEPLOYMENTS, { namespace: ns, name: 'db' }, patch, { type: 'merge' });
  await cluster.until(
    DEPLOYMENTS,
    `${ns}/db`,
    (d) =>
      d?.status.observedGeneration === 2 &&
      d.status.updatedReplicas === 2 &&
      d.status.availableReplicas === 2,
  );
});

test('Services have slices and endpoints of the pods that they select, ready ones apart', async () => {
  const ns = await namespace('services');
  await cluster.create(SERVICES, {
    metadata: { name: 'web', namespace: ns },
    spec: { selector: { app: 'web' }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] },
  });
  await cluster.create(DEPLOYMENTS, deployment(ns, 'web', { replicas: 3 }));
  await cluster.create(PODS, {
    metadata: {
      name: 'sick',
      namespace: ns,
      labels: { app: 'web', extra: '1' },
      annotations: { [EXIT]: 'never' },
    },
    spec: { containers: [{ name: 'c', image: 'x' }] },
  });
  const slices = await cluster.untilAll(ENDPOINT_SLICES, (all) => {
    const own = all.filter((s) => s.metadata.namespace === ns);
    return (
      own.length === 1 &&
      own[0]?.endpoints?.length === 4 &&
      own[0].endpoints.filter((e) => e.conditions?.ready).length === 3
    );
  });
  const slice = slices.find((s) => s.metadata.namespace === ns);
  expect(slice?.ports).toEqual([{ name: 'http', port: 8080, protocol: 'TCP' }]);
  expect(slice?.metadata.labels).toMatchObject({
    'kubernetes.io/service-name': 'web',
    'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
  });
  const endpoints = await cluster.until(
    ENDPOINTS,
    `${ns}/web`,
    (e) => e?.subsets?.[0]?.addresses?.length === 3,
  );
  expect(endpoints?.subsets?.[0]?.notReadyAddresses).toHaveLength(1);
  await cluster.client.delete(SERVICES, { namespace: ns, name: 'web' });
  await cluster.untilAll(ENDPOINT_SLICES, (all) => !all.some((s) => s.metadata.namespace === ns));
  await cluster.until(ENDPOINTS, `${ns}/web`, (e) => e === undefined);
});

test('Endpoints that people write are mirrored into slices, and these follow them', async () => {
  const ns = await namespace('mirror');
  const own = (all: EndpointSlice[]) => all.filter((s) => s.metadata.namespace === ns);
  const addresses = (all: EndpointSlice[]) =>
    own(all).flatMap((s) => (s.endpoints ?? []).flatMap((e) => e.addresses));
  await cluster.create(SERVICES, {
    metadata: { name: 'db', namespace: ns },
    spec: { ports: [{ port: 5432 }] },
  });
  const subset = (...ips: string[]) => [{ addresses: ips.map((ip) => ({ ip })), ports: [{ port: 5432 }] }];
  await cluster.create(ENDPOINTS, { metadata: { name: 'db', namespace: ns }, subsets: subset('192.0.2.1') });
  const [slice] = own(await cluster.untilAll(ENDPOINT_SLICES, (all) => addresses(all).length === 1));
  expect(slice?.metadata).toMatchObject({
    labels: { 'endpointslice.kubernetes.io/managed-by': 'endpointslicemirroring-controller.k8s.io' },
    ownerReferences: [{ kind: 'Endpoints', name: 'db' }],
  });
  await cluster.client.patch(
    ENDPOINTS,
    { namespace: ns, name: 'db' },
    { subsets: subset('192.0.2.1', '192.0.2.2') },
    { type: 'merge' },
  );
  await cluster.untilAll(ENDPOINT_SLICES, (all) => addresses(all).length === 2);
  await cluster.client.patch(
    SERVICES,
    { namespace: ns, name: 'db' },
    { spec: { selector: { app: 'db' } } },
    { type: 'merge' },
  );
  // The Service looks for pods now; there are none.
  await cluster.untilAll(ENDPOINT_SLICES, (all) => own(all).length === 1 && addresses(all).length === 0);
});

test('a DaemonSet has a pod on each node that it fits, and updates them one by one', async () => {
  const ns = await namespace('daemons');
  await cluster.create(DAEMON_SETS, {
    metadata: { name: 'agent', namespace: ns },
    spec: { selector: { matchLabels: { app: 'agent' } }, template: template({ app: 'agent' }) },
  });
  await cluster.until(DAEMON_SETS, `${ns}/agent`, (ds) => ds?.status.numberAvailable === 3);
  const pods = await cluster.untilAll(
    PODS,
    (all) => all.filter((p) => p.metadata.namespace === ns).length === 3,
  );
  expect(new Set(pods.filter((p) => p.metadata.namespace === ns).map((p) => p.spec.nodeName))).toEqual(
    new Set(['n1', 'n2', 'n3']),
  );
  await cluster.client.patch(
    DAEMON_SETS,
    { namespace: ns, name: 'agent' },
    { spec: { template: { metadata: { annotations: { v: '2' } } } } },
    { type: 'merge' },
  );
  await cluster.until(
    DAEMON_SETS,
    `${ns}/agent`,
    (ds) =>
      ds?.status.observedGeneration === 2 &&
      ds.status.updatedNumberScheduled === 3 &&
      ds.status.numberAvailable === 3,
  );
});

test('a StatefulSet starts one after another, and updates from the top', async () => {
  const ns = await namespace('stateful');
  await cluster.create(STATEFUL_SETS, {
    metadata: { name: 'db', namespace: ns },
    spec: {
      serviceName: 'db',
      replicas: 3,
      selector: { matchLabels: { app: 'db' } },
      template: template({ app: 'db' }),
    },
  });
  await cluster.until(
    STATEFUL_SETS,
    `${ns}/db`,
    (s) => s?.status.readyReplicas === 3 && s.status.currentRevision === s.status.updateRevision,
  );
  await cluster.client.patch(
    STATEFUL_SETS,
    { namespace: ns, name: 'db' },
    { spec: { template: { metadata: { annotations: { v: '2' } } } } },
    { type: 'merge' },
  );
  await cluster.until(
    STATEFUL_SETS,
    `${ns}/db`,
    (s) =>
      s?.status.observedGeneration === 2 &&
      s.status.updatedReplicas === 3 &&
      s.status.readyReplicas === 3 &&
      s.status.currentRevision === s.status.updateRevision,
  );
  const pod = await cluster.until(PODS, `${ns}/db-2`, (p) => p !== undefined);
  expect(pod?.spec).toMatchObject({ hostname: 'db-2', subdomain: 'db' });
});

test('Jobs complete, fail at their limit, and index their pods', async () => {
  const ns = await namespace('jobs');
  const spec = { restartPolicy: 'Never' } as const;
  const job = (name: string, exit: string, more: object) => ({
    metadata: { name, namespace: ns },
    spec: { template: template({}, { annotations: { [EXIT]: exit }, spec }), ...more },
  });
  await cluster.create(JOBS, job('good', '0', { completions: 5, parallelism: 2 }));
  await cluster.create(JOBS, job('bad', '1', { backoffLimit: 0 }));
  await cluster.create(
    JOBS,
    job('indexed', '0', { completions: 3, parallelism: 3, completionMode: 'Indexed' }),
  );
  const good = await cluster.until(
    JOBS,
    `${ns}/good`,
    (j) => j?.status.conditions?.some((c) => c.type === 'Complete') === true,
  );
  expect(good?.status).toMatchObject({ succeeded: 5 });
  const bad = await cluster.until(
    JOBS,
    `${ns}/bad`,
    (j) => j?.status.conditions?.some((c) => c.type === 'Failed') === true,
  );
  expect(bad?.status).toMatchObject({ failed: 1 });
  expect(bad?.status.conditions?.find((c) => c.type === 'Failed')?.reason).toBe('BackoffLimitExceeded');
  const indexed = await cluster.until(
    JOBS,
    `${ns}/indexed`,
    (j) => j?.status.conditions?.some((c) => c.type === 'Complete') === true,
  );
  expect(indexed?.status.completedIndexes).toBe('0-2');
});

test('what belongs to a deleted owner goes; orphans stay', async () => {
  const ns = await namespace('garbage');
  await cluster.create(DEPLOYMENTS, deployment(ns, 'web', { replicas: 2 }));
  await cluster.until(DEPLOYMENTS, `${ns}/web`, (d) => d?.status.availableReplicas === 2);
  await cluster.client.delete(DEPLOYMENTS, { namespace: ns, name: 'web' }, { propagationPolicy: 'Orphan' });
  await cluster.until(DEPLOYMENTS, `${ns}/web`, (d) => d === undefined);
  const [rs] = await cluster
    .untilAll(REPLICA_SETS, (all) =>
      all.filter((o) => o.metadata.namespace === ns).every((o) => !o.metadata.ownerReferences),
    )
    .then((all) => all.filter((o) => o.metadata.namespace === ns));
  expect(rs).toBeDefined();
  await cluster.client.delete(
    REPLICA_SETS,
    { namespace: ns, name: rs?.metadata.name ?? '' },
    { propagationPolicy: 'Foreground' },
  );
  await cluster.untilAll(REPLICA_SETS, (all) => !all.some((o) => o.metadata.namespace === ns));
  await cluster.untilAll(PODS, (all) => !all.some((o) => o.metadata.namespace === ns));
});

test('a namespace goes with all that is in it', async () => {
  const ns = await namespace('doomed');
  await cluster.create(DEPLOYMENTS, deployment(ns, 'web', { replicas: 3 }));
  await cluster.until(DEPLOYMENTS, `${ns}/web`, (d) => d?.status.availableReplicas === 3);
  await cluster.client.delete(NAMESPACES, { name: ns });
  await cluster.until(NAMESPACES, ns, (o) => o === undefined);
  await cluster.untilAll(PODS, (all) => !all.some((o) => o.metadata.namespace === ns));
});
