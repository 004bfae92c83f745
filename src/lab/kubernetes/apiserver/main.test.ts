import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { issueClient } from '../auth/pki.ts';
import { TestClient } from '../server/testing-client.ts';

let folder: string;
const children: ChildProcess[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kube-main-'));
});
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

interface Running {
  child: ChildProcess;
  client: TestClient;
}

/** Starts the program and waits for the line that says it serves. */
async function start(): Promise<Running> {
  const main = join(import.meta.dirname, 'main.ts');
  const pki = join(folder, 'pki');
  const args = [main, '--state', folder, '--pki', pki, '--address', '127.0.0.1', '--port', '0'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  children.push(child);
  const [line] = (await once(child.stdout!, 'data')) as [Buffer];
  const ready = JSON.parse(line.toString()) as { ready: boolean; port: number };
  expect(ready.ready).toBe(true);
  const credentials = await issueClient(pki, { user: 'admin', groups: ['system:masters'] });
  return { child, client: new TestClient({ url: `https://127.0.0.1:${ready.port}`, credentials }) };
}

const PATH = '/api/v1/namespaces/default/configmaps';
const SERVICES = '/api/v1/namespaces/default/services';

it('has what it acknowledged after kill -9 under load, and gives no address twice', {
  timeout: 60_000,
}, async () => {
  const acknowledged = new Map<string, string>();
  const addresses = new Map<string, string>();
  let newest = 0;
  for (let round = 0; round < 3; round++) {
    const { child, client } = await start();
    let count = 0;
    const enough = 60 + Math.floor(Math.random() * 120);
    const writer = async (id: number) => {
      for (let n = 0; ; n++) {
        const name = `r${round}-${id}-${n}`;
        const made = await client.post(PATH, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } });
        acknowledged.set(name, made.body.metadata.resourceVersion);
        if (n % 5 === 0) {
          const spec = { ports: [{ port: 80 }] };
          const service = await client.post(SERVICES, {
            apiVersion: 'v1',
            kind: 'Service',
            metadata: { name },
            spec,
          });
          addresses.set(name, service.body.spec.clusterIP);
        }
        if (++count === enough) child.kill('SIGKILL');
      }
    };
    // Each ends when its connection breaks.
    await Promise.allSettled([0, 1, 2, 3, 4, 5].map(writer));
    client.close();
    const { child: next, client: reader } = await start();
    const { body } = await reader.get(PATH);
    const stored = new Map<string, string>(
      body.items.map(({ metadata }: { metadata: Record<string, string> }) => [
        metadata.name,
        metadata.resourceVersion,
      ]),
    );
    for (const [name, revision] of acknowledged) expect([name, stored.get(name)]).toEqual([name, revision]);
    expect(Number(body.metadata.resourceVersion)).toBeGreaterThan(newest);
    newest = Number(body.metadata.resourceVersion);
    const services = (await reader.get(SERVICES)).body.items as {
      metadata: { name: string };
      spec: { clusterIP: string };
    }[];
    const given = services.map(({ spec }) => spec.clusterIP);
    expect(new Set(given).size).toBe(given.length);
    for (const [name, address] of addresses)
      expect(services.find(({ metadata }) => metadata.name === name)?.spec.clusterIP).toBe(address);
    reader.close();
    next.kill('SIGKILL');
    await once(next, 'exit');
  }
});

it('ends cleanly when told to, with watches open, and lets no second one at its store', {
  timeout: 30_000,
}, async () => {
  const { child, client } = await start();
  const watching = await client.watch(`${PATH}?resourceVersion=1`);
  const second = spawn(
    process.execPath,
    [
      join(import.meta.dirname, 'main.ts'),
      '--state',
      folder,
      '--pki',
      join(folder, 'pki'),
      '--address',
      '127.0.0.1',
      '--port',
      '0',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  children.push(second);
  let said = '';
  second.stderr!.on('data', (chunk) => {
    said += chunk;
  });
  expect((await once(second, 'close'))[0]).toBe(1);
  expect(said).toContain('another API server has this file open');
  const started = performance.now();
  child.kill('SIGTERM');
  expect((await once(child, 'exit'))[0]).toBe(0);
  expect(performance.now() - started).toBeLessThan(4_000);
  watching.close();
  client.close();
});
