import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

export const BUNDLE = join(import.meta.dirname, '..', '..', '..', 'dist', 'flyover.js');

export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs the built `flyover` command as a user would. */
export async function flyover(...argv: string[]): Promise<Outcome> {
  const child = spawn(process.execPath, [BUNDLE, ...argv], { stdio: ['ignore', 'pipe', 'pipe'] });
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  return { code, stdout, stderr };
}

/** The same for commands that must succeed; returns the parsed `-o json`. */
export async function flyoverJson<T>(...argv: string[]): Promise<T> {
  const { code, stdout, stderr } = await flyover(...argv, '-o', 'json');
  if (code !== 0) throw new Error(`flyover ${argv.join(' ')} ended with ${code}: ${stderr}`);
  return JSON.parse(stdout) as T;
}
