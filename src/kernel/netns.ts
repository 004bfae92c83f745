import { existsSync, mkdirSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { isKernelError, KernelError } from './errno.ts';
import * as libc from './libc.ts';

const OWN = '/proc/thread-self/ns/net';

/**
 * Runs `body` with the calling thread inside the network namespace at `path`, strictly synchronously, and
 * returns to the former namespace afterwards. The process is aborted when it cannot return: a thread left in
 * a foreign namespace would configure the wrong machine.
 *
 * @throws KernelError when the namespace cannot be entered; TypeError when `body` is asynchronous: what it did after
 * its first wait, and what others did meanwhile, would be in the wrong place.
 */
export function inNamespace<T>(path: string, body: () => T): T {
  const home = libc.open(OWN);
  try {
    const target = libc.open(path);
    try {
      libc.setns(target, libc.CLONE_NEWNET, path);
    } finally {
      libc.close(target);
    }
    try {
      const result = body();
      if (result instanceof Promise) throw new TypeError('inNamespace: the body must be synchronous');
      return result;
    } finally {
      try {
        libc.setns(home, libc.CLONE_NEWNET, 'home');
      } catch {
        process.abort();
      }
    }
  } finally {
    libc.close(home);
  }
}

/**
 * Makes an empty network namespace and pins it by a bind mount at `path`, whose folder is made when missing.
 *
 * @throws KernelError EEXIST when `path` already holds a namespace.
 */
export function createNamespace(path: string): void {
  if (namespaceExists(path)) throw new KernelError('create namespace', path, 17);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, '', { mode: 0o444 });
  const home = libc.open(OWN);
  try {
    libc.unshare(libc.CLONE_NEWNET);
    try {
      libc.mount(OWN, path, null, libc.MS_BIND);
    } finally {
      try {
        libc.setns(home, libc.CLONE_NEWNET, 'home');
      } catch {
        process.abort();
      }
    }
  } catch (error) {
    unlinkSync(path);
    throw error;
  } finally {
    libc.close(home);
  }
}

/** Unpins the namespace at `path`; it dies with its last process and socket. Nothing there is no error. */
export function deleteNamespace(path: string): void {
  try {
    // Several may be stacked there. EINVAL: nothing is mounted there any more.
    for (;;) libc.umount(path, libc.MNT_DETACH);
  } catch (error) {
    if (!isKernelError(error, 'EINVAL', 'ENOENT')) throw error;
  }
  if (existsSync(path)) unlinkSync(path);
}

/** Whether `path` is a pinned namespace (a plain file left by a crash is not). */
export function namespaceExists(path: string): boolean {
  return namespaceId(path) !== undefined;
}

const NSFS_OF_SELF = statSync('/proc/self/ns/net').dev;

/** The inode that identifies the namespace at `path`, or undefined when there is none. */
export function namespaceId(path: string): number | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat && stat.dev === NSFS_OF_SELF ? stat.ino : undefined;
}

/** Writes a value below /proc/sys/net in the namespace at `path` (undefined: the calling thread's own). */
export function setNetSysctl(path: string | undefined, name: string, value: string | number): void {
  const write = (): void => writeFileSync(`/proc/sys/net/${name}`, String(value));
  if (path === undefined) write();
  else inNamespace(path, write);
}
