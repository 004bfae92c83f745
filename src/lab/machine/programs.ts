import { type SpawnOptions, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { MachineError } from './error.ts';

/** Where programs are looked for, here and inside machines; sbin first as runc lies there on Debian. */
export const SEARCH_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * The absolute path of a program of the host.
 *
 * @throws MachineError naming the Debian package when it is missing.
 */
export function programPath(name: string, debianPackage: string): string {
  for (const folder of SEARCH_PATH.split(':')) {
    const path = `${folder}/${name}`;
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Next folder.
    }
  }
  throw new MachineError('find', name, `not found in ${SEARCH_PATH}; install the package ${debianPackage}`);
}

/** The environment that a machine's programs start with; nothing of the supervisor's own leaks in. */
export const CLEAN_ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: SEARCH_PATH,
  HOME: '/root',
  LANG: 'C.UTF-8',
};

/** What a short program left. */
export interface Outcome {
  /** Exit status; null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Longer than any of the short programs here takes on a busy machine, milliseconds. */
const RUN_TIMEOUT = 60_000;
const MAX_OUTPUT = 65_536;

/**
 * Runs a short program until all holders of its output have closed it; the output is cut at 64 KiB each. Rejects when
 * it cannot be started or its output is still open after a minute.
 */
export function run(argv: readonly string[], options: SpawnOptions): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const [file, ...args] = argv;
    const child = spawn(file!, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    const text = { stdout: '', stderr: '' };
    const timer = setTimeout(() => {
      child.stdout?.destroy();
      child.stderr?.destroy();
      child.kill('SIGKILL');
      reject(new Error(`${file} has not ended after ${RUN_TIMEOUT / 1000} s: ${text.stderr.trim()}`));
    }, RUN_TIMEOUT);
    for (const name of ['stdout', 'stderr'] as const) {
      child[name]!.setEncoding('utf8').on('data', (chunk: string) => {
        if (text[name].length < MAX_OUTPUT) text[name] += chunk;
      });
    }
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ code, ...text });
    });
  });
}
