import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  realpathSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { isWithin } from '../../machine/mounts.ts';
import { bindDescriptor, mountsBelow } from './mounts.ts';
import { VolumeError } from './payload.ts';

/** open(2): only a handle, which neither reads nor follows. Node does not name it. */
const O_PATH = 0o10000000;
const HANDLE = O_PATH | constants.O_NOFOLLOW;

/**
 * Opens a path below a folder part by part, following no link: programs in the pod may be changing the volume at the
 * same time, and must not get the node's files by it.
 */
function openBelow(folder: string, path: string): number {
  let handle = openSync(folder, HANDLE);
  for (const part of path.split('/').filter((each) => each !== '' && each !== '.')) {
    let next: number;
    try {
      next = openSync(`/proc/self/fd/${handle}/${part}`, HANDLE);
    } finally {
      closeSync(handle);
    }
    handle = next;
    // A handle of a link is one that the path went through.
    if (fstatSync(handle).isSymbolicLink()) {
      closeSync(handle);
      throw new VolumeError(`subPath "${path}" was changed to a link while it was being mounted`);
    }
  }
  return handle;
}

/** Makes the folders that are missing on the way, one by one below what is surely inside. */
function makeBelow(volume: string, path: string): void {
  let at = realpathSync(volume);
  const mode = statSync(at).mode & 0o7777;
  for (const part of path.split('/').filter((each) => each !== '' && each !== '.')) {
    const next = join(at, part);
    if (!lstatSync(next, { throwIfNoEntry: false })) {
      mkdirSync(next);
      // As open as the volume itself, whatever umask says.
      chmodSync(next, mode);
    }
    at = realpathSync(next);
    if (!isWithin(at, realpathSync(volume))) {
      throw new VolumeError(`subPath "${path}" leads out of its volume`);
    }
  }
}

/**
 * Binds a part of a volume to a place of its own, from which it is mounted into a container.
 *
 * @param writable - missing folders are made
 * @throws VolumeError when the path is absolute, goes up, or leads out of the volume
 */
export async function mountSubPath(
  volume: string,
  path: string,
  target: string,
  writable: boolean,
): Promise<void> {
  if (path.startsWith('/')) throw new VolumeError(`subPath "${path}" must be relative to its volume`);
  if (path.split('/').includes('..')) throw new VolumeError(`subPath "${path}" must not contain '..'`);
  if (mountsBelow(target).length > 0) return;
  const root = realpathSync(volume);
  if (writable && !lstatSync(join(root, path), { throwIfNoEntry: false })) makeBelow(volume, path);
  let resolved: string;
  try {
    resolved = realpathSync(join(root, path));
  } catch (error) {
    throw new VolumeError(`subPath "${path}": ${(error as Error).message}`);
  }
  if (!isWithin(resolved, root)) throw new VolumeError(`subPath "${path}" leads out of its volume`);
  const handle = openBelow(root, relative(root, resolved));
  try {
    mkdirSync(dirname(target), { recursive: true, mode: 0o750 });
    if (fstatSync(handle).isDirectory()) mkdirSync(target, { recursive: true, mode: 0o750 });
    else writeFileSync(target, '', { mode: 0o640, flag: 'a' });
    await bindDescriptor(handle, target);
  } finally {
    closeSync(handle);
  }
}
