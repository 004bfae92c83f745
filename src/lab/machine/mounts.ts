import { readFileSync } from 'node:fs';

/** One line of /proc/<pid>/mountinfo, as far as it matters here. */
export interface Mount {
  readonly id: number;
  readonly parent: number;
  /** The mounted part of its file system. */
  readonly root: string;
  readonly target: string;
  readonly type: string;
  /** Options of the file system itself (`rw,memory`). */
  readonly options: readonly string[];
}

const plain = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

/** Parses mountinfo (proc_pid_mountinfo(5)); lines that do not look like it are left out. */
export function parseMountinfo(text: string): Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split('\n')) {
    const [front, back] = line.split(' - ');
    if (front === undefined || back === undefined) continue;
    const [id, parent, , root, target] = front.split(' ');
    const [type, , options] = back.split(' ');
    if (!id || !parent || !root || !target || !type) continue;
    mounts.push({
      id: Number(id),
      parent: Number(parent),
      root: plain(root),
      target: plain(target),
      type,
      options: (options ?? '').split(','),
    });
  }
  return mounts;
}

/** The mounts of the calling process. */
export function ownMounts(): Mount[] {
  return parseMountinfo(readFileSync('/proc/self/mountinfo', 'utf8'));
}

/** Whether `path` is `folder` or lies below it. */
export function isWithin(path: string, folder: string): boolean {
  return folder === '/' || path === folder || path.startsWith(`${folder}/`);
}

/** File systems whose mounts a machine has no use for, and that should be free to go while it runs. */
const FOREIGN = /^(nsfs|autofs|squashfs|overlay|fuse($|\.))/;

/**
 * The mounts that a new machine's mount namespace must let go of, topmost ones only (detaching one takes what
 * lies below it along). It inherits a copy of every mount of the host; a copy of a namespace file keeps that
 * namespace alive after its deletion, a copy of a disk keeps the disk busy.
 *
 * @param trees - folders to be cleared as a whole, such as /run
 * @param keep - paths that the machine needs; a mount that carries one of them stays
 */
export function mountsToDetach(
  mounts: readonly Mount[],
  trees: readonly string[],
  keep: readonly string[],
): string[] {
  const carries = (mount: Mount): boolean => keep.some((path) => isWithin(path, mount.target));
  const candidates = mounts.filter(
    (mount) =>
      mount.target !== '/' &&
      (FOREIGN.test(mount.type) || trees.some((tree) => isWithin(mount.target, tree))) &&
      !(carries(mount) && mount.type !== 'nsfs'),
  );
  const targets = candidates.map((mount) => mount.target);
  return targets.filter((target) => !targets.some((other) => other !== target && isWithin(target, other)));
}

/** Trees that stay writable in a machine: its own, and those of the kernel. */
const WRITABLE = ['/proc', '/sys', '/dev', '/run', '/tmp', '/var/tmp', '/var/lib', '/var/log'];

/** The host's mounts that a machine sees and must not write to: `/` and what else carries the host's files. */
export function mountsToProtect(mounts: readonly Mount[], detached: readonly string[]): string[] {
  const targets = mounts
    .map((mount) => mount.target)
    .filter((target) => ![...WRITABLE, ...detached].some((tree) => isWithin(target, tree)));
  return [...new Set(targets)];
}
