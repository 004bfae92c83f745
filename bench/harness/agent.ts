import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { artifact } from './artifacts.ts';
import type { Call } from './calls.ts';
import type { Scratch } from './scratch.ts';

/** What of node.json a bench chooses; the rest has its defaults. */
export interface NodeJson {
  readonly nodeName: string;
  readonly nodeAddresses: readonly string[];
  readonly nodeBlocks: readonly string[];
  readonly podCIDRs: readonly string[];
  readonly [other: string]: unknown;
}

export type Command = 'ADD' | 'DEL' | 'CHECK' | 'STATUS';

/** One pod interface, as the runtime names it. */
export interface Sandbox {
  readonly containerId: string;
  readonly netns: string;
}

const PATIENCE_MS = 20_000;

/** The built agent in a node's namespace, with run and state folders of its own, and calls of the built front to it. */
export class BenchAgent {
  readonly #netns: string;
  readonly #folder: string;
  readonly #program: string;
  readonly #front: string;
  #child: ChildProcess | undefined;

  /**
   * @param netns path of the node's namespace
   * @param program the agent's bundle; the built one when not said
   */
  constructor(scratch: Scratch, netns: string, node: NodeJson, program = artifact('agent.js')) {
    this.#netns = netns;
    this.#folder = scratch.path('agents', node.nodeName);
    this.#program = program;
    this.#front = artifact('cni/flyover');
    mkdirSync(this.#folder, { recursive: true });
    writeFileSync(this.#file('node.json'), JSON.stringify(node));
  }

  get socket(): string {
    return this.#file('run/agent.sock');
  }

  get stateFolder(): string {
    return this.#file('state');
  }

  get spoolFolder(): string {
    return this.#file('spool');
  }

  /** Its process id while it runs. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** What it has logged since it was made, restarts included. */
  get log(): string {
    return readFileSync(this.#file('log'), 'utf8');
  }

  /** Starts it, without waiting for anything. Resolves with its end. */
  launch(
    env: Readonly<Record<string, string>> = {},
  ): Promise<{ code: number | null; signal: string | null }> {
    if (this.#child) throw new Error('this agent runs already');
    // A file: a pipe that a blocked harness does not read would block the agent.
    const log = openSync(this.#file('log'), 'a', 0o600);
    const argv = [
      `--net=${this.#netns}`,
      process.execPath,
      this.#program,
      '--config',
      this.#file('node.json'),
    ];
    argv.push('--state', this.stateFolder, '--run', this.#file('run'), '--spool', this.spoolFolder);
    const child = spawn('nsenter', argv, {
      env: { ...process.env, ...env },
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    this.#child = child;
    return once(child, 'exit').then(([code, signal]) => {
      if (this.#child === child) this.#child = undefined;
      return { code: code as number | null, signal: signal as string | null };
    });
  }

  /** Starts it and waits until it serves. @throws Error with the end of its log when it does not */
  async start(env?: Readonly<Record<string, string>>): Promise<void> {
    const ended = this.launch(env);
    const deadline = performance.now() + PATIENCE_MS;
    while (this.#child && performance.now() < deadline) {
      if ((await this.get('/readyz').catch(() => undefined))?.status === 200) return;
      await Promise.race([sleep(5), ended]);
    }
    throw new Error(`the agent does not serve:\n${this.log.slice(-2000)}`);
  }

  /** Ends it in good order, or at once by SIGKILL. Nothing happens when it does not run. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (!child) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }

  /** One of its pages, on the unix socket. */
  get(path: string): Promise<{ status: number; body: string }> {
    return new Promise((resolve, reject) => {
      const asked = request(
        { socketPath: this.#file('run/metrics.sock'), path, timeout: 5000 },
        (response) => {
          let body = '';
          response.setEncoding('utf8').on('data', (text: string) => {
            body += text;
          });
          response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
        },
      );
      asked.on('error', reject);
      asked.on('timeout', () => asked.destroy(new Error(`no answer to ${path}`)));
      asked.end();
    });
  }

  /** A call of the plugin's front, as a runtime would make it. */
  call(command: Command, { containerId, netns }: Sandbox, more: Record<string, unknown> = {}): Call {
    const config = {
      cniVersion: '1.0.0',
      name: 'bench',
      type: 'flyover',
      socket: this.socket,
      spool: this.spoolFolder,
      ...more,
    };
    return pluginCall(this.#front, command, { containerId, netns }, config);
  }

  #file(name: string): string {
    return `${this.#folder}/${name}`;
  }
}

/** Any plugin's call: the environment that the CNI specification wants, and the configuration on stdin. */
export function pluginCall(path: string, command: Command, sandbox: Sandbox, config: unknown): Call {
  return {
    path,
    env: {
      CNI_COMMAND: command,
      CNI_CONTAINERID: sandbox.containerId,
      CNI_NETNS: sandbox.netns,
      CNI_IFNAME: 'eth0',
      CNI_PATH: path.slice(0, path.lastIndexOf('/')),
      PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
    },
    stdin: JSON.stringify(config),
  };
}
