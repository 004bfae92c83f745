import { createServer } from 'node:net';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { FakeApi } from '../../../kube/testing.ts';
import type { Node } from '../../../kube/types.ts';
import { AgentMetrics } from '../agent-metrics.ts';
import type { NodeConfig } from '../config.ts';
import { essentialService, essentialSlice } from './essential.ts';
import { ServiceProxy } from './service-proxy.ts';
import { Services } from './services.ts';
import {
  FakeTable,
  loopback,
  SERVICES_PATH,
  SLICES_PATH,
  serviceObject,
  sliceObject,
  TestCluster,
  until,
} from './testing.ts';

vi.setConfig({ testTimeout: 60_000 });
const log = pino({ level: 'silent' });
const HEALTH_PORT = 10_256;
let api: FakeApi;
let cluster: TestCluster;
let table: FakeTable;
let proxy: ServiceProxy | undefined;
let address: string;

beforeEach(async () => {
  api = await FakeApi.start();
  cluster = new TestCluster(api);
  table = new FakeTable();
  address = loopback();
});

afterEach(async () => {
  await proxy?.close();
  proxy = undefined;
  cluster.client.close();
  await api.close();
});

function start(): ServiceProxy {
  const network = { nodeAddresses: [address], podCIDRs: ['10.244.0.0/16'] };
  proxy = new ServiceProxy({ cluster, table, network, log, healthPort: HEALTH_PORT });
  return proxy;
}

const synced = (): Promise<unknown> => until(() => proxy?.status.synced);
const backends = (key: string) => table.backends(`default/${key}`)?.join(' ');

describe('Services come into the table', () => {
  test('all at once when all are known, then by what changes', async () => {
    api.put(SERVICES_PATH, serviceObject('web'));
    api.put(SLICES_PATH, sliceObject('web', ['10.244.0.2', '10.244.0.3']));
    api.put(SERVICES_PATH, serviceObject('none', { clusterIP: 'None', clusterIPs: ['None'] }));
    start();
    await synced();
    expect(table.calls).toEqual(['sync 1']);
    expect(backends('web')).toBe('10.244.0.2:8080 10.244.0.3:8080');

    api.put(SLICES_PATH, sliceObject('web', ['10.244.0.2']));
    await until(() => backends('web') === '10.244.0.2:8080');
    api.put(SERVICES_PATH, serviceObject('api', { clusterIPs: ['10.0.0.21'] }));
    await until(() => table.held.size === 2);
    api.remove(SERVICES_PATH, 'default/web');
    await until(() => table.held.size === 1);
    api.remove(SLICES_PATH, 'default/web-a');
    api.put(SERVICES_PATH, serviceObject('web'));
    await until(() => backends('web') === '');
    expect(table.calls.slice(1)).toEqual([
      'update default/web - ',
      'update default/api - ',
      'update  - default/web',
      'update default/web - ',
    ]);
  });

  test('a Service that is made anew under its name does not go in between', async () => {
    api.put(SERVICES_PATH, serviceObject('web'));
    start();
    await synced();
    api.remove(SERVICES_PATH, 'default/web');
    api.put(SERVICES_PATH, serviceObject('web', { clusterIPs: ['10.0.0.21'] }));
    await until(() => table.held.get('default/web')?.ports[0]?.frontends[0]?.address === '10.0.0.21');
  });

  test('many changes are few transactions', async () => {
    start();
    await synced();
    for (let i = 0; i < 500; i++)
      api.put(SERVICES_PATH, serviceObject(`s${i}`, { clusterIPs: [`10.0.${i >> 8}.${i & 255}`] }));
    await until(() => table.held.size === 500);
    expect(table.calls.length).toBeLessThan(100);
  });

  test('what an update says that concerns nobody is no transaction', async () => {
    api.put(SERVICES_PATH, serviceObject('web'));
    start();
    await synced();
    const same = serviceObject('web');
    api.put(SERVICES_PATH, { ...same, metadata: { ...same.metadata, annotations: { note: 'another' } } });
    api.put(SERVICES_PATH, serviceObject('api', { clusterIPs: ['10.0.0.21'] }));
    await until(() => table.held.size === 2);
    expect(table.calls).toEqual(['sync 1', 'update default/api - ']);
  });

  test("other proxies' are not asked for", async () => {
    start();
    await synced();
    const selector = new URLSearchParams({
      labelSelector: '!service.kubernetes.io/service-proxy-name,!service.kubernetes.io/headless',
    });
    for (const path of [SERVICES_PATH, SLICES_PATH])
      expect(
        api.requests.some((one) => one.includes(`${path}?${selector}`)),
        path,
      ).toBe(true);
  });

  test('topology follows the Node', async () => {
    api.put(SERVICES_PATH, serviceObject('web'));
    api.put(SLICES_PATH, sliceObject('web', ['10.244.0.2 zone=1', '10.244.0.3 zone=2']));
    start();
    await synced();
    expect(backends('web')).toBe('10.244.0.2:8080 10.244.0.3:8080');
    cluster.setNode({ metadata: { name: 'n1', labels: { 'topology.kubernetes.io/zone': '2' } } });
    await until(() => backends('web') === '10.244.0.3:8080');
  });
});

