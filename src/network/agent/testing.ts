import { type ChildProcess, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { build } from 'esbuild';
import { TestNetwork } from '../dataplane/testing.ts';

/** What a plugin printed, and how it exited. */
export interface PluginAnswer {
  readonly exit: number;
  // biome-ignore lint/suspicious/noExplicitAny: a result or an error, as the test expects it
  readonly json: any;
}

const root = join(import.meta.dirname, '../../..');

/** Bundles the agent as the build does; the file is where `koffi` is found from. */
export async function bundleAgent(): Promise<string> {
  const outfile = join(root, `node_modules/.cache/fly-test/agent-${process.pid}.js`);
  await build({
    entryPoints: [join(import.meta.dirname, 'main.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    external: ['koffi'],
    logLevel: 'warning',
    banner: {
      js: "import{createRequire as requireFrom}from'node:module';const require=requireFrom(import.meta.url);",
    },
  });
  return outfile;
}

/** One node with an agent: a namespace `node` at 10.0.1.4 with a NIC to `out` at 10.0.1.1. */
export class TestNode {
  readonly net = new TestNetwork();
  readonly #agent: string;
  #child: ChildProcess | undefined;
  #log = '';
  /** Up to here the log was waited for. */
  #read = 0;
  readonly #waiting: (() => void)[] = [];

  /** @param agent a bundle, see {@link bundleAgent} */
  constructor(agent: string) {
    this.#agent = agent;
    this.net.join({ ns: 'node', address: '10.0.1.4/24' }, { ns: 'out', address: '10.0.1.1/24' });
    this.net.run('node', 'ip', 'route', 'add', 'default', 'via', '10.0.1.1');
    this.net.run('out', 'ip', 'route', 'add', '10.244.0.0/16', 'via', '10.0.1.4');
    this.configure();
  }

  path(name: string): string {
    return join(this.net.folder, name);
  }

  /** Writes node.json. */
  configure(change: Record<string, unknown> = {}): void {
    const config = {
      nodeName: 'n1',
      nodeAddresses: ['10.0.1.4'],
      nodeBlocks: ['10.244.0.0/24'],
      podCIDRs: ['10.244.0.0/16'],
      cooldownSeconds: 0,
      ...change,
    };
    writeFileSync(this.path('node.json'), JSON.stringify(config));
  }

  /** Changes node.json under the running agent and waits until that is in force. */
  async reconfigure(change: Record<string, unknown> = {}): Promise<void> {
    this.configure(change);
    this.signal('SIGHUP');
    await this.logged(/configuration applied/);
  }

  /** Starts the agent. Resolves when it serves, or (`ready: false`) when it has said something. */
  async start(
    env: NodeJS.ProcessEnv = {},
    { ready = true, source = ['--config', this.path('node.json')] } = {},
  ): Promise<void> {
    const folder = (name: string): string[] => [`--${name}`, this.path(name)];
    const command = [
      process.execPath,
      this.#agent,
      ...source,
      ...folder('state'),
      ...folder('run'),
      ...folder('spool'),
    ];
    this.#log = '';
    this.#read = 0;
    const child = this.net.spawn('node', command, { ...process.env, ...env });
    this.#child = child;
    const wake = (): void => {
      for (const resolve of this.#waiting.splice(0)) resolve();
    };
    child.stderr?.on('data', (chunk) => {
      this.#log += String(chunk);
      wake();
    });
    child.once('close', wake);
    await this.logged(ready ? /configuration applied/ : /./);
  }

  /** Resolves when the log of the present agent matches, after what was waited for before. @throws Error with the log when the agent ends before */
  async logged(pattern: RegExp): Promise<void> {
    const child = this.#child;
    for (;;) {
      const match = pattern.exec(this.#log.slice(this.#read));
      if (match) {
        this.#read += match.index + match[0].length;
        return;
      }
      if (!child || child.exitCode !== null || child.signalCode !== null)
        throw new Error(`the agent ended: ${this.#log}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  get log(): string {
    return this.#log;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Ends the agent by a signal and waits for it. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.signal(signal);
    return this.ended();
  }

  /** Resolves with the exit code (null after a signal) when the agent is gone. */
  async ended(): Promise<number | null> {
    const child = this.#child;
    if (child && child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    return child?.exitCode ?? null;
  }

  /** One plugin call over the agent's socket, as the front makes it. Undefined: the agent died over it. */
  async cni(
    command: string,
    containerId = '',
    {
      netns = containerId && this.net.nowhere(containerId),
      ifName = 'eth0',
      uid = '',
      config = {} as Record<string, unknown>,
    } = {},
  ): Promise<PluginAnswer | undefined> {
    const attachment = containerId !== '';
    const request = {
      version: 1,
      command,
      containerId,
      netns: attachment ? netns : '',
      ifName: attachment ? ifName : '',
      args: attachment
        ? `K8S_POD_NAMESPACE=default;K8S_POD_NAME=${containerId}${uid && `;K8S_POD_UID=${uid}`}`
        : '',
      path: '/opt/cni/bin',
      config: { cniVersion: '1.1.0', name: 'flyover', type: 'flyover', ...config },
    };
    const text = await new Promise<string>((resolve) => {
      let answer = '';
      const socket = connect(this.path('run/agent.sock'), () => socket.write(`${JSON.stringify(request)}\n`));
      socket.on('data', (chunk) => {
        answer += String(chunk);
      });
      socket.on('error', () => resolve(''));
      socket.on('close', () => resolve(answer));
    });
    if (!text.endsWith('\n')) return undefined;
    const { exit, stdout } = JSON.parse(text) as { exit: number; stdout: string };
    return { exit, json: stdout === '' ? undefined : JSON.parse(stdout) };
  }

  /** One plugin call through the front, which queues a DEL that no agent answers. */
  async front(command: string, containerId: string): Promise<PluginAnswer> {
    const child = this.net.spawn(undefined, [frontPath()], {
      CNI_COMMAND: command,
      CNI_CONTAINERID: containerId,
      CNI_NETNS: this.net.nowhere(containerId),
      CNI_IFNAME: 'eth0',
      CNI_PATH: '/opt/cni/bin',
    });
    const config = {
      cniVersion: '1.0.0',
      name: 'flyover',
      type: 'flyover',
      socket: this.path('run/agent.sock'),
      spool: this.path('spool'),
    };
    let output = '';
    child.stdout?.on('data', (chunk) => {
      output += String(chunk);
    });
    child.stdin?.end(JSON.stringify(config));
    const [exit] = (await once(child, 'close')) as [number];
    return { exit, json: output.trim() === '' ? undefined : JSON.parse(output) };
  }

  /** A new pod: its namespace and an ADD. */
  add(containerId: string, options: Parameters<TestNode['cni']>[2] = {}): Promise<PluginAnswer | undefined> {
    this.net.namespace(containerId);
    return this.cni('ADD', containerId, options);
  }

  /** A page of the health server; empty when it does not answer. */
  page(path: string): string {
    const { stdout } = spawnSync('socat', ['-t5', '-', `UNIX-CONNECT:${this.path('run/metrics.sock')}`], {
      input: `GET ${path} HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n`,
      encoding: 'utf8',
    });
    return stdout.slice(stdout.indexOf('\r\n\r\n') + 4);
  }

  metric(name: string): number {
    const line = this.page('/metrics')
      .split('\n')
      .find((one) => one.startsWith(`${name} `));
    return Number(line?.split(' ').at(-1));
  }

  /** The attachments on record. */
  records(): { containerId: string; addresses: string[] }[] {
    return JSON.parse(this.page('/pods')) as { containerId: string; addresses: string[] }[];
  }

  /** Host ends on the node, elements of the table, routes to pods, queued DELs: what may leak. */
  leftovers(): { links: string[]; elements: string[]; routes: string[]; spooled: string[] } {
    const run = (...command: string[]): string[] =>
      this.net
        .run('node', ...command)
        .split('\n')
        .map((line) => line.trim());
    const spool = this.path('spool');
    return {
      links: run('ip', '-o', 'link').filter((line) => line.includes('azv')),
      elements: run('nft', 'list', 'table', 'inet', 'flyover').filter(
        (line) => line.includes('"azv') && line.includes(' . 10.'),
      ),
      routes: run('ip', 'route').filter((line) => line.includes('azv')),
      spooled: existsSync(spool) ? readdirSync(spool) : [],
    };
  }

  async close(): Promise<void> {
    await this.net.close();
  }
}

export const NOTHING_LEFT = { links: [], elements: [], routes: [], spooled: [] };

interface Plugin {
  readonly type: string;
  readonly capabilities?: Record<string, boolean>;
}

/** Walks a conflist as libcni does, with real plugins in the node's namespace and ours by its front. */
export class Chain {
  readonly #node: TestNode;
  readonly #plugins: readonly Plugin[];
  readonly #version: string;
  readonly #results = new Map<string, unknown>();

  constructor(node: TestNode, conflist: { cniVersion: string; plugins: readonly Plugin[] }) {
    this.#node = node;
    this.#plugins = conflist.plugins;
    this.#version = conflist.cniVersion;
    mkdirSync(this.#node.path('bin'), { recursive: true });
  }

  add(containerId: string, args: Record<string, unknown> = {}): PluginAnswer {
    this.#node.net.namespace(containerId);
    let answer: PluginAnswer = { exit: 0, json: undefined };
    for (const plugin of this.#plugins) {
      answer = this.#call('ADD', plugin, containerId, args, answer.json);
      if (answer.exit !== 0) return answer;
    }
    this.#results.set(containerId, answer.json);
    return answer;
  }

  /** CHECK or DEL, with the result of the ADD; of all plugins, or those named. */
  after(
    command: 'CHECK' | 'DEL',
    containerId: string,
    args: Record<string, unknown> = {},
    only?: readonly string[],
  ): PluginAnswer {
    const plugins = command === 'DEL' ? this.#plugins.toReversed() : this.#plugins;
    for (const plugin of plugins) {
      if (only && !only.includes(plugin.type)) continue;
      const answer = this.#call(command, plugin, containerId, args, this.#results.get(containerId));
      if (answer.exit !== 0) return answer;
    }
    return { exit: 0, json: undefined };
  }

  #call(
    command: string,
    plugin: Plugin,
    containerId: string,
    args: Record<string, unknown>,
    prevResult: unknown,
  ): PluginAnswer {
    const { capabilities = {}, ...rest } = plugin;
    const runtimeConfig = Object.fromEntries(Object.entries(args).filter(([name]) => capabilities[name]));
    const config = {
      ...rest,
      cniVersion: this.#version,
      name: 'flyover',
      ...(Object.keys(runtimeConfig).length > 0 ? { runtimeConfig } : {}),
      ...(prevResult === undefined ? {} : { prevResult }),
      ...(plugin.type === 'flyover'
        ? { socket: this.#node.path('run/agent.sock'), spool: this.#node.path('spool') }
        : {}),
    };
    const binary = plugin.type === 'flyover' ? frontPath() : `/usr/lib/cni/${plugin.type}`;
    const { status, stdout, stderr } = spawnSync(
      'nsenter',
      [`--net=${this.#node.net.namespace('node')}`, binary],
      {
        encoding: 'utf8',
        input: JSON.stringify(config),
        env: {
          PATH: process.env.PATH,
          CNI_COMMAND: command,
          CNI_CONTAINERID: containerId,
          CNI_NETNS: this.#node.net.namespace(containerId),
          CNI_IFNAME: 'eth0',
          CNI_PATH: '/usr/lib/cni',
        },
      },
    );
    if (stdout === '' && status !== 0) throw new Error(`${plugin.type} ${command}: ${stderr}`);
    return { exit: status ?? -1, json: stdout.trim() === '' ? undefined : JSON.parse(stdout) };
  }
}

/** The built front; made by the build when it is missing. */
export function frontPath(): string {
  const path = join(root, 'dist/cni/flyover');
  if (!existsSync(path)) {
    const { status } = spawnSync(process.execPath, [join(root, 'scripts/build-front.ts')], {
      stdio: 'inherit',
    });
    if (status !== 0) throw new Error('the plugin front cannot be built');
  }
  return path;
}

/** Resident memory of a process in MB: all of it, and what is its own. */
export function memoryOf(pid: number): { rss: number; own: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const of = (field: string): number => Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]) / 1000;
  return { rss: of('VmRSS'), own: of('RssAnon') };
}
