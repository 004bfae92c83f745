import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

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

/** Processes that a lab could have left: by program and arguments, without those that come and go by themselves. */
function processes(): string[] {
  const known = /flyover|containerd|runc|catatonit|pasta|agent\.js|supervisor\.js|socat|tcpdump/;
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const argv = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
        const program = readlinkSync(`/proc/${pid}/exe`);
        return known.test(argv) && !/fly-test|fly-bench|vitest|flyover test|scripts\/test/.test(argv)
          ? [`${program} ${argv}`]
          : [];
      } catch {
        return [];
      }
    })
    .sort();
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
    run: readdirSync('/run').sort().join('\n'),
    state: readdirSync('/var/lib').sort().join('\n'),
  };
}
