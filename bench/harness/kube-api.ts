import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { issueClient } from '../../src/lab/kubernetes/auth/pki.ts';
import { artifact } from './artifacts.ts';

const PARALLEL = 16;

/** An API server of its own, as a process, on the loopback, and a client of it. */
export class BenchApiServer {
  readonly #process: ChildProcess;
  readonly #agent: Agent;
  readonly #port: number;

  private constructor(process: ChildProcess, port: number, agent: Agent) {
    this.#process = process;
    this.#port = port;
    this.#agent = agent;
  }

  /** @param folder for its state; may hold that of one before */
  static async start(folder: string): Promise<BenchApiServer> {
    const pki = `${folder}/pki`;
    const child = spawn(
      process.execPath,
      [artifact('apiserver.js'), '--state', folder, '--pki', pki, '--address', '127.0.0.1', '--port', '0'],
      { stdio: ['ignore', 'pipe', 'ignore'] },
    );
    const [line] = (await Promise.race([
      once(child.stdout!, 'data'),
      once(child, 'exit').then(() => {
        throw new Error('the API server ended before it served');
      }),
    ])) as [Buffer];
    const { port } = JSON.parse(line.toString()) as { port: number };
    const { cert, key, ca } = await issueClient(pki, { user: 'bench', groups: ['system:masters'] });
    const agent = new Agent({ keepAlive: true, cert, key, ca });
    return new BenchApiServer(child, port, agent);
  }

  /** The head of an answer; the body is yet to be read. */
  open(method: string, path: string, body?: string, type = 'application/json'): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const headers = body && { 'content-type': type, 'content-length': Buffer.byteLength(body) };
      const options = { host: '127.0.0.1', port: this.#port, method, path, agent: this.#agent };
      const sent = request({ ...options, ...(headers && { headers }) }, (response) => {
        if ((response.statusCode ?? 500) < 300) resolve(response);
        else reject(new Error(`${method} ${path}: ${response.statusCode}`));
      });
      sent.on('error', reject);
      sent.end(body);
    });
  }

  async text(method: string, path: string, body?: string, type?: string): Promise<string> {
    const chunks: Buffer[] = [];
    for await (const chunk of await this.open(method, path, body, type)) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).toString();
  }

  /** Makes pods as a scheduler leaves them, some at a time. */
  async createPods(count: number): Promise<void> {
    let next = 0;
    const one = async () => {
      while (next < count) await this.text('POST', '/api/v1/namespaces/default/pods', podText(next++));
    };
    await Promise.all(Array.from({ length: PARALLEL }, one));
  }

  /** Resident memory in MB. */
  memory(): number {
    const status = readFileSync(`/proc/${this.#process.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
  }

  async stop(): Promise<void> {
    this.#agent.destroy();
    if (this.#process.exitCode !== null) return;
    this.#process.kill();
    await once(this.#process, 'exit');
  }
}

function podText(n: number): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `pod-${n}`, labels: { app: `app-${n % 50}` } },
    spec: {
      nodeName: `node-${n % 40}`,
      containers: [{ name: 'c', image: 'busybox', resources: { requests: { cpu: '10m', memory: '10Mi' } } }],
    },
  });
}
