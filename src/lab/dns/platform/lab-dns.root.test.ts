import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { deleteNamespace } from '../../../kernel/netns.ts';
import { TestNamespaces } from '../../../kernel/test-namespaces.ts';
import { DNS_ADDRESS } from '../../fabric/ranges.ts';
import { FakeUpstream } from '../testing-upstream.ts';
import { LabDns, type ServedNetwork } from './lab-dns.ts';

const namespaces = new TestNamespaces();
const PATIENCE = { timeout: 60_000, interval: 50 };
let upstream: FakeUpstream;
let networks: ServedNetwork[] = [];
let dns: LabDns;

/** A router's namespace, with the address or yet without. */
function router(name: string, address = true): string {
  const netns = namespaces.make(name);
  namespaces.run(netns, 'ip', 'link', 'set', 'lo', 'up');
  if (address) giveAddress(netns);
  return netns;
}

function giveAddress(netns: string): void {
  namespaces.run(netns, 'ip', 'address', 'add', `${DNS_ADDRESS}/32`, 'dev', 'lo');
}

/** Looks a name up as a machine in that network does; not by a call that waits: we are the server. */
async function look(netns: string, method: string, name: string): Promise<string> {
  const script = `const { Resolver } = require('node:dns').promises;
    const resolver = new Resolver({ timeout: 5000, tries: 6 });
    resolver.setServers(['${DNS_ADDRESS}']);
    resolver.${method}('${name}').then((found) => console.log(found.join(' ')), (error) => console.log(error.code));`;
  const argv = [`--net=${netns}`, process.execPath, '-e', script];
  const { stdout } = await promisify(execFile)('nsenter', argv, { encoding: 'utf8' });
  return stdout.trim();
}

beforeAll(async () => {
  upstream = await FakeUpstream.start();
});
afterEach(() => dns.close());
afterAll(async () => {
  await upstream.close();
  namespaces.cleanup();
});

function start(): Promise<void> {
  const log = pino({ level: 'silent' });
  dns = new LabDns({ networks: () => networks, upstreams: () => [upstream.server], log, retryMs: 50 });
  return dns.follow();
}

test('each network has its own names, and all have those of the machine', async () => {
  const [hub, spoke] = [router('hub'), router('spoke')];
  upstream.answer = (name) => ({ answers: [{ name, type: 'A', ttl: 60, data: '192.0.2.1' }] });
  networks = [
    { name: 'hub', netns: hub, machines: [{ name: 'node-0', address: '10.0.1.4' }] },
    { name: 'spoke', netns: spoke, machines: [{ name: 'shop', address: '10.9.1.4' }] },
  ];
  await start();
  expect(dns.networks).toEqual(['hub', 'spoke']);
  expect(await look(hub, 'resolve4', 'node-0.internal.cloudapp.net')).toBe('10.0.1.4');
  expect(await look(hub, 'reverse', '10.0.1.4')).toBe('node-0.internal.cloudapp.net');
  expect(await look(hub, 'resolve4', 'shop.internal.cloudapp.net')).toBe('ENOTFOUND');
  expect(await look(spoke, 'resolve4', 'shop.internal.cloudapp.net')).toBe('10.9.1.4');
  // The network itself leads nowhere: it is we who ask.
  expect(await look(spoke, 'resolve4', 'example.com')).toBe('192.0.2.1');
  networks = [{ name: 'hub', netns: hub, machines: [{ name: 'node-1', address: '10.0.1.5' }] }];
  await dns.follow();
  expect(dns.networks).toEqual(['hub']);
  expect(await look(hub, 'resolve4', 'node-1.internal.cloudapp.net')).toBe('10.0.1.5');
});

test('a network is served as soon as it has the address, and again when it is made again', async () => {
  let late = router('late', false);
  networks = [{ name: 'late', netns: late, machines: [{ name: 'a', address: '10.0.1.4' }] }];
  await start();
  expect(dns.networks).toEqual([]);
  giveAddress(late);
  await expect.poll(() => dns.networks, PATIENCE).toEqual(['late']);
  expect(await look(late, 'resolve4', 'a.internal.cloudapp.net')).toBe('10.0.1.4');
  deleteNamespace(late);
  late = router('late');
  await dns.follow();
  expect(await look(late, 'resolve4', 'a.internal.cloudapp.net')).toBe('10.0.1.4');
});

test('without a network of the machine the answer is soon that there is none', async () => {
  const netns = router('alone');
  networks = [{ name: 'alone', netns, machines: [] }];
  const log = pino({ level: 'silent' });
  dns = new LabDns({ networks: () => networks, upstreams: () => [], log });
  await dns.follow();
  expect(await look(netns, 'resolve4', 'example.com')).toBe('ESERVFAIL');
});
