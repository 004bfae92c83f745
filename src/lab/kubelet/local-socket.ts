import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { dirname } from 'node:path';
import type { Pod } from '../../kube/types.ts';

/**
 * A socket for root on the node itself: `/healthz`, and `/pods` as the kubelet sees them. Nothing can be changed here.
 *
 * @param fault - what is wrong with the kubelet; undefined: nothing
 */
export function serveLocally(path: string, pods: () => Pod[], fault: () => string | undefined): Server {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  rmSync(path, { force: true });
  const server = createServer((request, response) => {
    const answer = (status: number, type: string, body: string): void => {
      response.writeHead(status, { 'content-type': type, connection: 'close' }).end(body);
    };
    if (request.method !== 'GET') return answer(405, 'text/plain', 'only GET\n');
    if (request.url === '/healthz') {
      const wrong = fault();
      return wrong ? answer(500, 'text/plain', `${wrong}\n`) : answer(200, 'text/plain', 'ok');
    }
    if (request.url === '/pods') {
      const list = { kind: 'PodList', apiVersion: 'v1', metadata: {}, items: pods() };
      return answer(200, 'application/json', JSON.stringify(list));
    }
    return answer(404, 'text/plain', 'there are /healthz and /pods\n');
  });
  server.listen(path, () => chmodSync(path, 0o600));
  return server;
}
