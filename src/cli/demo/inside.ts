import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { namespacePath } from '../../lab/paths.ts';

/** The program that plays a machine outside the cluster: see outside-program.ts. */
export function outside(...argv: string[]): string[] {
  return [process.execPath, join(dirname(fileURLToPath(import.meta.url)), 'outside.js'), ...argv];
}

/** Starts a program of this machine in a namespace of the lab. */
function spawnIn(namespace: string, argv: string[]): ChildProcess {
  return spawn('nsenter', [`--net=${namespacePath(namespace)}`, '--', ...argv], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Runs a program of this machine in a namespace of the lab until it ends. */
export async function runIn(namespace: string, argv: string[]): Promise<{ code: number; output: string }> {
  const child = spawnIn(namespace, argv);
  const [[code], out, error] = await Promise.all([
    once(child, 'close') as Promise<[number | null]>,
    text(child.stdout!),
    text(child.stderr!),
  ]);
  return { code: code ?? 1, output: (out + error).trim() };
}

/** Runs `body` while a program runs in a namespace; it is ready once its stderr matches. Returns what it printed. */
export async function whileRunning<T>(
  namespace: string,
  program: { argv: string[]; ready: RegExp },
  body: () => Promise<T>,
): Promise<{ result: T; output: string }> {
  const child = spawnIn(namespace, program.argv);
  let output = '';
  child.stdout!.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk;
  });
  const closed = once(child, 'close');
  await new Promise<void>((resolve, reject) => {
    let said = '';
    child.stderr!.setEncoding('utf8').on('data', (chunk: string) => {
      said += chunk;
      if (program.ready.test(said)) resolve();
    });
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`${program.argv[0]} in ${namespace} ended: ${said.trim()}`)));
  });
  try {
    const result = await body();
    return { result, output: await finish() };
  } catch (error) {
    await finish();
    throw error;
  }

  async function finish(): Promise<string> {
    child.kill('SIGTERM');
    await closed;
    return output;
  }
}
