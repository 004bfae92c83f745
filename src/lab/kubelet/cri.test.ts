import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CriClient, CriError, isCriError } from './cri.ts';
import { CRI_SCHEMA, CRI_SERVICES } from './cri-schema.ts';
import { statusName } from './grpc-client.ts';
import { defineServices } from './grpc-schema.ts';

const folder = mkdtempSync(join(tmpdir(), 'fly-test-cri-'));
const socket = join(folder, 'cri.sock');
const definitions = defineServices('runtime.v1', CRI_SCHEMA, CRI_SERVICES);
const runtime = definitions['runtime.v1.RuntimeService']!;
const seen: { method: string; request: unknown; authority: string }[] = [];
const answers = new Map<string, (callback: sendUnaryData<object>) => void>();
const server = new Server();

beforeAll(async () => {
  for (const service of Object.values(definitions)) {
    if (!('Version' in service) && !('ListImages' in service)) continue;
    const handlers = Object.keys(service).map((method) => [
      method,
      (call: ServerUnaryCall<unknown, object>, callback: sendUnaryData<object>) => {
        seen.push({ method, request: call.request, authority: call.getHost() });
        (answers.get(method) ?? ((done) => done(null, {})))(callback);
      },
    ]);
    server.addService(service as Parameters<Server['addService']>[0], Object.fromEntries(handlers));
  }
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    );
  });
});
afterAll(() => {
  server.forceShutdown();
  rmSync(folder, { recursive: true });
});

describe('the wire format', () => {
  test('is the public one', () => {
    const version = runtime.Version!;
    expect(version.path).toBe('/runtime.v1.RuntimeService/Version');
    expect(version.requestSerialize({ version: 'v1' }).toString('hex')).toBe('0a027631');
    const reply = Buffer.from('0a05302e312e301203666f6f9a0600', 'hex');
    expect(version.responseDeserialize(reply)).toEqual({
      version: '0.1.0',
      runtimeName: 'foo',
      runtimeVersion: '',
      runtimeApiVersion: '',
    });
  });

  test('keeps nested messages, maps, lists and large numbers', () => {
    const { requestSerialize, requestDeserialize } = runtime.CreateContainer!;
    const config = {
      metadata: { name: 'a', attempt: 3 },
      args: ['x', ''],
      labels: { k: 'v', '': 'empty' },
      envs: [{ key: 'A', value: '1' }],
      linux: { resources: { memoryLimitInBytes: '9007199254740993', oomScoreAdj: -999 } },
    };
    const back = requestDeserialize(requestSerialize({ podSandboxId: 'p', config })) as { config: object };
    expect(back).toMatchObject({
      podSandboxId: 'p',
      sandboxConfig: null,
      config: {
        ...config,
        mounts: [],
        linux: { resources: { memoryLimitInBytes: '9007199254740993', oomScoreAdj: '-999', cpuQuota: '0' } },
      },
    });
  });
});

describe('the client', () => {
  test('asks under the name localhost and gives typed replies', async () => {
    using cri = new CriClient(socket);
    answers.set('RunPodSandbox', (done) => done(null, { podSandboxId: 'id1' }));
    answers.set('ExecSync', (done) => done(null, { stdout: Buffer.from([1, 0, 255]), exitCode: 3 }));
    const id = await cri.runPodSandbox({ metadata: { name: 'a', namespace: 'n' }, labels: { x: 'y' } });
    expect(id).toBe('id1');
    expect(seen.at(-1)).toMatchObject({
      method: 'RunPodSandbox',
      authority: 'localhost',
      request: { config: { metadata: { name: 'a', namespace: 'n' }, labels: { x: 'y' } } },
    });
    const { stdout, stderr, exitCode } = await cri.execSync('c', ['ls', '-l'], 5);
    expect([[...stdout], [...stderr], exitCode]).toEqual([[1, 0, 255], [], 3]);
    expect(seen.at(-1)?.request).toEqual({ containerId: 'c', cmd: ['ls', '-l'], timeout: '5' });
    answers.set('Exec', (done) => done(null, { url: 'http://10.0.0.4:1/exec/a' }));
    answers.set('PortForward', (done) => done(null, { url: 'http://10.0.0.4:1/portforward/b' }));
    expect(await cri.exec({ containerId: 'c', cmd: ['sh'], tty: true, stdin: true, stdout: true })).toBe(
      'http://10.0.0.4:1/exec/a',
    );
    expect(seen.at(-1)?.request).toMatchObject({ tty: true, stdin: true, stdout: true, stderr: false });
    expect(await cri.portForward('s', [80, 443])).toBe('http://10.0.0.4:1/portforward/b');
    expect(seen.at(-1)?.request).toEqual({ podSandboxId: 's', port: [80, 443] });
    expect(await cri.listPodSandbox()).toEqual([]);
    expect(await cri.imageStatus('none')).toBeUndefined();
  });

  test('names operation, object and code of a refusal', async () => {
    using cri = new CriClient(socket);
    const refuse = (done: sendUnaryData<object>) =>
      done({ code: status.NOT_FOUND, details: 'no such container' });
    answers.set('StartContainer', refuse);
    const error = await cri.startContainer('abc').catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(CriError);
    expect(error).toMatchObject({ operation: 'StartContainer', object: 'abc', code: 'NOT_FOUND' });
    expect(String(error)).toBe('CriError: StartContainer abc: NOT_FOUND: no such container');
    expect([isCriError(error, 'NOT_FOUND'), isCriError(error, 'UNAVAILABLE'), isCriError(error)]).toEqual([
      true,
      false,
      true,
    ]);
    await expect(cri.containerStatus('x')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('says which socket is not there, and waits for it when told to', async () => {
    using cri = new CriClient(join(folder, 'none.sock'));
    await expect(cri.version()).rejects.toThrow(/Version .*none\.sock: UNAVAILABLE/);
    await expect(cri.version(60)).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect(statusName(999)).toBe('STATUS_999');
  });
});
