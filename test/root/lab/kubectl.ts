import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Outcome } from './cli.ts';

/** Where a kubectl may be that is not on PATH: the folder of Google's SDK has one for each version. */
const FOLDERS = ['/usr/lib/google-cloud-sdk/bin', '/snap/bin', '/usr/local/bin'];
const NAMES = ['kubectl.1.36', 'kubectl.1.32', 'kubectl'];

/** The kubectl to test with: $FLYOVER_KUBECTL, or the first of this machine's that is 1.30 or newer. */
export function findKubectl(): string | undefined {
  const chosen = process.env.FLYOVER_KUBECTL;
  if (chosen) return chosen;
  const folders = [...(process.env.PATH ?? '').split(':'), ...FOLDERS].filter((folder) => folder !== '');
  const candidates = NAMES.flatMap((name) => folders.map((folder) => join(folder, name)));
  return candidates.find((path) => isExecutable(path) && isNewEnough(path));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function isNewEnough(path: string): boolean {
  const { stdout } = spawnSync(path, ['version', '--client', '-o', 'json'], { encoding: 'utf8' });
  const minor = /"minor":\s*"(\d+)/.exec(stdout)?.[1];
  return minor !== undefined && Number(minor) >= 30;
}

export interface Run {
  stdin?: string;
  /** Milliseconds; default a minute. */
  timeout?: number;
  env?: Record<string, string>;
}

/** kubectl with a kubeconfig, as a user would type it. */
export class Kubectl {
  readonly #program: string;
  readonly #kubeconfig: string;

  constructor(program: string, kubeconfig: string) {
    this.#program = program;
    this.#kubeconfig = kubeconfig;
  }

  async run(argv: readonly string[], options: Run = {}): Promise<Outcome> {
    const child = this.start(argv, options);
    child.stdin!.end(options.stdin ?? '');
    const [stdout, stderr, [code]] = await Promise.all([
      text(child.stdout!),
      text(child.stderr!),
      once(child, 'close') as Promise<[number | null]>,
    ]);
    return { code, stdout, stderr };
  }

  /** The output of a command that must succeed. */
  async ok(...argv: string[]): Promise<string> {
    return await this.feed('', ...argv);
  }

  /** The same, with something on stdin. */
  async feed(stdin: string, ...argv: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(argv, { stdin });
    if (code !== 0) throw new Error(`kubectl ${argv.join(' ')} ended with ${code}: ${stderr}${stdout}`);
    return stdout;
  }

  start(argv: readonly string[], options: Run = {}) {
    return spawn(this.#program, [...argv], {
      stdio: 'pipe',
      timeout: options.timeout ?? 60_000,
      env: { ...process.env, KUBECONFIG: this.#kubeconfig, ...options.env },
    });
  }
}
