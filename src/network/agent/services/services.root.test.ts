import { rmSync } from 'node:fs';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { ENDPOINT_SLICES, EVENTS, NODES, SERVICES } from '../../../kube/resources.ts';
import type { EndpointSlice } from '../../../kube/types.ts';
import { TestHost } from '../../dataplane/services/testing-host.ts';
import { bundleAgent, TestNode } from '../testing.ts';
import { NodeCluster } from '../testing-cluster.ts';
import { serviceObject, sliceObject } from './testing.ts';

vi.setConfig({ testTimeout: 90_000 });
/**
 * The whole way: an API server, the agent's process on a node of its own, pods that it has attached, and packets. Pods
 * serve on port 8080 and say their names; `out` is outside of the cluster.
 */
let bundle: string;
let node: TestNode;
let cluster: NodeCluster;
const hosts = new Map<string, TestHost>();
const addresses = new Map<string, string>();
const pods = ['client', 'one', 'two'];
const WEB = '10.0.0.20';

beforeAll(async () => {
  bundle = await bundleAgent();
  node = new TestNode(bundle);
  cluster = await NodeCluster.start(node, { serviceProxy: 'true', serviceCIDRs: '10.0.0.0/24 10.96.0.0/16' });
  await cluster.addNode();
  await cluster.giveBlock();
  await node.start({}, { source: cluster.source });
  for (const name of pods) {
    const answer = await node.add(name);
    addresses.set(name, answer?.json.ips[0].address.replace('/32', ''));
  }
  for (const name of [...pods, 'node', 'out']) hosts.set(name, new TestHost(node.net, name));
  for (const name of pods) await hosts.get(name)!.listen(8080);
});

afterAll(async () => {
  await node.close();
  await cluster.close();
  rmSync(bundle);
});

/** Commands hold this process up, and the API server with it: between them there must be time. */
async function until<T>(read: () => T | Promise<T>): Promise<T> {
  for (const end = performance.now() + 60_000; performance.now() < end; ) {
    const value = await read();
    if (value) return value;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`it did not come: ${node.log}`);
}

const from = (name: string): TestHost => hosts.get(name)!;

/** The slice of Service web, whose endpoints are these pods, all on this node. */
async function setEndpoints(...names: string[]): Promise<void> {
  const slice: EndpointSlice = sliceObject(
    'web',
    names.map((name) => addresses.get(name)!),
  );
  for (const endpoint of slice.endpoints ?? []) endpoint.nodeName = 'n1';
  const key = { namespace: 'default', name: 'web-a' };
  const { endpoints } = slice;
  if (await cluster.admin.find(ENDPOINT_SLICES, key))
    await cluster.admin.patch(ENDPOINT_SLICES, key, { endpoints }, { type: 'merge' });
  else await cluster.admin.create(ENDPOINT_SLICES, slice);
}

const SPEC = {
  type: 'LoadBalancer',
  clusterIP: WEB,
  externalTrafficPolicy: 'Local',
  healthCheckNodePort: 31_000,
  ports: [{ name: 'http', protocol: 'TCP', port: 80, nodePort: 30_080 }],
};

it('a Service is reached from a pod, from the node, and from outside', async () => {
  await cluster.admin.create(SERVICES, serviceObject('web', SPEC));
  await setEndpoints('one');
  await until(async () => (await from('client').tcp(WEB, 80)).startsWith('one'));
  expect(await from('client').tcp(WEB, 80)).toBe(`one ${addresses.get('client')}`);
  expect(await from('node').tcp(WEB, 80)).toMatch(/^one /);
  // externalTrafficPolicy: Local keeps the source.
  expect(await from('out').tcp('10.0.1.4', 30_080)).toBe('one 10.0.1.1');
  expect(await from('one').tcp(WEB, 80)).toMatch(/^one /);
  // With the API server's own, default/kubernetes.
  expect(node.metric('flyover_services')).toBe(2);
  expect(node.metric('flyover_service_synced')).toBe(1);
});

it('what no Service has is dropped, not sent to the network', async () => {
  expect(await from('client').silent('tcp', '10.96.7.7', 80)).toBe('timeout');
  expect(node.metric('flyover_service_packets_total{verdict="unknown_address"}')).toBeGreaterThan(0);
  expect(node.metric('flyover_service_packets_total{verdict="translated"}')).toBeGreaterThan(0);
});

