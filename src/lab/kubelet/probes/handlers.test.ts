import { createServer, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcp } from 'node:net';
import { Server as GrpcServer, ServerCredentials, type sendUnaryData, status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CriClient, CriError } from '../cri.ts';
import { defineServices } from '../grpc-schema.ts';
import { type Action, ask, portOf } from './handlers.ts';

const container = { name: 'c', ports: [{ name: 'web', containerPort: 0 }] };
const target = { container, containerId: 'id', podIp: '127.0.0.1' };
const cri = {
  execSync: async (_: string, [command]: string[]) => {
    if (command === 'hang') throw new CriError('ExecSync', 'id', 'DEADLINE_EXCEEDED', 'timeout 1s exceeded');
    return { stdout: Buffer.from('out'), stderr: Buffer.from('err'), exitCode: command === 'good' ? 0 : 3 };
  },
} as unknown as CriClient;
const asking = (action: Action, timeoutMs = 5000) => ask(cri, action, target, timeoutMs);

let web: Server;
const headers: Record<string, unknown>[] = [];
beforeAll(async () => {
  web = createServer((request, response) => {
    headers.push(request.headers);
    const answers: Record<string, () => void> = {
      '/ok': () => response.end('fine'),
      '/bad': () => response.writeHead(500).end(),
      '/here': () => response.writeHead(302, { location: '/bad' }).end(),
      '/there': () => response.writeHead(302, { location: 'http://example.invalid/' }).end(),
      '/loop': () => response.writeHead(302, { location: '/loop' }).end(),
    };
    answers[request.url ?? '']?.();
  });
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
  container.ports[0]!.containerPort = (web.address() as AddressInfo).port;
});
afterAll(() => {
  web.closeAllConnections();
  web.close();
});

describe('a probe by HTTP', () => {
  test.each([
    ['/ok', true, 'fine'],
    ['/bad', false, 'HTTP probe failed with statuscode: 500'],
    ['/here', false, 'HTTP probe failed with statuscode: 500'],
    ['/there', true, 'Probe terminated redirects'],
    ['/loop', false, 'stopped after 10 redirects'],
  ])('%s', async (path, success, output) => {
    const result = await asking({ httpGet: { path, port: 'web' } });
    expect([result.success, result.output]).toEqual([success, expect.stringContaining(output)]);
  });

  test("says who asks, with the pod's own headers", async () => {
    await asking({ httpGet: { path: '/ok', port: 'web', httpHeaders: [{ name: 'X-Own', value: '1' }] } });
    expect(headers.at(-1)).toMatchObject({ 'user-agent': 'kube-probe/1.33', 'x-own': '1' });
  });

  test('does not wait longer than it may', async () => {
    const { success, output } = await asking({ httpGet: { path: '/never', port: 'web' } }, 100);
    expect(success).toBe(false);
    expect(output).toMatch(/^Get "http:\/\/127.0.0.1:\d+\/never": context deadline exceeded/);
  });
});

describe('a probe by TCP', () => {
  test('needs nobody to say anything', async () => {
    expect(await asking({ tcpSocket: { port: 'web' } })).toEqual({ success: true, output: '' });
    const free = createTcp();
    await new Promise<void>((resolve) => free.listen(0, '127.0.0.1', resolve));
    const { port } = free.address() as AddressInfo;
    await new Promise((resolve) => free.close(resolve));
    expect(await asking({ tcpSocket: { port } })).toEqual({
      success: false,
      output: `dial tcp 127.0.0.1:${port}: connect: connection refused`,
    });
  });

  test('knows only ports that there are', async () => {
    expect((await asking({ tcpSocket: { port: 'none' } })).output).toBe("couldn't find port: none");
    expect(() => portOf(container, 70_000)).toThrow('invalid port number: 70000');
    expect(portOf(container, '80')).toBe(80);
  });
});

test('a probe by a command tells its output', async () => {
  const run = (command: string) => asking({ exec: { command: [command] } }, 1000);
  expect(await run('good')).toEqual({ success: true, output: 'outerr' });
  expect(await run('bad')).toEqual({ success: false, output: 'outerr' });
  expect(await run('hang')).toEqual({
    success: false,
    output: 'command timed out: "hang" timed out after 1s',
  });
});

test("a probe by gRPC asks for the service's health", async () => {
  const server = new GrpcServer();
  const schema = {
    HealthCheckRequest: { service: [1, 'string'] },
    HealthCheckResponse: { status: [1, 'int32'] },
  } as const;
  const services = { Health: { Check: ['HealthCheckRequest', 'HealthCheckResponse'] } } as const;
  const health = defineServices('grpc.health.v1', schema, services)['grpc.health.v1.Health']!;
  server.addService(health as Parameters<GrpcServer['addService']>[0], {
    Check: (call: { request: { service: string } }, done: sendUnaryData<object>) => {
      const { service } = call.request;
      if (service === 'none') done({ code: status.NOT_FOUND, details: 'unknown service' });
      else done(null, { status: service === 'ill' ? 2 : 1 });
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  const run = (service?: string) => asking({ grpc: { port, ...(service ? { service } : {}) } });
  expect(await run()).toEqual({ success: true, output: 'service healthy' });
  expect(await run('ill')).toEqual({
    success: false,
    output: 'service unhealthy (responded with "NOT_SERVING")',
  });
  expect((await run('none')).success).toBe(false);
  server.forceShutdown();
});
