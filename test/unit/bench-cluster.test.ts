import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { withoutPods } from '../../bench/harness/empty-cluster.ts';
import { manifest } from '../../bench/pods.ts';
import { DEPLOYMENTS, PODS } from '../../src/kube/resources.ts';
import type { Pod } from '../../src/kube/types.ts';
import { dnsAddons } from '../../src/lab/dns/addon.ts';
import { startTestCluster, type TestCluster } from '../../src/lab/kubernetes/controllers/testing.ts';

const MOST = 6;
const dist = mkdtempSync(join(tmpdir(), 'fly-bench-'));
let cluster: TestCluster;

beforeAll(async () => {
  writeFileSync(join(dist, 'dns.js'), '');
  cluster = await startTestCluster();
}, 60_000);
afterAll(async () => {
  await cluster.close();
  rmSync(dist, { recursive: true });
});

test('a node without the pods of a new cluster has room for as many as it may have', async () => {
  const { client } = cluster;
  for (const { type, object } of dnsAddons(
    { dnsServiceIp: '10.0.0.10', apiServerAddress: '198.19.0.5' },
    { node: '/opt/n/bin/node', dist },
  )) {
    const { name, namespace } = object.metadata;
    const key = { name, ...(namespace ? { namespace } : {}) };
    await client.patch(type, key, object, { type: 'apply', fieldManager: 'lab', force: true });
  }
  const shape = { pods: String(MOST), labels: { 'kubernetes.io/os': 'linux' } };
  await cluster.addNode('one', shape);
  await cluster.addNode('two', shape);
  const on = (pods: Pod[], node: string): number =>
    pods.filter(({ spec, status }) => spec?.nodeName === node && status?.phase === 'Running').length;
  await cluster.untilAll<Pod>(PODS, (pods) => on(pods, 'one') === 1 && on(pods, 'two') === 1);
  await withoutPods(client);
  expect((await client.list(PODS)).items).toEqual([]);
  await client.create(DEPLOYMENTS, manifest('one', MOST));
  await cluster.untilAll<Pod>(PODS, (pods) => {
    const many = pods.filter(({ metadata }) => metadata?.labels?.app === 'many');
    return on(many, 'one') === MOST;
  });
}, 60_000);
