import { mkdirSync, realpathSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  cgroupPids,
  childCgroups,
  createCgroups,
  delegate,
  type Hierarchy,
  hierarchies,
  hierarchyMount,
  removeCgroups,
  thaw,
} from './cgroup.ts';
import { MachineError } from './error.ts';
import { identify, isAlive, namespacePids, signal } from './identity.ts';
import { isWithin, mountsToDetach, mountsToProtect, ownMounts } from './mounts.ts';
import { CLEAN_ENVIRONMENT, programPath, run } from './programs.ts';
import { readRecord, removeRecord, writeRecord } from './record.ts';
import { BOOT, INIT } from './scripts.ts';
import { checkRef, checkSpec, DEFAULT_CGROUP_PARENT, HIDDEN_TREES, hostsFile, resolvConf } from './spec.ts';
import type { Machine, MachineRef, MachineSpec, ProcessIdentity } from './types.ts';

/** statfs type of overlayfs, which cannot carry another overlay's upper folder (linux/magic.h). */
const OVERLAYFS_MAGIC = 0x794c7630;

/** How long the kernel may take to clear a killed machine away, milliseconds. */
const STOP_TIMEOUT = 15_000;

/** The machine's cgroup, relative to each hierarchy. */
export function cgroupOf(ref: MachineRef): string {
  return `${ref.cgroupParent ?? DEFAULT_CGROUP_PARENT}/${ref.id}`;
}

/** The folders through which a process joins the machine's `system` cgroup; pods have theirs beside it. */
export function systemCgroups(all: readonly Hierarchy[], ref: MachineRef): string[] {
  return all.map((hierarchy) => join(hierarchy.path, cgroupOf(ref), 'system'));
}

/** Whether the disk lies on overlayfs (a container's own root), which overlayfs mounts cannot build upon. */
export function onOverlay(path: string): boolean {
  return statfsSync(path).type === OVERLAYFS_MAGIC;
}

function toMachine(ref: MachineRef, init: ProcessIdentity, hostname: string, addresses: readonly string[]) {
  const { id, stateDir, runDir, cgroupParent } = ref;
  const own = cgroupParent === undefined ? {} : { cgroupParent };
  return { id, stateDir, runDir, ...own, init, root: `/proc/${init.pid}/root`, hostname, addresses };
}

/** The machine's path as the host reaches it. Absolute symbolic links on the way would lead to the host's files. */
export function insideMachine(machine: Machine, path: string): string {
  return join(machine.root, path);
}

/**
 * The running machine, or undefined. A record whose process has ended, whoever has its pid now, finds nothing. A
 * machine that was being started when its supervisor died has no init in its record and is not running either.
 */
export function findMachine(ref: MachineRef): Machine | undefined {
  const record = readRecord(ref);
  if (!record?.init || !isAlive(record.init)) return undefined;
  return toMachine(ref, record.init, record.hostname, record.addresses);
}

/** Ids of all machines below `cgroupParent` that still hold anything, recorded or not. */
export function listMachines(cgroupParent: string = DEFAULT_CGROUP_PARENT): string[] {
  return childCgroups(hierarchies(ownMounts()), cgroupParent);
}

/** The arguments of {@link INIT} for this specification on this host. */
function initArguments(spec: MachineSpec, all: readonly Hierarchy[], upper: string): string[] {
  const needed = (spec.keep ?? []).map((path) => realPath(spec.id, path));
  const hidden = needed.filter((path) => HIDDEN_TREES.some((tree) => isWithin(path, tree)));
  const mounts = ownMounts();
  const detached = mountsToDetach(
    mounts,
    [...HIDDEN_TREES, ...(spec.detach ?? [])],
    [spec.stateDir, ...needed],
  );
  return [
    spec.stateDir,
    upper,
    spec.hostname,
    hostsFile(spec),
    resolvConf(spec),
    programPath('catatonit', 'catatonit'),
    ...hidden,
    '--',
    ...detached,
    '--',
    ...all
      .map(hierarchyMount)
      .flatMap(({ type, options, target, links }) => [type, options, target, links.join(',')]),
    '--',
    ...mountsToProtect(mounts, detached),
    '--',
  ];
}

function realPath(id: string, path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    throw new MachineError('start', id, `keep "${path}" does not exist`, error);
  }
}

