import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { DEFAULT_CGROUP_PARENT } from '../../../src/lab/machine/spec.ts';
import { LAB_RUN, LAB_STATE } from '../../../src/lab/paths.ts';

const DIST = join(import.meta.dirname, '../../../dist');

function say(...argv: [string, ...string[]]): string {
  return spawnSync(argv[0], argv.slice(1), { encoding: 'utf8' }).stdout;
}

/** Folders below a cgroup mount that name the lab. */
function labCgroups(folder: string, depth = 2): string[] {
  let names: string[] = [];
  try {
    names = readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    return [];
  }
  return names.flatMap((name) => {
    const path = `${folder}/${name}`;
    if (name.includes('flyover')) return [path];
    return depth > 0 ? labCgroups(path, depth - 1) : [];
  });
}

/** What only the lab's own programs have among their arguments. */
const LAB_ARGUMENTS = [
  LAB_RUN,
  LAB_STATE,
  ...['supervisor', 'agent', 'outside'].map((name) => join(DIST, `${name}.js`)),
];

/** Processes of a lab, by their cgroup or their arguments: the machine's other processes come and go. */
function processes(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const argv = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
        const inLab = readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(`/${DEFAULT_CGROUP_PARENT}/`);
        return inLab || LAB_ARGUMENTS.some((known) => argv.includes(known))
          ? [`${readlinkSync(`/proc/${pid}/exe`)} ${argv}`]
          : [];
      } catch {
        return [];
      }
    })
    .sort();
}

/** Entries of a folder that a lab, or a container runtime that it has started, would make. */
function traces(folder: string): string {
  return readdirSync(folder)
    .filter((name) => /flyover|containerd|runc|cni|netns/.test(name))
    .sort()
    .join('\n');
}

/** What a lab could change on the machine that it runs on, as text that compares. */
export function machineState(): Record<string, string> {
  return {
    links: say('ip', '-o', 'link').replaceAll(/qlen \d+|state \w+/g, ''),
    addresses: say('ip', '-o', 'addr', 'show').replaceAll(/\d+sec/g, ''),
    routes: say('ip', 'route', 'show', 'table', 'all') + say('ip', '-6', 'route', 'show', 'table', 'all'),
    rules: say('ip', 'rule'),
    // Counters go on without any lab.
    tables: say('nft', 'list', 'ruleset').replaceAll(/packets \d+ bytes \d+/g, ''),
    mounts: readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .map((line) => line.split(' ').slice(3, 6).join(' '))
      // Other tests may run beside this one.
      .filter((line) => !/fly-(test|bench)/.test(line))
      .sort()
      .join('\n'),
    forwarding: readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8'),
    cgroups: labCgroups('/sys/fs/cgroup').join('\n'),
    processes: processes().join('\n'),
    run: traces('/run'),
    state: traces('/var/lib'),
  };
}
