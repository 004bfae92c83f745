import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

// What a container runtime does with a conflist, as far as tests need it.

export interface Conflist {
  cniVersion: string;
  name: string;
  plugins: { type: string; capabilities?: Record<string, boolean>; [key: string]: unknown }[];
}

export interface ChainOptions {
  conflist: Conflist;
  /** Directories of plugins, first match wins. */
  cniPath: string[];
  /** Path of the namespace in which the plugins run: the node's. */
  node: string;
}

export interface Attachment {
  containerId: string;
  netns: string;
  ifName: string;
  args?: string;
  /** Values for the capabilities that plugins declare: `{ portMappings: [...], bandwidth: {...} }`. */
  runtimeConfig?: Record<string, unknown>;
}

/** A plugin's refusal: its error JSON. */
export class PluginError extends Error {
  override readonly name = 'PluginError';
  readonly plugin: string;
  readonly code: number;

  constructor(plugin: string, command: string, stdout: string, stderr: string) {
    const { code, msg, details } = parse(stdout) as { code?: number; msg?: string; details?: string };
    super(`${plugin} ${command}: code ${code}: ${msg ?? stdout}: ${details ?? ''} ${stderr}`);
    this.plugin = plugin;
    this.code = code ?? -1;
  }
}

/** Runs a conflist as libcni would: results passed on, DEL in reverse, the last result kept for CHECK and DEL. */
export class Chain {
  readonly #options: ChainOptions;
  readonly #results = new Map<string, unknown>();

  constructor(options: ChainOptions) {
    this.#options = options;
  }

  /** The result of the last plugin. */
  async add(attachment: Attachment): Promise<Record<string, unknown>> {
    let previous: unknown;
    for (const plugin of this.#options.conflist.plugins) {
      previous = parse(await this.#run('ADD', plugin, attachment, previous));
    }
    this.#results.set(keyOf(attachment), previous);
    return previous as Record<string, unknown>;
  }

  /** `leaveOut`: plugins whose CHECK is known to be wrong. */
  async check(attachment: Attachment, leaveOut: string[] = []): Promise<void> {
    for (const plugin of this.#options.conflist.plugins) {
      if (leaveOut.includes(plugin.type)) continue;
      await this.#run('CHECK', plugin, attachment, this.#results.get(keyOf(attachment)));
    }
  }

  async del(attachment: Attachment): Promise<void> {
    for (const plugin of this.#options.conflist.plugins.toReversed()) {
      await this.#run('DEL', plugin, attachment, this.#results.get(keyOf(attachment)));
    }
    this.#results.delete(keyOf(attachment));
  }

  #run(
    command: string,
    plugin: Conflist['plugins'][number],
    attachment: Attachment,
    prevResult: unknown,
  ): Promise<string> {
    const { conflist, cniPath, node } = this.#options;
    const { capabilities, ...own } = plugin;
    const runtimeConfig = Object.fromEntries(
      Object.entries(attachment.runtimeConfig ?? {}).filter(([name]) => capabilities?.[name]),
    );
    const config = {
      ...own,
      name: conflist.name,
      cniVersion: conflist.cniVersion,
      runtimeConfig,
      prevResult,
    };
    const env = {
      PATH: process.env.PATH,
      CNI_COMMAND: command,
      CNI_CONTAINERID: attachment.containerId,
      CNI_NETNS: attachment.netns,
      CNI_IFNAME: attachment.ifName,
      CNI_ARGS: attachment.args ?? '',
      CNI_PATH: cniPath.join(delimiter),
    };
    return new Promise((resolve, reject) => {
      // nsenter and not `ip netns exec`, which would replace /sys.
      const child = spawn('nsenter', [`--net=${node}`, find(plugin.type, cniPath)], { env });
      let stdout = '';
      let stderr = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        stdout += text;
      });
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        stderr += text;
      });
      child.stdin.on('error', () => {}); // it may answer before it has read
      child.on('error', reject);
      child.on('close', (exit) => {
        if (exit === 0) resolve(stdout);
        else reject(new PluginError(plugin.type, command, stdout, stderr));
      });
      child.stdin.end(JSON.stringify(config));
    });
  }
}

function find(type: string, cniPath: string[]): string {
  for (const directory of cniPath) {
    try {
      accessSync(join(directory, type), constants.X_OK);
      return join(directory, type);
    } catch {
      // Not in this one.
    }
  }
  throw new Error(`no plugin ${type} in ${cniPath.join(', ')}`);
}

function keyOf({ containerId, ifName }: Attachment): string {
  return `${containerId}/${ifName}`;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
