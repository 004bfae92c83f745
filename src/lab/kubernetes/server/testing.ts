import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kubeconfigText } from '../auth/kubeconfig.ts';
import { ensurePki, issueClient } from '../auth/pki.ts';
import { type RunningApiServer, startApiServer } from './start.ts';
import type { Plugins } from './types.ts';

/** A whole API server of a test, on the loopback, in a folder of its own. */
export interface TestApiServer {
  /** `https://127.0.0.1:PORT` */
  readonly url: string;
  /** A kubeconfig of `admin` (group system:masters). */
  readonly kubeconfig: string;
  readonly folder: string;
  readonly pki: string;
  /** What goes wrong in the background ends up here. */
  readonly errors: unknown[];
  /** The server as it runs now. */
  readonly server: RunningApiServer;
  /** `admin`'s certificate and key, and the authority, as PEM texts: what node:https takes. */
  readonly credentials: { cert: string; key: string; ca: string };
  /** Writes a kubeconfig for somebody else and returns its path. */
  kubeconfigFor(user: string, groups?: string[]): Promise<string>;
  /** Ends it and starts another one on the same folder and port. */
  restart(): Promise<void>;
  /** Ends it and removes the folder. */
  close(): Promise<void>;
}

export async function startTestApiServer(
  options: { serviceCidr?: string; plugins?: (plugins: Plugins) => Plugins } = {},
): Promise<TestApiServer> {
  const folder = mkdtempSync(join(tmpdir(), 'kube-api-'));
  const pki = join(folder, 'pki');
  const errors: unknown[] = [];
  const cluster = 'test';
  await ensurePki(pki, { cluster, addresses: ['127.0.0.1', '10.0.0.1'], names: [] });
  const start = (port: number) =>
    startApiServer({
      state: join(folder, 'state'),
      pki,
      addresses: ['127.0.0.1'],
      port,
      serviceCidr: options.serviceCidr ?? '10.0.0.0/16',
      onError: (error) => errors.push(error),
      ...(options.plugins && { plugins: options.plugins }),
    });
  let server = await start(0);
  const { port } = server;
  const url = `https://127.0.0.1:${port}`;
  const kubeconfigFor = async (user: string, groups: string[] = []) => {
    const { cert, key, ca } = await issueClient(pki, { user, groups });
    const path = join(folder, `${user.replaceAll(/[^a-z0-9]+/g, '-')}.kubeconfig`);
    writeFileSync(path, kubeconfigText({ server: url, ca, cert, key, cluster, user }), { mode: 0o600 });
    return path;
  };
  const credentials = await issueClient(pki, { user: 'admin', groups: ['system:masters'] });
  return {
    url,
    credentials,
    kubeconfig: await kubeconfigFor('admin', ['system:masters']),
    folder,
    pki,
    errors,
    get server() {
      return server;
    },
    kubeconfigFor,
    async restart() {
      await server.close();
      server = await start(port);
    },
    async close() {
      await server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
