import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { kubeconfigText } from '../../../src/lab/kubernetes/auth/kubeconfig.ts';
import { issueClient } from '../../../src/lab/kubernetes/auth/pki.ts';

const MAIN = join(import.meta.dirname, '../../../src/lab/kubernetes/apiserver/main.ts');

/** An API server process of its own, on the loopback, with its files in a temporary folder. */
export class ApiServer {
  readonly folder = mkdtempSync(join(tmpdir(), 'flyover-kubectl-'));
  /** Of a cluster administrator. */
  readonly kubeconfig = join(this.folder, 'kubeconfig');
  port = 0;
  private process: ChildProcess | undefined;
  private said = '';

  static async start(): Promise<ApiServer> {
    const server = new ApiServer();
    await server.run();
    const { ca, cert, key } = await issueClient(server.pki, { user: 'admin', groups: ['system:masters'] });
    writeFileSync(server.kubeconfig, kubeconfigText({ ...server.where, ca, cert, key, user: 'admin' }), {
      mode: 0o600,
    });
    return server;
  }

  get pki(): string {
    return join(this.folder, 'pki');
  }

  private get where(): { server: string; cluster: string } {
    return { server: `https://127.0.0.1:${this.port}`, cluster: 'test' };
  }

  /** A kubeconfig of somebody else. */
  async kubeconfigOf(user: string, groups: string[] = []): Promise<string> {
    const { ca, cert, key } = await issueClient(this.pki, { user, groups });
    const path = join(this.folder, `kubeconfig-${user.replaceAll(':', '-')}`);
    writeFileSync(path, kubeconfigText({ ...this.where, ca, cert, key, user }), { mode: 0o600 });
    return path;
  }

  /** Runs the process until it says that it serves; on the port it had before. */
  async run(): Promise<void> {
    const child = spawn(
      process.execPath,
      [
        MAIN,
        '--state',
        join(this.folder, 'state'),
        '--pki',
        this.pki,
        '--address',
        '127.0.0.1',
        '--port',
        String(this.port),
        '--cluster',
        'test',
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    this.process = child;
    child.stderr.on('data', (text: Buffer) => {
      this.said = (this.said + text.toString()).slice(-20_000);
    });
    const ended = once(child, 'exit').then(([code, signal]) => {
      throw new Error(`the API server ended with ${code ?? signal}: ${this.said}`);
    });
    ended.catch(() => {});
    const [line] = (await Promise.race([once(createInterface(child.stdout), 'line'), ended])) as [string];
    this.port = (JSON.parse(line) as { port: number }).port;
  }

  /** What it wrote to its log, the last 20 kB. */
  get log(): string {
    return this.said;
  }

  /** As power loss ends it. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }

  async stop(): Promise<void> {
    await this.kill('SIGTERM');
    rmSync(this.folder, { recursive: true, force: true });
  }
}
