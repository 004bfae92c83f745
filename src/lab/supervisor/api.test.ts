import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { LabError } from '../errors.ts';
import type { StreamLine } from './answer.ts';
import { createApi, listen } from './api.ts';
import { callAt, type Method, NotRunningError } from './client.ts';
import { TestLab } from './testing.ts';
import type { ClusterView, LabStatus } from './views.ts';

describe('the API refuses', () => {
  const app = createApi(new TestLab().lab);
  const json = { 'content-type': 'application/json' };

  test.each([
    ['an unknown path', 'GET', '/v1/nothing', '', 404, 'there is no GET /v1/nothing'],
    [
      'a method that a path does not have',
      'PATCH',
      '/v1/clusters',
      '{}',
      404,
      'there is no PATCH /v1/clusters',
    ],
    ['what is no JSON', 'POST', '/v1/clusters', '{"name":', 400, 'Body is not valid JSON'],
    ['an empty body', 'POST', '/v1/clusters', '', 400, 'Body cannot be empty'],
    ['a list', 'POST', '/v1/clusters', '[]', 400, 'expected object'],
    ['null', 'POST', '/v1/hosts', 'null', 400, 'expected object'],
    ['a missing name', 'POST', '/v1/clusters', '{"nodes":3}', 400, 'name is not what this supervisor takes'],
    ['a name that is a number', 'POST', '/v1/hosts', '{"name":7}', 400, 'expected string, received number'],
    ['a field that it does not know', 'POST', '/v1/hosts', '{"name":"a","x":1}', 400, 'Unrecognized key'],
    [
      'nothing in a list',
      'POST',
      '/v1/networks',
      '{"name":"a","addressPrefixes":[],"subnets":[]}',
      400,
      'addressPrefixes is not what',
    ],
    [
      'a subnet that is a text',
      'POST',
      '/v1/networks',
      '{"name":"a","addressPrefixes":["10.0.0.0/16"],"subnets":["b"]}',
      400,
      'subnets.0 is not what',
    ],
    [
      'a text without end',
      'POST',
      '/v1/hosts',
      `{"name":"${'a'.repeat(201)}"}`,
      400,
      'name is not what this supervisor takes',
    ],
    [
      'a body without end',
      'POST',
      '/v1/hosts',
      `{"name":"${'a'.repeat(300_000)}"}`,
      413,
      'body is too large',
    ],
    ['a prototype', 'POST', '/v1/hosts', '{"__proto__":{"name":"a"}}', 400, 'not valid JSON'],
    ['an address with a broken escape', 'GET', '/v1/clusters/%zz', '', 400, 'not a valid url'],
    ['a cluster that does not exist', 'GET', '/v1/clusters/no', '', 404, "cluster 'no' does not exist"],
    [
      'a name that is a path',
      'DELETE',
      '/v1/hosts/..%2F..%2Fetc',
      '',
      404,
      "host '../../etc' does not exist",
    ],
    ['a name without end', 'DELETE', `/v1/hosts/${'a'.repeat(5000)}`, '', 414, "'/v1/hosts/aaaa"],
  ])('%s', async (_what, method, url, payload, status, message) => {
    const response = await app.inject({
      method: method as 'GET',
      url,
      payload,
      headers: payload || method === 'POST' ? json : {},
    });
    const { error } = response.json<{ error: { code: string; rule: string; message: string } }>();
    expect([response.statusCode, error.message]).toEqual([status, expect.stringContaining(message)]);
    expect([error.code, error.rule]).toEqual([expect.stringMatching(/^\w+$/), expect.any(String)]);
  });

  test('another type of content', async () => {
    const headers = { 'content-type': 'text/plain' };
    const response = await app.inject({ method: 'POST', url: '/v1/hosts', payload: 'name=a', headers });
    expect(response.statusCode).toBe(415);
  });
});

