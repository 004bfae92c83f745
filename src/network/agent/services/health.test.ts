import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import type { ServiceTranslation } from '../../../service/types.ts';
import { HealthPorts } from './health-ports.ts';
import { isEligible, serveNodeHealth } from './node-health.ts';
import { loopback, until } from './testing.ts';

vi.setConfig({ testTimeout: 60_000 });
const closing: { close(): void }[] = [];
afterEach(() => {
  for (const one of closing.splice(0)) one.close();
});

const retry = { first: 5, longest: 20 };

function health(key: string, port: number, localEndpoints: number): ServiceTranslation {
  return { key, ports: [], healthCheck: { port, localEndpoints } };
}

/** Undefined while nobody listens. */
async function get(address: string, port: number, path = '/', method = 'GET'): Promise<Response | undefined> {
  try {
    return await fetch(`http://${address}:${port}${path}`, { method });
  } catch {
    return undefined;
  }
}

/** A port that was free a moment ago, at an address of the test's own. */
async function freePort(address: string): Promise<{ port: number; release(): Promise<void> }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  const { port } = server.address() as AddressInfo;
  return { port, release: () => new Promise((resolve) => server.close(() => resolve())) };
}

test('a health check port says how many endpoints are here', async () => {
  const address = loopback();
  const { port, release } = await freePort(address);
  await release();
  let healthy = true;
  const ports = new HealthPorts({
    addresses: [address],
    proxyHealthy: () => healthy,
    onRefused: (...about) => expect.fail(about.join()),
    retry,
  });
  closing.push(ports);
  ports.update([health('default/web', port, 2)], []);
  const answer = await until(() => get(address, port));
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toBe('application/json');
  expect(answer.headers.get('x-load-balancing-endpoint-weight')).toBe('2');
  expect(await answer.json()).toEqual({
    service: { namespace: 'default', name: 'web' },
    localEndpoints: 2,
    serviceProxyHealthy: true,
  });
  ports.update([health('default/web', port, 0)], []);
  expect((await get(address, port))?.status).toBe(503);
  ports.update([health('default/web', port, 1)], []);
  expect((await get(address, port, '/x', 'HEAD'))?.status).toBe(200);
  expect((await get(address, port, '/', 'POST'))?.status).toBe(405);
  healthy = false;
  expect((await get(address, port))?.status).toBe(503);
  ports.update([], ['default/web']);
  await until(async () => (await get(address, port)) === undefined);
  expect(ports.size).toBe(0);
});

test('a port that is taken is told once, and had when it is free', async () => {
  const address = loopback();
  const { port, release } = await freePort(address);
  const refused: string[] = [];
  const ports = new HealthPorts({
    addresses: [address],
    proxyHealthy: () => true,
    onRefused: (key, at, on, error) => refused.push(`${key} ${at} ${on} ${error.message}`),
    retry,
  });
  closing.push(ports);
  ports.update([health('default/web', port, 2)], []);
  await until(() => refused.length > 0);
  expect(refused[0]).toContain(`default/web ${port} ${address} listen EADDRINUSE`);
  await release();
  expect((await until(() => get(address, port))).status).toBe(200);
  expect(refused).toHaveLength(1);
});

test('a port that goes from one Service to another in one batch', async () => {
  const address = loopback();
  const { port, release } = await freePort(address);
  await release();
  const ports = new HealthPorts({
    addresses: [address],
    proxyHealthy: () => true,
    onRefused: () => {},
    retry,
  });
  closing.push(ports);
  const of = async (): Promise<string | undefined> =>
    ((await (await get(address, port))?.json()) as { service: { name: string } } | undefined)?.service.name;
  ports.update([health('default/a', port, 1)], []);
  await until(async () => (await of()) === 'a');
  ports.update([health('default/b', port, 1), { key: 'default/a', ports: [] }], []);
  await until(async () => (await of()) === 'b');
});

test('the node page', async () => {
  const address = loopback();
  const { port, release } = await freePort(address);
  await release();
  let eligible = true;
  let healthy = false;
  const source = { eligible: () => eligible, healthy: () => healthy, updatedAt: () => 0 };
  closing.push(serveNodeHealth(source, { addresses: [address], port, onRefused: () => {}, retry }));
  expect((await until(() => get(address, port, '/healthz'))).status).toBe(503);
  healthy = true;
  const answer = (await get(address, port, '/healthz?x'))!;
  expect(answer.status).toBe(200);
  expect(await answer.json()).toMatchObject({ lastUpdated: '1970-01-01T00:00:00.000Z', nodeEligible: true });
  eligible = false;
  const refusal = (await get(address, port, '/healthz'))!;
  expect([refusal.status, await refusal.json()]).toMatchObject([503, { nodeEligible: false }]);
  expect((await get(address, port, '/livez'))?.status).toBe(200);
  expect((await get(address, port, '/'))?.status).toBe(404);
});

test('which nodes take part', () => {
  const taint = { key: 'ToBeDeletedByClusterAutoscaler', effect: 'NoSchedule' };
  const other = { key: 'CriticalAddonsOnly', effect: 'NoSchedule' };
  expect(isEligible({ spec: { taints: [other] } })).toBe(true);
  expect(isEligible({ spec: { taints: [other, taint] } })).toBe(false);
  expect(isEligible({ metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } })).toBe(false);
  expect(isEligible(undefined)).toBe(false);
});
