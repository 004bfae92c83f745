import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { HttpNodePools } from './http-node-pools.ts';

test('pools over a unix socket: what is asked, what is refused, what is nonsense', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'pools-'));
  const socket = join(folder, 's');
  const asked: string[] = [];
  let answer = JSON.stringify([
    { name: 'a', min: 0, max: 3, size: 1, template: { metadata: { name: 't' } } },
  ]);
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      asked.push(`${request.method} ${request.url} ${body}`);
      response.writeHead(request.url === '/nodes/kept' ? 409 : 200);
      response.end(request.url === '/nodes/kept' ? 'node kept: it is the last' : answer);
    });
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  const pools = new HttpNodePools(socket);
  const [pool] = await pools.list();
  expect(pool).toMatchObject({ name: 'a', min: 0, max: 3, size: 1, template: { spec: {}, status: {} } });
  await pools.add('a', 2);
  await pools.remove('n 1');
  expect(asked).toEqual(['GET /pools ', 'POST /pools/a/nodes {"count":2}', 'DELETE /nodes/n%201 ']);
  await expect(pools.remove('kept')).rejects.toThrow('409 node kept: it is the last');
  answer = JSON.stringify([{ name: 'a', min: 0, max: 1e9, size: 1, template: {} }]);
  await expect(pools.list()).rejects.toThrow('[0].max must be a whole number from 0 to 5000');
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await expect(pools.list()).rejects.toThrow(/ENOENT|ECONNREFUSED/);
  rmSync(folder, { recursive: true, force: true });
});