/** Makes the machine's disk and cgroups ready, with a way out where the host does not allow it. */
function prepare(spec: MachineSpec, all: readonly Hierarchy[]): void {
  if (all.length === 0) throw new MachineError('start', spec.id, 'no cgroup is mounted below /sys/fs/cgroup');
  mkdirSync(spec.stateDir, { recursive: true, mode: 0o700 });
  for (const folder of ['run', 'var/log', 'var/lib']) {
    mkdirSync(join(spec.stateDir, folder), { recursive: true, mode: 0o755 });
  }
  try {
    createCgroups(all, cgroupOf(spec));
  } catch (error) {
    const advice = 'run as root, on the machine itself or in a privileged container with writable cgroups';
    throw new MachineError('start', spec.id, `${(error as Error).message}; ${advice}`, error);
  }
}

/**
 * Starts a machine, or returns the one that runs already. What an earlier attempt left is cleared away first; its
 * disk stays as it is.
 *
 * @throws MachineError for a bad specification, a missing program, or what the kernel refused.
 */
export async function startMachine(spec: MachineSpec): Promise<Machine> {
  checkSpec(spec);
  const running = findMachine(spec);
  if (running) return running;
  await stopMachine(spec);

  const all = hierarchies(ownMounts());
  prepare(spec, all);
  const upper = onOverlay(spec.stateDir) ? join(spec.stateDir, 'memory') : spec.stateDir;
  const { hostname, addresses } = spec;
  writeRecord(spec, { hostname, addresses, services: {} });

  const boot = ['/bin/sh', '-c', BOOT, 'flyover-boot', spec.netns];
  const folders = all.map((hierarchy) => join(hierarchy.path, cgroupOf(spec)));
  const init = ['/bin/sh', '-c', INIT, 'flyover-init', ...initArguments(spec, all, upper)];
  const outcome = await run([...boot, ...folders, '--', ...init], {
    cwd: '/',
    env: CLEAN_ENVIRONMENT,
    detached: true,
  }).catch((error: Error) => ({ code: null, stdout: '', stderr: error.message }));
  const pid = Number(/^pid (\d+)$/m.exec(outcome.stdout)?.[1]);
  const identity = /^ready$/m.test(outcome.stdout) && pid > 0 ? identify(pid) : undefined;
  if (!identity) {
    await stopMachine(spec);
    throw new MachineError('start', spec.id, outcome.stderr.trim() || 'its init ended without a word');
  }
  for (const folder of folders) delegate(folder);
  writeRecord(spec, { hostname, addresses, init: identity, services: {} });
  return toMachine(spec, identity, hostname, addresses);
}

/**
 * Ends a machine: its init is killed, the kernel kills the rest with it, and its cgroups and record are removed.
 * Processes are found by cgroup, so that a machine without a record, or half started, goes as well. A machine
 * that is not there is no error.
 *
 * @throws MachineError when something in it does not go within 15 seconds; calling again is safe.
 */
export async function stopMachine(ref: MachineRef, options: { removeDisk?: boolean } = {}): Promise<void> {
  checkRef('stop', ref);
  const all = hierarchies(ownMounts());
  const relative = cgroupOf(ref);
  const init = readRecord(ref)?.init;
  if (init) signal(init, 'SIGKILL');
  const deadline = Date.now() + STOP_TIMEOUT;
  for (let wait = 1; ; wait = Math.min(wait * 2, 50)) {
    const pids = cgroupPids(all, relative);
    if (pids.length > 0) thaw(all, relative);
    for (const pid of pids) {
      const process = identify(pid);
      if (process) signal(process, 'SIGKILL');
    }
    const gone = !init || !isAlive(init);
    const busy = pids.length === 0 ? removeCgroups(all, relative) : pids.map((pid) => `process ${pid}`);
    if (gone && busy.length === 0) break;
    if (Date.now() > deadline) {
      const what = busy.slice(0, 5).join(', ') || `init ${init?.pid}`;
      throw new MachineError('stop', ref.id, `still there after ${STOP_TIMEOUT / 1000} s: ${what}`);
    }
    await delay(wait);
  }
  removeRecord(ref);
  if (options.removeDisk) rmSync(ref.stateDir, { recursive: true, force: true });
}

/** Pids, as the host sees them, of what runs in the machine outside of its pods. */
export function systemPids(machine: MachineRef): number[] {
  return cgroupPids(hierarchies(ownMounts()).slice(0, 1), `${cgroupOf(machine)}/system`);
}

/** The pid, as the host sees it, of the machine's process with that pid inside; undefined when there is none. */
export function hostPid(machine: Machine, inner: number): number | undefined {
  return systemPids(machine).find((pid) => {
    const pids = namespacePids(pid);
    return pids.length > 1 && pids.at(-1) === inner;
  });
}
