import { closeSync, type lstatSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { VolumeError } from './payload.ts';

type Stat = NonNullable<ReturnType<typeof lstatSync>>;

const CHECKS: Record<string, [(stat: Stat) => boolean, string]> = {
  Directory: [(stat) => stat.isDirectory(), 'a directory'],
  DirectoryOrCreate: [(stat) => stat.isDirectory(), 'a directory'],
  File: [(stat) => stat.isFile(), 'a file'],
  FileOrCreate: [(stat) => stat.isFile(), 'a file'],
  Socket: [(stat) => stat.isSocket(), 'a socket file'],
  CharDevice: [(stat) => stat.isCharacterDevice(), 'a character device'],
  BlockDevice: [(stat) => stat.isBlockDevice(), 'a block device'],
};

/**
 * Makes sure that a path of the node is what the pod expects it to be.
 *
 * @throws VolumeError when it is not, in upstream's words
 */
export function ensureHostPath(path: string, type: string | undefined): void {
  if (path.split('/').includes('..')) throw new VolumeError(`hostPath "${path}" must not contain '..'`);
  if (!type) return;
  const check = CHECKS[type];
  if (!check) throw new VolumeError(`${type} is an invalid volume type`);
  if (type === 'DirectoryOrCreate') mkdirSync(path, { recursive: true, mode: 0o755 });
  if (type === 'FileOrCreate' && statSync(dirname(path), { throwIfNoEntry: false }))
    closeSync(openSync(path, 'a', 0o644));
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat || !check[0](stat))
    throw new VolumeError(`hostPath type check failed: ${path} is not ${check[1]}`);
}