describe('when something fails', () => {
  test('the table stays as it is until everything is known', async () => {
    api.put(SERVICES_PATH, serviceObject('web'));
    let refuse = true;
    api.intercept = (_, { pathname }) => {
      return refuse && pathname.includes('endpointslices') ? { status: 503, body: {} } : undefined;
    };
    start();
    await until(() => api.requests.filter((one) => one.includes('endpointslices')).length > 3);
    proxy?.sync();
    expect(table.calls).toEqual([]);
    expect(proxy?.status.synced).toBe(false);
    refuse = false;
    await synced();
    expect(table.calls).toEqual(['sync 1']);
  });

  test('a refusing kernel gets the whole once more', async () => {
    start();
    await synced();
    table.failures = 2;
    api.put(SERVICES_PATH, serviceObject('web'));
    await until(() => table.held.size === 1);
    expect(table.calls).toEqual(['sync 0', 'update default/web - ', 'sync 1', 'sync 1']);
    expect(proxy?.status).toMatchObject({ syncErrors: 2, syncs: 2, synced: true });
  });

  test('a cluster that is away changes nothing; what happened meanwhile comes in after', async () => {
    api.put(SERVICES_PATH, serviceObject('web'));
    api.put(SERVICES_PATH, serviceObject('old', { clusterIPs: ['10.0.0.22'] }));
    start();
    await synced();
    api.intercept = () => 'reset';
    api.dropConnections();
    api.remove(SERVICES_PATH, 'default/old');
    api.put(SERVICES_PATH, serviceObject('new', { clusterIPs: ['10.0.0.23'] }));
    api.compact();
    const asked = api.requests.length;
    await until(() => api.requests.length > asked + 3);
    expect([...table.held.keys()]).toEqual(['default/web', 'default/old']);
    api.intercept = undefined;
    await until(() => table.held.has('default/new') && !table.held.has('default/old'));
  });

  test('nothing is told to a table after close', async () => {
    start();
    await synced();
    api.put(SERVICES_PATH, serviceObject('web'));
    const closed = proxy?.close();
    table.close();
    await closed;
    expect(table.calls).toEqual(['sync 0']);
    expect(table.removed).toBe(false);
  });
});

describe('health', () => {
  const page = async (port = HEALTH_PORT, path = '/healthz'): Promise<number | undefined> =>
    (await fetch(`http://${address}:${port}${path}`).catch(() => undefined))?.status;

  test('the node page follows the Node', async () => {
    start();
    await until(async () => (await page()) === 200);
    const taints = [{ key: 'ToBeDeletedByClusterAutoscaler', effect: 'NoSchedule' }];
    cluster.setNode({ metadata: { name: 'n1' }, spec: { taints } } as Node);
    expect(await page()).toBe(503);
    cluster.setNode({ metadata: { name: 'n1' } });
    expect(await page()).toBe(200);
    cluster.setNode(undefined);
    expect(await page()).toBe(503);
    expect(await page(HEALTH_PORT, '/livez')).toBe(200);
  });

  const local = { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 31_000 };

  test('health check node ports come and go', async () => {
    api.put(SERVICES_PATH, serviceObject('web', local));
    api.put(SLICES_PATH, sliceObject('web', ['10.244.0.2 here', '10.244.1.2']));
    start();
    await until(async () => (await page(31_000)) === 200);
    expect(proxy?.status.healthChecks).toBe(1);
    api.put(SLICES_PATH, sliceObject('web', ['10.244.1.2']));
    await until(async () => (await page(31_000)) === 503);
    api.remove(SERVICES_PATH, 'default/web');
    await until(async () => (await page(31_000)) === undefined);
  });

  test('a port that is taken is an event on its Service', async () => {
    const taken = createServer().listen(31_000, address);
    api.put(SERVICES_PATH, serviceObject('web', local));
    start();
    const event = await until(() => cluster.events[0]);
    expect(event).toContain('Service web: Warning FailedToStartServiceHealthcheck node n1 failed to start');
    expect(event).toContain(`"default/web" on port 31000: ${address}: listen EADDRINUSE`);
    taken.close();
  });

  test('another proxy at the node page is an event on the Node', async () => {
    const taken = createServer().listen(HEALTH_PORT, address);
    await new Promise((resolve) => taken.once('listening', resolve));
    start();
    expect(await until(() => cluster.events[0])).toContain('Node n1: Warning FailedToStartNodeHealthcheck');
    taken.close();
  });
});

