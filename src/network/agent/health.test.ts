import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { HealthServer, parseLoopback } from './health.ts';

let folder: string;
let socket: string;
let server: HealthServer;
let why: string | undefined;

function get(path: string, method = 'GET'): Promise<{ status: number; type: string; body: string }> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath: socket, path, method }, (response) => {
      let body = '';
      response.on('data', (chunk) => {
        body += String(chunk);
      });
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, type: response.headers['content-type'] ?? '', body }),
      );
    });
    call.on('error', reject);
    call.end();
  });
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fly-test-health-'));
  socket = join(folder, 'metrics.sock');
  why = undefined;
  server = new HealthServer({
    notReady: () => why,
    metrics: () => 'm 1\n',
    pods: () => [{ name: 'ü' }],
  });
  await server.listenUnix(socket);
});
afterEach(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

it('answers what a scraper and a probe ask', async () => {
  expect(statSync(socket).mode & 0o777).toBe(0o600);
  expect(await get('/healthz')).toEqual({ status: 200, type: 'text/plain; charset=utf-8', body: 'ok\n' });
  expect(await get('/metrics?x=1')).toEqual({
    status: 200,
    type: 'text/plain; charset=utf-8; version=0.0.4',
    body: 'm 1\n',
  });
  expect(await get('/pods')).toMatchObject({ type: 'application/json', body: '[{"name":"ü"}]\n' });
  expect(await get('/healthz', 'HEAD')).toMatchObject({ status: 200, body: '' });
  expect((await get('/')).status).toBe(404);
  expect((await get('/healthz', 'POST')).status).toBe(405);
});

it('says why it is not ready', async () => {
  why = 'no address';
  expect(await get('/readyz')).toMatchObject({ status: 503, body: 'not ready: no address\n' });
  expect((await get('/healthz')).status).toBe(200);
});

it('refuses a head that does not end', async () => {
  const client = connect(socket);
  let text = '';
  client.on('data', (chunk) => {
    text += String(chunk);
  });
  client.write(`GET /${'x'.repeat(9000)}`);
  await new Promise((resolve) => client.on('end', resolve));
  expect(text).toMatch(/^HTTP\/1.1 431 /);
});

it('takes over a dead socket and leaves a live one', async () => {
  const other = new HealthServer({ notReady: () => undefined, metrics: () => '', pods: () => [] });
  await expect(other.listenUnix(socket)).rejects.toThrow(/another agent answers/);
  expect((await get('/healthz')).status).toBe(200);
  await server.close();
  // A process that was killed leaves its socket behind; so does this one, whose path was moved away meanwhile.
  const dead = createServer();
  await new Promise<void>((resolve) => dead.listen(join(folder, 'dead.sock'), resolve));
  const { renameSync } = await import('node:fs');
  renameSync(join(folder, 'dead.sock'), socket);
  await new Promise((resolve) => dead.close(resolve));
  await other.listenUnix(socket);
  expect((await get('/healthz')).status).toBe(200);
  await other.close();
});

it('serves TCP on loopback only', async () => {
  expect(parseLoopback('127.0.0.1:9470')).toEqual({ host: '127.0.0.1', port: 9470 });
  expect(parseLoopback('[::1]:9470')).toEqual({ host: '::1', port: 9470 });
  for (const bad of ['0.0.0.0:9470', ':9470', '127.0.0.1', '127.0.0.1:99999', 'localhost:1', '10.0.0.1:1']) {
    expect(() => parseLoopback(bad)).toThrow(/use 127.0.0.1:9470/);
  }
});
