import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createHttp } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { type AddressInfo, createServer as createTcp, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { ensurePki, issueServer } from '../kubernetes/auth/pki.ts';
import { askFrom, type Probe } from './probe.ts';

const servers: Server[] = [];
afterEach(async () => {
  await Promise.all(
    servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve).unref())),
  );
});

async function listening(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

// From an address of its own, as the load balancer's probes have.
const ask = askFrom({ address: '127.0.0.9' });
const probe = (port: number, more: Partial<Probe> = {}): Probe => ({
  protocol: 'Tcp',
  port,
  address: '127.0.0.1',
  timeoutMs: 30_000,
  ...more,
});

test('TCP: a node is well that accepts; it is asked from the address that was named', async () => {
  const from: (string | undefined)[] = [];
  const server = createTcp((socket) => {
    from.push(socket.remoteAddress);
    socket.resume();
    socket.on('error', () => undefined);
  });
  const port = await listening(server);
  expect(await ask(probe(port))).toBe(true);
  await expect.poll(() => from, { timeout: 60_000 }).toEqual(['127.0.0.9']);
  await new Promise((resolve) => server.close(resolve));
  expect(await ask(probe(port))).toBe(false);
});

test('HTTP: well is 200 at the path that was named, and nothing else', async () => {
  const seen: string[] = [];
  const port = await listening(
    createHttp((request, response) => {
      seen.push(`${request.socket.remoteAddress} ${request.url} ${request.headers['user-agent']}`);
      if (request.url === '/silent') return;
      response.writeHead(request.url === '/healthz' ? 200 : 503).end('text');
    }),
  );
  const http = (requestPath: string, timeoutMs = 30_000): Promise<boolean> =>
    ask(probe(port, { protocol: 'Http', requestPath, timeoutMs }));
  expect(await http('/healthz')).toBe(true);
  expect(await http('/other')).toBe(false);
  expect(await http('/silent', 50)).toBe(false);
  expect(seen[0]).toBe('127.0.0.9 /healthz Load Balancer Agent');
});

test('HTTPS: whose certificate it is does not matter', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'probe-'));
  try {
    await ensurePki(folder, { cluster: 'test', names: [], addresses: ['127.0.0.1'] });
    const { cert, key } = await issueServer(folder, { names: ['somebody-else'], addresses: [] });
    const port = await listening(createHttps({ cert, key }, (_request, response) => response.end()));
    expect(await ask(probe(port, { protocol: 'Https', requestPath: '/' }))).toBe(true);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('what is no HTTP at all is not well, and an address that cannot be had is told', async () => {
  const port = await listening(
    createTcp((socket) => {
      socket.on('error', () => undefined);
      socket.resume();
      socket.end('nonsense\r\n\r\n');
    }),
  );
  expect(await ask(probe(port, { protocol: 'Http', requestPath: '/' }))).toBe(false);
  const troubles: Error[] = [];
  const nowhere = askFrom({ address: '192.0.2.1', onTrouble: (error) => troubles.push(error) });
  expect(await nowhere(probe(port))).toBe(false);
  expect(troubles).toHaveLength(1);
});