it('load balancers can probe node and Service', async () => {
  const status = (port: number, path: string): string =>
    node.net.run(
      'out',
      'curl',
      '-s',
      '-m',
      '60',
      '-o',
      '/dev/null',
      '-w',
      '%{http_code}',
      `http://10.0.1.4:${port}${path}`,
    );
  expect(status(10_256, '/healthz')).toBe('200');
  expect(status(31_000, '/')).toBe('200');
  const taints = [{ key: 'ToBeDeletedByClusterAutoscaler', effect: 'NoSchedule' }];
  await cluster.admin.patch(NODES, { name: 'n1' }, { spec: { taints } }, { type: 'merge' });
  await until(() => status(10_256, '/healthz') === '503');
  await cluster.admin.patch(NODES, { name: 'n1' }, { spec: { taints: null } }, { type: 'merge' });
  await until(() => status(10_256, '/healthz') === '200');
});

it('without endpoints clients hear it at once', async () => {
  await setEndpoints();
  await until(async () => (await from('client').tcp(WEB, 80)) === 'ECONNREFUSED');
  expect(await from('out').tcp('10.0.1.4', 30_080)).toBe('ECONNREFUSED');
  await setEndpoints('one', 'two');
  const seen = new Set<string>();
  await until(
    async () => seen.add((await from('client').tcp(WEB, 80)).split(' ')[0]!).has('two') && seen.has('one'),
  );
});

it('established connections survive killed agents, and what changed meanwhile comes in', async () => {
  await setEndpoints('one');
  await until(async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => from('client').tcp(WEB, 80)));
    return answers.every((answer) => answer.startsWith('one'));
  });
  expect(await from('client').hold('long', WEB, 80)).toMatch(/^one /);
  expect(await from('out').hold('outside', '10.0.1.4', 30_080)).toMatch(/^one /);
  await node.stop('SIGKILL');
  expect(await from('client').say('long', 'still here')).toBe('still here');
  // New connections need no agent.
  expect(await from('client').tcp(WEB, 80)).toMatch(/^one /);
  await setEndpoints('two');
  const key = { namespace: 'default', name: 'gone' };
  await cluster.admin.create(
    SERVICES,
    serviceObject('gone', { clusterIP: '10.0.0.21', clusterIPs: ['10.0.0.21'] }),
  );
  await cluster.admin.delete(SERVICES, key);
  await node.start({}, { source: cluster.source });
  await until(async () => (await from('client').tcp(WEB, 80)).startsWith('two'));
  expect(await from('client').say('long', 'after the restart')).toBe('after the restart');
  expect(await from('out').say('outside', 'after the restart')).toBe('after the restart');
});

it('a restart without an API server leaves the table as it is', async () => {
  await node.stop();
  cluster.away = true;
  await node.start({}, { source: cluster.source });
  expect(await from('client').tcp(WEB, 80)).toMatch(/^two /);
  expect(node.metric('flyover_service_synced')).toBe(0);
  cluster.away = false;
  await until(() => node.metric('flyover_service_synced') === 1);
  expect(await from('client').say('long', 'once more')).toBe('once more');
});

it('what cannot be listened on is an event', async () => {
  node.net.spawn('node', ['socat', 'TCP-LISTEN:31001,bind=10.0.1.4,fork', 'EXEC:true']);
  await until(() => node.net.run('node', 'ss', '-Hltn').includes('10.0.1.4:31001'));
  const spec = { ...SPEC, healthCheckNodePort: 31_001, clusterIP: '10.0.0.22', clusterIPs: ['10.0.0.22'] };
  const ports = [{ name: 'http', protocol: 'TCP', port: 80, nodePort: 30_081 }];
  await cluster.admin.create(SERVICES, serviceObject('taken', { ...spec, ports }));
  const event = await until(async () =>
    (await cluster.admin.list(EVENTS)).items.find(
      ({ reason }) => reason === 'FailedToStartServiceHealthcheck',
    ),
  );
  expect(event?.involvedObject).toMatchObject({ kind: 'Service', name: 'taken' });
  expect(event?.message).toContain('EADDRINUSE');
});

it('off, nothing of it is left', async () => {
  const tables = (): string => node.net.run('node', 'nft', 'list', 'tables');
  expect(tables()).toContain('flyover-services');
  await cluster.setting({ serviceProxy: 'false' });
  await until(() => !tables().includes('flyover-services'));
  expect(node.net.run('node', 'ss', '-Hltn')).not.toContain(':10256');
  expect(node.metric('flyover_services')).toBeNaN();
  await cluster.setting({ serviceProxy: 'true' });
  // What was sent before stays without translation, however often it is repeated.
  await until(async () => (await from('client').silent('tcp', WEB, 80)).startsWith('two'));
});
