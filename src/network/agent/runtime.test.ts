import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { afterAll, expect, it } from 'vitest';
import { askRuntime, sandboxIds } from './runtime.ts';

const folder = mkdtempSync(join(tmpdir(), 'fly-test-cri-'));
const socket = join(folder, 'cri.sock');
const child = [process.execPath, join(import.meta.dirname, 'main.ts')];
afterAll(() => rmSync(folder, { recursive: true }));

/** `PodSandbox`es with an id (1), metadata (2), a state (3) and a creation time (4). */
function response(ids: readonly string[]): Buffer {
  const items = ids.map((id) => {
    const text = Buffer.from(id);
    const body = Buffer.concat([
      Buffer.from([0x0a, text.length]),
      text,
      Buffer.from([0x12, 2, 0x0a, 0, 0x18, 1, 0x20, 0x80, 0x80, 1]),
    ]);
    return Buffer.concat([Buffer.from([0x0a, body.length]), body]);
  });
  return Buffer.concat(items);
}

async function serve(ids: readonly string[]): Promise<Server> {
  const server = new Server();
  server.register(
    '/runtime.v1.RuntimeService/ListPodSandbox',
    (_: unknown, answer: (error: null, value: Buffer) => void) => answer(null, response(ids)),
    (value: Buffer) => value,
    (value: Buffer) => value,
    'unary',
  );
  await new Promise<void>((resolve, reject) => {
    const ready = (error: Error | null): void => (error ? reject(error) : resolve());
    server.bindAsync(`unix://${socket}`, ServerCredentials.createInsecure(), ready);
  });
  return server;
}

it('reads the ids and skips everything else', () => {
  expect(sandboxIds(response(['abc', 'd']))).toEqual(['abc', 'd']);
  expect(sandboxIds(Buffer.alloc(0))).toEqual([]);
  expect(() => sandboxIds(response(['abc']).subarray(0, 6))).toThrow(/cut or malformed/);
});

it('knows nothing without a socket, and says why when nobody answers properly', async () => {
  const errors: string[] = [];
  const note = (error: Error): void => void errors.push(error.message);
  expect(await askRuntime(join(folder, 'none.sock'), child, note)).toBeUndefined();
  expect(errors).toEqual([]);
  const server = new Server();
  await new Promise<void>((resolve) => {
    server.bindAsync(`unix://${socket}`, ServerCredentials.createInsecure(), () => resolve());
  });
  expect(await askRuntime(socket, child, note)).toBeUndefined();
  expect(errors[0]).toMatch(/UNIMPLEMENTED/);
  server.forceShutdown();
});

it('asks a runtime over gRPC', async () => {
  const server = await serve(['one', 'two']);
  try {
    const answer = await askRuntime(socket, child, (error) => {
      throw error;
    });
    expect(answer?.ids).toEqual(new Set(['one', 'two']));
  } finally {
    server.forceShutdown();
  }
});
