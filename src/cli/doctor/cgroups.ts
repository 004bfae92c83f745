import { existsSync, readFileSync } from 'node:fs';
import type { Check } from './check.ts';

const ROOT = '/sys/fs/cgroup';

/** How control groups are mounted here. */
export interface Cgroups {
  /** Version 1 controllers that have a hierarchy of their own, with whether it can be written. */
  v1: Map<string, 'rw' | 'ro'>;
  /** Where version 2 is mounted, if it is. */
  v2: { path: string; mode: 'rw' | 'ro'; controllers: string[] } | undefined;
}

/** runc limits and counts pods with these; on version 1 it also wants devices and freezer. */
const NEEDED = ['cpu', 'memory', 'pids'];
const NEEDED_V1 = [...NEEDED, 'devices', 'freezer'];

export function collectCgroups(): Cgroups {
  return parseCgroups(readFileSync('/proc/self/mountinfo', 'utf8'), (path) => {
    const file = `${path}/cgroup.controllers`;
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  });
}

/** Reads /proc/self/mountinfo (proc_pid_mountinfo(5)); `controllersAt` reads a version 2 root's cgroup.controllers. */
export function parseCgroups(mountinfo: string, controllersAt: (path: string) => string): Cgroups {
  const found: Cgroups = { v1: new Map(), v2: undefined };
  for (const line of mountinfo.split('\n')) {
    const [before, after] = line.split(' - ');
    const path = before?.split(' ')[4];
    const [type, , options] = after?.split(' ') ?? [];
    if (!before || !path || !options) continue;
    const flags = [...(before.split(' ')[5] ?? '').split(','), ...options.split(',')];
    const mode = flags.includes('ro') ? 'ro' : 'rw';
    if (type === 'cgroup2') {
      found.v2 = { path, mode, controllers: controllersAt(path).split(/\s+/).filter(Boolean) };
    } else if (type === 'cgroup') {
      for (const option of options.split(',')) {
        if (!/^(r[ow]|name=.*|clone_children|xattr|noprefix|release_agent=.*)$/.test(option)) {
          found.v1.set(option, mode);
        }
      }
    }
  }
  return found;
}

export function cgroupChecks({ v1, v2 }: Cgroups): Check[] {
  const name = 'control groups';
  if (v2?.path === ROOT) {
    const rule = `version 2 with the controllers ${NEEDED.join(', ')}, writable`;
    return [
      verdict(name, `version 2: ${v2.controllers.join(' ')}`, rule, missing(NEEDED, v2.controllers), v2.mode),
    ];
  }
  const rule = `version 2, or version 1 with the controllers ${NEEDED_V1.join(', ')}, writable`;
  const layout = v2 ? 'version 1 and 2 side by side' : 'version 1';
  if (v1.size === 0) {
    return [
      {
        name,
        status: 'fail',
        found: 'not mounted',
        rule,
        fix: `boot with systemd, or mount them: mount -t cgroup2 none ${ROOT}`,
      },
    ];
  }
  const mode = NEEDED_V1.some((controller) => v1.get(controller) === 'ro') ? 'ro' : 'rw';
  return [
    verdict(name, `${layout}: ${[...v1.keys()].join(' ')}`, rule, missing(NEEDED_V1, [...v1.keys()]), mode),
  ];
}

function missing(needed: string[], present: string[]): string[] {
  return needed.filter((controller) => !present.includes(controller));
}

function verdict(name: string, found: string, rule: string, absent: string[], mode: 'rw' | 'ro'): Check {
  if (absent.length > 0) {
    return {
      name,
      status: 'fail',
      found: `${found} (without ${absent.join(', ')})`,
      rule,
      fix: `enable ${absent.join(', ')}: remove cgroup_disable= from the kernel's command line (some arm64 boards want cgroup_enable=memory)`,
    };
  }
  if (mode === 'ro') {
    return {
      name,
      status: 'fail',
      found: `${found} (read-only)`,
      rule,
      fix: 'in a container: start it with --privileged --cgroupns=host',
    };
  }
  return { name, status: 'ok', found, rule };
}
