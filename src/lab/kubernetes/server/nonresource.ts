import type { IncomingMessage, ServerResponse } from 'node:http';
import { flag } from './request-info.ts';
import type { Runtime } from './runtime.ts';

/** What this API server claims to be, in the form of /version. */
export const VERSION = {
  major: '1',
  minor: '33',
  emulationMajor: '1',
  emulationMinor: '33',
  minCompatibilityMajor: '1',
  minCompatibilityMinor: '32',
  gitVersion: 'v1.33.0',
  gitCommit: '',
  gitTreeState: 'clean',
  buildDate: '2026-01-01T00:00:00Z',
  goVersion: '',
  compiler: 'node',
  platform: `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`,
};

/** A named part of /readyz and /livez; throws when it is not well. */
export type Check = () => void;

function text(
  response: ServerResponse,
  code: number,
  body: string,
  type = 'text/plain; charset=utf-8',
): void {
  response.writeHead(code, {
    'Content-Type': type,
    'X-Content-Type-Options': 'nosniff',
    'Cache-Control': 'no-cache, private',
  });
  response.end(body);
}

/** /healthz, /livez, /readyz, with ?verbose and ?exclude=…, and /readyz/NAME, in upstream's words. */
function health(
  response: ServerResponse,
  path: string,
  query: URLSearchParams,
  checks: Map<string, Check>,
): boolean {
  const [, endpoint = '', only] = path.split('/');
  const excluded = new Set(query.getAll('exclude'));
  const lines: string[] = [];
  let failed = 0;
  if (only !== undefined && !checks.has(only)) return false;
  for (const [name, check] of checks) {
    if (only !== undefined && name !== only) continue;
    if (excluded.has(name)) {
      lines.push(`[+]${name} excluded: ok`);
      continue;
    }
    try {
      check();
      lines.push(`[+]${name} ok`);
    } catch {
      failed++;
      lines.push(`[-]${name} failed: reason withheld`);
    }
  }
  if (failed > 0) text(response, 500, `${lines.join('\n')}\n${endpoint} check failed\n`);
  else if (flag(query, 'verbose')) text(response, 200, `${lines.join('\n')}\n${endpoint} check passed\n`);
  else text(response, 200, 'ok');
  return true;
}

/** Answers paths that are no resources. @returns false when there is nothing at the path */
export async function nonResource(
  runtime: Runtime,
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  query: URLSearchParams,
  ready: Map<string, Check>,
): Promise<boolean> {
  if (path === '/version' || path === '/version/') {
    text(response, 200, JSON.stringify(VERSION, undefined, 2), 'application/json');
    return true;
  }
  if (/^\/readyz(\/[^/]+)?$/.test(path)) return health(response, path, query, ready);
  if (/^\/(livez|healthz)(\/[^/]+)?$/.test(path)) {
    // Alive also while it drains.
    const alive = new Map([...ready].filter(([name]) => name !== 'shutdown'));
    return health(response, path, query, alive);
  }
  if (path === '/metrics') {
    text(response, 200, runtime.metrics.text(), 'text/plain; version=0.0.4; charset=utf-8');
    return true;
  }
  return await runtime.plugins.discovery(request, response, path);
}
