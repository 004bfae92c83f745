import {
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { MNT_DETACH, MS_BIND, MS_REC, MS_SHARED, mount, umount } from '../../kernel/libc.ts';
import { identify, isAlive } from '../machine/identity.ts';
import type { ProcessIdentity } from '../machine/types.ts';
import { LAB_RUN, LAB_STATE } from '../paths.ts';

/** Whether `path` is a mount point, by the kernel's own list. */
export function isMountPoint(path: string): boolean {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  return lines.some((line) => line.split(' ')[4] === path);
}

/** Makes the lab's folders, closed to all but root also where somebody had made them before. */
export function prepareFolders(): void {
  for (const folder of [LAB_RUN, LAB_STATE]) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    chmodSync(folder, 0o700);
  }
  shareRunFolder();
}

/**
 * Makes the lab's run folder a shared mount of its own. Then unpinning a namespace also unpins the copies that
 * mount namespaces of others (services, nodes) made of it; without that they would keep it alive for ever.
 */
function shareRunFolder(): void {
  if (!isMountPoint(LAB_RUN)) mount(LAB_RUN, LAB_RUN, null, MS_BIND | MS_REC);
  mount('none', LAB_RUN, null, MS_REC | MS_SHARED);
  mkdirSync(join(LAB_RUN, 'netns'), { recursive: true, mode: 0o700 });
}

export function removeRunFolder(): void {
  while (isMountPoint(LAB_RUN)) umount(LAB_RUN, MNT_DETACH);
  rmSync(LAB_RUN, { recursive: true, force: true });
}

/** Who holds the lab, for those who want to end it. The lock itself is {@link LOCK}. */
const RECORD = join(LAB_RUN, 'supervisor.json');
/** An SQLite database without content: the kernel takes its lock away when its holder ends, however that happens. */
const LOCK = join(LAB_RUN, 'lock.sqlite');

/** The supervisor that runs now, if one does. */
export function runningSupervisor(): ProcessIdentity | undefined {
  try {
    const process = JSON.parse(readFileSync(RECORD, 'utf8')) as ProcessIdentity;
    return isAlive(process) ? process : undefined;
  } catch {
    return undefined;
  }
}

/** Takes the lab for this process until it ends. @throws Error when another supervisor has it */
export function takeLock(): void {
  takeLockAt(LOCK);
  writeFileSync(`${RECORD}.new`, JSON.stringify(identify(process.pid)), { mode: 0o600 });
  renameSync(`${RECORD}.new`, RECORD);
}

/** How long to try for the lock, in milliseconds. */
const LOCK_PATIENCE_MS = 200;

/** Kept from being collected: the lock goes with the object. */
const held: DatabaseSync[] = [];

/** {@link takeLock} without telling who. Exported for its test. */
export function takeLockAt(path: string): void {
  closeSync(openSync(path, 'a', 0o600));
  // Two that start at one moment are in each other's way for a moment: without patience both would give up.
  const lock = new DatabaseSync(path, { timeout: LOCK_PATIENCE_MS });
  try {
    lock.exec('PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE;');
  } catch (error) {
    lock.close();
    const other = runningSupervisor();
    throw new Error(`another supervisor has the lab${other ? `: pid ${other.pid}` : ''}`, { cause: error });
  }
  held.push(lock);
}
