import { existsSync, readFileSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { LAB_CACHE, LAB_STATE } from '../../lab/paths.ts';
import type { Check } from './check.ts';

/** How much of everything there is. Undefined where the machine does not say. */
export interface Limits {
  /** Folders of the lab, with the free bytes of the file system below them. */
  disks: { path: string; free: number }[];
  /** MemAvailable of /proc/meminfo, in bytes. */
  memory: number | undefined;
  inotifyInstances: number | undefined;
  inotifyWatches: number | undefined;
  networkNamespaces: number | undefined;
  processes: number | undefined;
  /** Hard limit of open files of this process. */
  openFiles: number | undefined;
}

const MiB = 1024 * 1024;

export function collectLimits(): Limits {
  const status = readFileSync('/proc/self/limits', 'utf8');
  const memory = /^MemAvailable:\s+(\d+) kB/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1];
  const files = /^Max open files\s+\S+\s+(\S+)/m.exec(status)?.[1];
  return {
    disks: [LAB_STATE, LAB_CACHE].map((path) => ({ path, free: freeBytes(path) })),
    memory: memory === undefined ? undefined : Number(memory) * 1024,
    inotifyInstances: readNumber('/proc/sys/fs/inotify/max_user_instances'),
    inotifyWatches: readNumber('/proc/sys/fs/inotify/max_user_watches'),
    networkNamespaces: readNumber('/proc/sys/user/max_net_namespaces'),
    processes: readNumber('/proc/sys/kernel/pid_max'),
    openFiles:
      files === 'unlimited' ? Number.POSITIVE_INFINITY : files === undefined ? undefined : Number(files),
  };
}

/** Free bytes for root where `path` is, or will be. */
function freeBytes(path: string): number {
  let at = path;
  while (!existsSync(at)) at = dirname(at);
  const { bavail, bsize } = statfsSync(at);
  return bavail * bsize;
}

function readNumber(path: string): number | undefined {
  return existsSync(path) ? Number(readFileSync(path, 'utf8').trim()) : undefined;
}

export function limitChecks(limits: Limits): Check[] {
  return [
    ...limits.disks.map(({ path, free }) =>
      atLeast(`disk space for ${path}`, free, { fail: 256 * MiB, warn: 2048 * MiB }, bytes, 'make room'),
    ),
    atLeast(
      'memory',
      limits.memory,
      { fail: 256 * MiB, warn: 1024 * MiB },
      bytes,
      'stop something, or make smaller clusters',
    ),
    sysctlAtLeast('inotify instances', limits.inotifyInstances, 128, 'fs.inotify.max_user_instances'),
    sysctlAtLeast('inotify watches', limits.inotifyWatches, 8192, 'fs.inotify.max_user_watches'),
    sysctlAtLeast('network namespaces', limits.networkNamespaces, 512, 'user.max_net_namespaces'),
    sysctlAtLeast('process ids', limits.processes, 32768, 'kernel.pid_max'),
    atLeast(
      'open files',
      limits.openFiles,
      { fail: 1024, warn: 4096 },
      String,
      'raise it: ulimit -Hn 65536, or LimitNOFILE= of the service',
    ),
  ];
}

function sysctlAtLeast(name: string, value: number | undefined, wanted: number, key: string): Check {
  return atLeast(
    name,
    value,
    { fail: 1, warn: wanted },
    String,
    `sysctl -w ${key}=${wanted} (now and in /etc/sysctl.d)`,
  );
}

/** Below `warn` it may become tight, below `fail` it does not start. */
function atLeast(
  name: string,
  value: number | undefined,
  wanted: { fail: number; warn: number },
  show: (value: number) => string,
  fix: string,
): Check {
  const rule = `at least ${show(wanted.warn)}`;
  if (value === undefined) return { name, status: 'ok', found: 'not limited', rule };
  if (value >= wanted.warn) return { name, status: 'ok', found: show(value), rule };
  return { name, status: value < wanted.fail ? 'fail' : 'warn', found: show(value), rule, fix };
}

function bytes(value: number): string {
  return value < 1024 * MiB ? `${Math.floor(value / MiB)} MiB` : `${(value / (1024 * MiB)).toFixed(1)} GiB`;
}
