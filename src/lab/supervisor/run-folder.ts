import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { MNT_DETACH, MS_BIND, MS_REC, MS_SHARED, mount, umount } from '../../kernel/libc.ts';
import { identify, isAlive } from '../machine/identity.ts';
import type { ProcessIdentity } from '../machine/types.ts';
import { LAB_RUN } from '../paths.ts';

/** Whether `path` is a mount point, by the kernel's own list. */
export function isMountPoint(path: string): boolean {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  return lines.some((line) => line.split(' ')[4] === path);
}

/**
 * Makes the lab's run folder a shared mount of its own. Then unpinning a namespace also unpins the copies that
 * mount namespaces of others (services, nodes) made of it; without that they would keep it alive for ever.
 */
export function prepareRunFolder(): void {
  mkdirSync(LAB_RUN, { recursive: true, mode: 0o700 });
  if (!isMountPoint(LAB_RUN)) mount(LAB_RUN, LAB_RUN, null, MS_BIND | MS_REC);
  mount('none', LAB_RUN, null, MS_REC | MS_SHARED);
  mkdirSync(join(LAB_RUN, 'netns'), { recursive: true, mode: 0o700 });
}

export function removeRunFolder(): void {
  while (isMountPoint(LAB_RUN)) umount(LAB_RUN, MNT_DETACH);
  rmSync(LAB_RUN, { recursive: true, force: true });
}

const LOCK = join(LAB_RUN, 'supervisor.lock');

/** The supervisor that runs now, if one does. */
export function runningSupervisor(): ProcessIdentity | undefined {
  try {
    const process = JSON.parse(readFileSync(LOCK, 'utf8')) as ProcessIdentity;
    return isAlive(process) ? process : undefined;
  } catch {
    return undefined;
  }
}

/** Takes the lab for this process. @throws Error when another supervisor runs. */
export function takeLock(): void {
  for (;;) {
    const other = runningSupervisor();
    if (other) throw new Error(`a supervisor already runs: pid ${other.pid}`);
    rmSync(LOCK, { force: true });
    try {
      const fd = openSync(LOCK, 'wx', 0o600);
      writeSync(fd, JSON.stringify(identify(process.pid)));
      closeSync(fd);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}