describe('the API and its client', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fly-test-api-'));
  const socket = join(folder, 'supervisor.sock');
  let lab = new TestLab();
  let app = createApi(lab.lab);
  beforeEach(async () => {
    await app.close();
    lab = new TestLab();
    app = createApi(lab.lab);
    await listen(app, socket);
  });
  afterAll(async () => {
    await app.close();
    rmSync(folder, { recursive: true });
  });
  const call = async <T>(method: Method, path: string, body?: unknown, progress?: (text: string) => void) =>
    await callAt<T>(socket, method, path, body, progress);

  test('the socket is for root alone', () => {
    expect(statSync(socket).mode & 0o777).toBe(0o600);
  });

  test('long work tells what it does, and then its result', async () => {
    const progress: string[] = [];
    const body = { name: 'shop', nodes: 2 };
    const shop = await call<ClusterView>('POST', '/v1/clusters', body, (text) => progress.push(text));
    expect(shop).toMatchObject({ name: 'shop', state: 'Succeeded' });
    expect(progress).toEqual([
      'routing domain of shop is up',
      expect.stringContaining('Kubernetes API of shop serves at 198.19.0.5'),
      expect.stringContaining('vmss000000 is ready: 10.0.1.4, pods in 10.244.0.0/24'),
      expect.stringContaining('vmss000001 is ready: 10.0.1.5, pods in 10.244.1.0/24'),
    ]);
    expect(await call('DELETE', '/v1/clusters/shop/nodes/1')).toBe('done');
    expect(await call<ClusterView[]>('GET', '/v1/clusters')).toMatchObject([{ nodes: [{ index: 0 }] }]);
  });

  test('a refusal is one with all it says, and what failed on the way is none', async () => {
    const refused = await call('POST', '/v1/clusters', { name: 'shop', nodes: 0 }).catch((error) => error);
    expect(refused).toBeInstanceOf(LabError);
    expect((refused as LabError).refusal).toMatchObject({
      field: '--nodes',
      value: '0',
      fix: 'give 1 to 1000',
    });
    lab.nodes.onStart = () => {
      throw new Error('no space left');
    };
    const failed = await call('POST', '/v1/clusters', { name: 'shop', nodes: 1 }).catch((error) => error);
    expect(failed).toBeInstanceOf(Error);
    expect(failed).not.toBeInstanceOf(LabError);
    expect(String(failed)).toContain('no space left');
  });

  test('a name given to two hosts at once is taken by one', async () => {
    const body = { name: 'web', internet: true };
    const results = await Promise.allSettled([
      call('POST', '/v1/hosts', body),
      call('POST', '/v1/hosts', body),
    ]);
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(await call<unknown[]>('GET', '/v1/hosts')).toHaveLength(1);
  });

  test('a host that the fabric refuses is not there', async () => {
    lab.fabricFailure = new Error('no more links');
    await expect(call('POST', '/v1/hosts', { name: 'web', internet: true })).rejects.toThrow('no more links');
    expect(await call('GET', '/v1/hosts')).toEqual([]);
    expect(lab.namespaces('host-')).toEqual([]);
  });

  test('the status is there also when a namespace is not; a check makes it again', async () => {
    await call('POST', '/v1/clusters', { name: 'shop', nodes: 1 });
    lab.gone.add('domain-shop');
    const status = await call<LabStatus>('GET', '/v1/status');
    expect(status).toMatchObject({ missing: ['domain-shop'], refused: { internet: { private: 3 } } });
    await call('POST', '/v1/check');
    expect((await call<LabStatus>('GET', '/v1/status')).missing).toEqual([]);
  });

  test('who goes away does not stop the work', async () => {
    const reply = await app.inject({
      method: 'POST',
      url: '/v1/clusters',
      payload: { name: 'shop', nodes: 1 },
    });
    const lines = reply.payload
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as StreamLine);
    expect(lines.at(-1)).toHaveProperty('result');
    const { promise: begun, resolve } = Promise.withResolvers<void>();
    const { promise: gone, resolve: leave } = Promise.withResolvers<void>();
    lab.nodes.onStart = async () => {
      resolve();
      await gone;
    };
    const { request } = await import('node:http');
    const client = request({ socketPath: socket, method: 'POST', path: '/v1/clusters/shop/nodes' });
    client.on('error', () => undefined).end();
    await begun;
    client.destroy();
    leave();
    await expect
      .poll(async () => (await call<ClusterView>('GET', '/v1/clusters/shop')).nodes[1]?.state)
      .toBe('Succeeded');
  });

  test('nobody there, and somebody who hangs up', async () => {
    await expect(callAt(join(folder, 'none.sock'), 'GET', '/v1/status')).rejects.toThrow(NotRunningError);
    const rude = createServer((connection) => connection.once('data', () => connection.destroy()));
    await new Promise<void>((resolve) => rude.listen(join(folder, 'rude.sock'), resolve));
    await expect(callAt(join(folder, 'rude.sock'), 'GET', '/v1/status')).rejects.toThrow(
      'it went away before it answered',
    );
    rude.close();
  });
});