describe('the setting', () => {
  const config = (serviceProxy: boolean, change = {}): NodeConfig =>
    ({ nodeAddresses: [address], podCIDRs: ['10.244.0.0/16'], serviceProxy, ...change }) as never;

  test('on, changed, off: then nothing is left', async () => {
    api.put(SERVICES_PATH, serviceObject('web'));
    const tables: FakeTable[] = [];
    const open = (): FakeTable => {
      table = new FakeTable();
      tables.push(table);
      return table;
    };
    const services = new Services({ cluster, log, open, healthPort: HEALTH_PORT });
    const ready = () => until(() => services.status?.synced);
    services.apply(config(true));
    await ready();
    services.apply(config(true));
    expect(table.calls).toEqual(['sync 1', 'sync 1']);
    services.apply(config(true, { podCIDRs: ['10.244.0.0/15'] }));
    await ready();
    services.apply(config(false));
    expect(table.calls).toEqual(['sync 1', 'remove']);
    expect(services.status).toBeUndefined();
    services.apply(config(false));
    expect(tables.map(({ removed, closed }) => [removed, closed])).toEqual([
      [false, true],
      [true, true],
    ]);
    services.apply(config(true));
    await ready();
    await services.close();
    expect(tables.map(({ removed }) => removed)).toEqual([false, true, false]);
  });

  test('the whole is compared when something changed, else not all the time', async () => {
    const services = new Services({ cluster, log, open: () => table, healthPort: HEALTH_PORT });
    services.apply(config(true));
    await until(() => services.status?.synced);
    // Slow, so that it is left in peace for a while after it.
    table.sync = (all) => {
      for (const end = performance.now() + 20; performance.now() < end; );
      return FakeTable.prototype.sync.call(table, all);
    };
    services.apply(config(true), true);
    expect(table.calls).toHaveLength(2);
    for (let i = 0; i < 5; i++) services.apply(config(true), false);
    expect(table.calls).toHaveLength(2);
    services.apply(config(true), true);
    expect(table.calls).toHaveLength(3);
    await services.close();
  });

  test('off from the start: what an earlier agent left goes, tried until it works', () => {
    const open = (): FakeTable => table;
    const services = new Services({ cluster: undefined, log, open });
    table.failures = 1;
    services.apply(config(false));
    table.closed = false;
    services.apply(config(true));
    services.apply(config(true));
    expect(table.calls).toEqual(['remove', 'remove']);
    expect(services.status).toBeUndefined();
  });
});

test('only what is needed is kept', () => {
  const full = serviceObject('web', {
    selector: { app: 'web' },
    sessionAffinity: 'None',
    externalIPs: ['203.0.113.9'],
  });
  full.metadata!.labels = { app: 'web', 'service.kubernetes.io/headless': '' };
  full.metadata!.uid = 'u';
  full.status = { loadBalancer: { ingress: [{ ip: '198.19.0.9', ipMode: 'VIP', ports: [] }] } };
  expect(essentialService(full)).toEqual({
    metadata: {
      namespace: 'default',
      name: 'web',
      uid: 'u',
      labels: { 'service.kubernetes.io/headless': '' },
    },
    spec: {
      type: 'ClusterIP',
      clusterIP: '10.0.0.20',
      clusterIPs: ['10.0.0.20'],
      sessionAffinity: 'None',
      externalIPs: ['203.0.113.9'],
      ports: [{ name: 'http', protocol: 'TCP', port: 80 }],
    },
    status: { loadBalancer: { ingress: [{ ip: '198.19.0.9', ipMode: 'VIP' }] } },
  });
  const slice = sliceObject('web', ['10.244.0.2 here zone=1']);
  const target = { kind: 'Pod', name: 'p' };
  const more = {
    ...slice,
    endpoints: slice.endpoints?.map((one) => ({ ...one, targetRef: target, zone: '1' })),
  };
  expect(essentialSlice(more as never)).toEqual(slice);
});

test('metrics', async () => {
  const metrics = new AgentMetrics({
    version: '1',
    nodeName: () => 'n1',
    ready: () => true,
    addresses: () => undefined,
    counters: () => undefined,
    services: () => proxy?.status,
  });
  const value = (name: string): number | undefined => {
    const line = metrics
      .text((_, error) => expect.fail(String(error)))
      .split('\n')
      .find((one) => one.startsWith(`flyover_service${name} `));
    return line === undefined ? undefined : Number(line.split(' ')[1]);
  };
  expect(value('s')).toBeUndefined();
  api.put(SERVICES_PATH, serviceObject('web', { externalIPs: ['203.0.113.9'] }));
  api.put(SLICES_PATH, sliceObject('web', ['10.244.0.2', '10.244.0.3']));
  start();
  await synced();
  expect([value('s'), value('_frontends'), value('_endpoints'), value('_synced')]).toEqual([1, 2, 2, 1]);
  expect([value('_syncs_total'), value('_sync_errors_total'), value('_health_checks')]).toEqual([1, 0, 0]);
  expect(value('_last_sync_milliseconds')).toBeGreaterThanOrEqual(0);
  expect(value('_packets_total{verdict="translated"}')).toBe(7);
  expect(value('_last_sync_timestamp_seconds')).toBeGreaterThan(0);
});
