import { createServer, type Server } from 'node:http';

/** What the operator shows. */
export interface OperatorHealth {
  /** The Prometheus text format. */
  metrics(): string;
  /** Why it cannot do its work; undefined when it can. A standby can: it waits. */
  notReady(): string | undefined;
}

/**
 * `GET /healthz`, `/readyz` and `/metrics` on a loopback address: there is no authentication. In a pod on the host's
 * network the kubelet's probes reach it there.
 * @throws RangeError for an address that others could reach
 */
export async function serveHealth(address: string, health: OperatorHealth): Promise<Server> {
  const parts = /^(127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\]):(\d{1,5})$/.exec(address);
  const port = Number(parts?.[2]);
  if (!parts?.[1] || port > 65_535) {
    throw new RangeError(
      `--metrics '${address}' is not a loopback address and port, and these pages know no authentication; use 127.0.0.1:9471`,
    );
  }
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5000 }, (request, response) => {
    const [status, body] = pageOf(request.method ?? '', request.url ?? '', health);
    response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' });
    response.end(body);
  });
  server.maxConnections = 64;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, parts[1]!.replace(/[[\]]/g, ''), resolve);
  });
  return server;
}

function pageOf(method: string, url: string, health: OperatorHealth): [status: number, body: string] {
  if (method !== 'GET' && method !== 'HEAD') return [405, 'only GET\n'];
  switch (url.split('?', 1)[0]) {
    case '/healthz':
      return [200, 'ok\n'];
    case '/readyz': {
      const why = health.notReady();
      return why === undefined ? [200, 'ok\n'] : [503, `not ready: ${why}\n`];
    }
    case '/metrics':
      return [200, health.metrics()];
    default:
      return [404, 'there are /healthz, /readyz and /metrics\n'];
  }
}
