import { get } from 'node:http';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ENDPOINT_SLICES, NAMESPACES, pathOf, SERVICES } from '../../../kube/resources.ts';
import { FakeApi } from '../../../kube/testing.ts';
import { queryPacket, rcodeOf, service, shown, slice } from '../testing.ts';
import { askUdp } from '../testing-client.ts';
import { FakeUpstream } from '../testing-upstream.ts';
import { RCODE } from '../wire/constants.ts';
import { ClusterDns, type ClusterDnsOptions } from './cluster-dns.ts';
import { DnsLog } from './log.ts';

const S = 'default.svc.cluster.local';
const PATIENCE = { timeout: 60_000, interval: 20 };
let api: FakeApi;
let upstream: FakeUpstream;
let lines: string[];
let dns: ClusterDns | undefined;

beforeEach(async () => {
  api = await FakeApi.start();
  upstream = await FakeUpstream.start();
  upstream.answer = (name) => ({ answers: [{ name, type: 'A', ttl: 60, data: '192.0.2.1' }] });
  lines = [];
  api.put(pathOf(NAMESPACES), { metadata: { name: 'default' } });
  api.put(pathOf(SERVICES), service('default/web', { clusterIP: '10.0.0.20', ports: ['http:80'] }));
});
afterEach(async () => {
  await dns?.stop();
  dns = undefined;
  await upstream.close();
  await api.close();
});

async function start(options: Partial<ClusterDnsOptions> = {}): Promise<ClusterDns> {
  dns = new ClusterDns({
    client: api.client(),
    log: new DnsLog((line) => lines.push(line)),
    domain: 'cluster.local',
    ttl: 30,
    hosts: ['127.0.0.1'],
    port: 0,
    pages: { host: '127.0.0.1', health: 0, ready: 0, metrics: 0 },
    upstreams: () => [upstream.server],
    logQueries: false,
    lameduckMs: 0,
    ...options,
  });
  await dns.start();
  return dns;
}

const ask = (name: string, type: Parameters<typeof queryPacket>[1] = 'A'): Promise<Buffer> =>
  askUdp(dns!.port, queryPacket(name, type));

function page(port: number, path: string): Promise<{ status: number | undefined; text: string }> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode, text }));
    }).on('error', reject);
  });
}

async function ready(): Promise<void> {
  await expect.poll(() => dns!.notReady, PATIENCE).toBeUndefined();
}

test('names follow the API', async () => {
  await start();
  await ready();
  expect(shown(await ask(`web.${S}`))).toEqual([`web.${S} A 10.0.0.20`]);
  api.put(pathOf(SERVICES), service('default/db', { clusterIP: 'None', ports: ['sql:5432'] }));
  api.put(
    pathOf(ENDPOINT_SLICES),
    slice(
      'default/db',
      [{ addresses: ['10.244.0.5'], hostname: 'db-0', ready: true }],
      [{ name: 'sql', port: 5432 }],
    ),
  );
  await expect
    .poll(async () => shown(await ask(`db-0.db.${S}`)), PATIENCE)
    .toEqual([`db-0.db.${S} A 10.244.0.5`]);
  api.put(
    pathOf(ENDPOINT_SLICES),
    slice('default/db', [{ addresses: ['10.244.0.5'], hostname: 'db-0', ready: false }]),
  );
  await expect.poll(async () => rcodeOf(await ask(`db-0.db.${S}`)), PATIENCE).toBe(RCODE.NXDOMAIN);
  api.remove(pathOf(SERVICES), 'default/web');
  await expect.poll(async () => rcodeOf(await ask(`web.${S}`)), PATIENCE).toBe(RCODE.NXDOMAIN);
  api.put(pathOf(NAMESPACES), { metadata: { name: 'shop' } });
  await expect.poll(async () => rcodeOf(await ask('shop.svc.cluster.local')), PATIENCE).toBe(RCODE.NOERROR);
});

test('other names are those of the resolver', async () => {
  await start();
  await ready();
  expect(shown(await ask('example.com'))).toEqual(['example.com A 192.0.2.1']);
  expect(shown(await ask('99.0.0.10.in-addr.arpa', 'PTR'))).toEqual(['99.0.0.10.in-addr.arpa A 192.0.2.1']);
});

