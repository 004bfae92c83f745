import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { isWithin, parseMountinfo } from '../../machine/mounts.ts';
import { VolumeError } from './payload.ts';

/** Mounts are rare here (subPath, emptyDir in memory), so the programs do them; no native code is loaded for it. */
async function runProgram(file: string, args: readonly string[], descriptor?: number): Promise<void> {
  const child = spawn(file, args, {
    cwd: '/',
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C' },
    stdio: ['ignore', 'ignore', 'pipe', ...(descriptor === undefined ? [] : [descriptor])],
  });
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    if (said.length < 4096) said += chunk;
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  if (code !== 0) throw new VolumeError(`${file} ${args.join(' ')}: ${said.trim() || `exit status ${code}`}`);
}

/** @param sizeBytes - undefined: half of the machine's memory, as the kernel has it */
export function mountTmpfs(target: string, sizeBytes: number | undefined): Promise<void> {
  const options = sizeBytes === undefined ? [] : ['-o', `size=${sizeBytes}`];
  return runProgram('mount', ['-n', '-t', 'tmpfs', ...options, 'tmpfs', target]);
}

/** Binds what the descriptor stands for, whatever its path has become since it was opened. */
export function bindDescriptor(descriptor: number, target: string): Promise<void> {
  return runProgram('mount', ['-n', '-c', '--bind', '/proc/self/fd/3', target], descriptor);
}

/** Mount points at or below a folder, deepest first. */
export function mountsBelow(folder: string): string[] {
  const text = readFileSync('/proc/self/mountinfo', 'utf8');
  if (!text.includes(folder)) return [];
  return parseMountinfo(text)
    .map((mount) => mount.target)
    .filter((target) => isWithin(target, folder))
    .reverse();
}

/** @throws VolumeError when something below the folder stays mounted: then its files must not be removed */
export async function unmountBelow(folder: string): Promise<void> {
  for (const target of mountsBelow(folder)) await runProgram('umount', ['-n', '-l', target]);
  const [left] = mountsBelow(folder);
  if (left) throw new VolumeError(`${left} is still mounted`);
}
