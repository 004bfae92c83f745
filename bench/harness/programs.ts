import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Runs a program in a network namespace and returns what it printed. @throws Error with what it said when it fails */
export async function outputOf(netns: string, argv: readonly string[]): Promise<string> {
  const options = { maxBuffer: 64 << 20, timeout: 120_000 };
  return (await run('nsenter', [`--net=${netns}`, ...argv], options)).stdout;
}