test('while half of the API does not answer it is not ready, and denies nothing', async () => {
  let slicesFail = true;
  api.intercept = (_method, url) =>
    slicesFail && url.pathname.endsWith('/endpointslices') ? { status: 403, body: {} } : undefined;
  const { pagePorts } = await start();
  await expect.poll(() => lines.filter((line) => line.includes('endpointslices')), PATIENCE).not.toEqual([]);
  expect(await page(pagePorts.ready, '/ready')).toEqual({ status: 503, text: 'kubernetes' });
  expect((await page(pagePorts.health, '/health')).status).toBe(200);
  expect(rcodeOf(await ask(`web.${S}`))).toBe(RCODE.SERVFAIL);
  expect(rcodeOf(await ask(`nobody.${S}`))).toBe(RCODE.SERVFAIL);
  expect(shown(await ask('example.com'))).toHaveLength(1);
  slicesFail = false;
  await ready();
  expect(await page(pagePorts.ready, '/ready')).toEqual({ status: 200, text: 'OK' });
  expect(shown(await ask(`web.${S}`))).toHaveLength(1);
  expect(lines.at(-1)).toMatch(
    /^\[INFO\] plugin\/kubernetes: cluster.local has 1 Services, 0 EndpointSlices and 1 Namespaces/,
  );
});

test('it goes on with what it knows while the API is away', async () => {
  await start();
  await ready();
  api.intercept = () => 'reset';
  api.dropConnections();
  await expect
    .poll(() => lines.some((line) => line.startsWith('[WARNING] plugin/kubernetes')), PATIENCE)
    .toBe(true);
  expect(shown(await ask(`web.${S}`))).toHaveLength(1);
  api.intercept = undefined;
  api.put(pathOf(SERVICES), service('default/late', { clusterIP: '10.0.0.21' }));
  await expect.poll(async () => shown(await ask(`late.${S}`)), PATIENCE).toHaveLength(1);
});

test('told to end it is not ready, and still answers for a while', async () => {
  const { pagePorts } = await start({ lameduckMs: 1000 });
  await ready();
  const stopped = dns!.stop();
  expect((await page(pagePorts.ready, '/ready')).status).toBe(503);
  expect((await page(pagePorts.health, '/health')).status).toBe(200);
  expect(shown(await ask(`web.${S}`))).toHaveLength(1);
  await stopped;
  dns = undefined;
  expect(lines.some((line) => line.includes('lameduck mode for 1s'))).toBe(true);
});

test('metrics', async () => {
  const { pagePorts } = await start();
  await ready();
  await ask(`web.${S}`);
  await ask('example.com');
  await ask('example.com');
  const { text } = await page(pagePorts.metrics, '/metrics');
  expect(text).toMatch(/^coredns_dns_requests_total\{proto="udp",type="A"\} 3$/m);
  expect(text).toMatch(/^coredns_cache_hits_total 1$/m);
  expect(text).toMatch(/^flyover_dns_services 1$/m);
  expect(text).toMatch(/^flyover_dns_api_connected 1$/m);
  expect((await page(pagePorts.metrics, '/')).status).toBe(404);
});

test('queries are told when that is wanted, and failures always; no name writes lines of its own', async () => {
  const gone = await FakeUpstream.start();
  const { server } = gone;
  await gone.close();
  await start({ logQueries: true, upstreams: () => [server] });
  await ready();
  await ask(`WEB.${S}`);
  expect(lines.at(-1)).toMatch(
    /^\[INFO\] 127\.0\.0\.1:\d+ - 4711 "A IN web\.default\.svc\.cluster\.local\. udp \d+ false 512" NOERROR qr,aa,rd,ra \d+ 0\.\d{9}s$/,
  );
  expect(rcodeOf(await ask('a\n[INFO] b".example.com'))).toBe(RCODE.SERVFAIL);
  const failure = lines.find((line) => line.startsWith('[ERROR]'));
  expect(failure).toMatch(
    /^\[ERROR\] plugin\/errors: 2 a\\010\[info\]\\032b\\034\.example\.com\. A: .*ECONNREFUSED/,
  );
  expect(lines.every((line) => !line.includes('\n'))).toBe(true);
});
