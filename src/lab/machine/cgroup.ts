import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Mount } from './mounts.ts';

/** One cgroup hierarchy of this host. */
export interface Hierarchy {
  /** Where the host has it mounted: `/sys/fs/cgroup/memory`, or `/sys/fs/cgroup` where v2 is alone. */
  readonly path: string;
  readonly version: 1 | 2;
  /** v1: the mount options that choose it: `['cpu', 'cpuacct']` or `['none', 'name=systemd']`. v2: empty. */
  readonly controllers: readonly string[];
}

const ROOT = '/sys/fs/cgroup';
const GENERIC_OPTIONS = new Set(['rw', 'ro', 'xattr', 'clone_children', 'cpuset_v2_mode', 'noprefix']);

/** The hierarchies below /sys/fs/cgroup: v1, v2, or v1 with v2 at `unified` beside it (hybrid). */
export function hierarchies(mounts: readonly Mount[]): Hierarchy[] {
  const found = new Map<string, Hierarchy>();
  for (const mount of mounts) {
    if (mount.target !== ROOT && dirname(mount.target) !== ROOT) continue;
    if (mount.type === 'cgroup2')
      found.set(mount.target, { path: mount.target, version: 2, controllers: [] });
    if (mount.type !== 'cgroup') continue;
    const options = mount.options.filter((o) => !GENERIC_OPTIONS.has(o) && !o.startsWith('release_agent='));
    const named = options.every((option) => option.startsWith('name='));
    const controllers = named ? ['none', ...options] : options;
    found.set(mount.target, { path: mount.target, version: 1, controllers });
  }
  return [...found.values()];
}

/** How a machine has to mount the hierarchy again, seen from its own cgroup namespace: an argument per part. */
export interface HierarchyMount {
  readonly target: string;
  readonly type: 'cgroup' | 'cgroup2';
  readonly options: string;
  /** Other names under which programs look for it: `cpu` for `cpu,cpuacct`. */
  readonly links: readonly string[];
}

export function hierarchyMount(hierarchy: Hierarchy): HierarchyMount {
  const { path, controllers } = hierarchy;
  if (hierarchy.version === 2) return { target: path, type: 'cgroup2', options: 'rw', links: [] };
  const links = controllers.length > 1 && controllers[0] !== 'none' ? controllers : [];
  return {
    target: path,
    type: 'cgroup',
    options: controllers.join(','),
    links: links.filter((link) => link !== basename(path)),
  };
}

const code = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

/** Reads a cgroup file; empty when the cgroup is gone (ENODEV: between its removal and its folder's). */
function read(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch (error) {
    if (code(error) === 'ENOENT' || code(error) === 'ENODEV' || code(error) === 'EOPNOTSUPP') return '';
    throw error;
  }
}

/** A setting that not every kernel or container allows; the machine works without it. */
function tryWrite(file: string, value: string): void {
  try {
    writeFileSync(file, value);
  } catch {
    // Left as it is.
  }
}

/**
 * Lets children of a v2 cgroup have every controller that it has itself. Where the controllers are already held
 * back further up (an unprivileged container), nothing changes.
 */
export function delegate(folder: string): void {
  for (const controller of read(join(folder, 'cgroup.controllers')).trim().split(' ')) {
    if (controller) tryWrite(join(folder, 'cgroup.subtree_control'), `+${controller}`);
  }
}

/**
 * Makes `relative` (`flyover-lab/n1`) in every hierarchy, ready to take processes.
 *
 * @throws the file system's error when cgroups cannot be made here (EROFS, EACCES).
 */
export function createCgroups(all: readonly Hierarchy[], relative: string): void {
  const parts = relative.split('/');
  for (const { path, version, controllers } of all) {
    let folder = path;
    for (const part of parts) {
      if (version === 2) delegate(folder);
      const parent = folder;
      folder = join(folder, part);
      mkdirSync(folder, { recursive: true });
      if (controllers.includes('cpuset')) {
        // A v1 cpuset takes no process before it has processors and memory nodes; children then copy ours.
        for (const file of ['cpuset.cpus', 'cpuset.mems']) {
          if (read(join(folder, file)).trim() === '')
            tryWrite(join(folder, file), read(join(parent, file)).trim());
        }
        tryWrite(join(folder, 'cgroup.clone_children'), '1');
      }
    }
  }
}

/** Folders of a cgroup subtree, children before parents. */
function subtree(folder: string): string[] {
  let names: string[];
  try {
    names = readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch (error) {
    if (code(error) === 'ENOENT' || code(error) === 'ENODEV') return [];
    throw error;
  }
  return [...names.flatMap((name) => subtree(join(folder, name))), folder];
}

/** Pids of every process in `relative` and below, in any hierarchy, as the host sees them. */
export function cgroupPids(all: readonly Hierarchy[], relative: string): number[] {
  const pids = new Set<number>();
  for (const { path } of all) {
    for (const folder of subtree(join(path, relative))) {
      for (const pid of read(join(folder, 'cgroup.procs')).split('\n'))
        if (Number(pid) > 0) pids.add(Number(pid));
    }
  }
  return [...pids];
}

/** Thaws what is frozen in the v1 freezer below `relative`: a frozen process does not take SIGKILL. */
export function thaw(all: readonly Hierarchy[], relative: string): void {
  for (const { path, controllers } of all) {
    if (!controllers.includes('freezer')) continue;
    for (const folder of subtree(join(path, relative))) tryWrite(join(folder, 'freezer.state'), 'THAWED');
  }
}

/**
 * Removes `relative` and all below it, bottom-up, from every hierarchy, and then its parents as far as they are
 * empty (several machines share `flyover-lab`).
 *
 * @returns the folders that still hold a process and so could not go.
 */
export function removeCgroups(all: readonly Hierarchy[], relative: string): string[] {
  const busy: string[] = [];
  for (const { path } of all) {
    for (const folder of subtree(join(path, relative))) {
      try {
        rmdirSync(folder);
      } catch (error) {
        if (code(error) === 'EBUSY') busy.push(folder);
        else if (code(error) !== 'ENOENT') throw error;
      }
    }
    for (let parent = dirname(relative); parent !== '.'; parent = dirname(parent)) {
      try {
        rmdirSync(join(path, parent));
      } catch {
        break;
      }
    }
  }
  return busy;
}

/** Names of the cgroups directly below `parent` in any hierarchy. */
export function childCgroups(all: readonly Hierarchy[], parent: string): string[] {
  const names = new Set<string>();
  for (const { path } of all) {
    const depth = join(path, parent);
    for (const folder of subtree(depth)) if (dirname(folder) === depth) names.add(basename(folder));
  }
  return [...names].sort();
}
