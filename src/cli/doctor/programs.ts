import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Check } from './check.ts';

/** Something that a system package brings. The launcher installs the same list (a test compares the two). */
export interface Program {
  /** Debian's name of the package. */
  package: string;
  /** Commands or absolute paths of which one is enough, the best first. */
  anyOf: readonly string[];
  /** `lab`: the lab cannot run without; `build`: compiles the CNI front; `measure`: for tests and benches. */
  set: 'lab' | 'build' | 'measure';
  /** The lab does without. */
  optional?: boolean;
  /** What Flyover does with it. */
  use: string;
  /** Arguments that make it tell its version. */
  version?: readonly string[];
}

export const PROGRAMS: readonly Program[] = [
  { package: 'nftables', anyOf: ['nft'], set: 'lab', use: 'shows packet filters', version: ['--version'] },
  { package: 'iproute2', anyOf: ['ip'], set: 'lab', use: 'shows links and routes', version: ['-V'] },
  {
    package: 'containerd',
    anyOf: ['containerd'],
    set: 'lab',
    use: 'runs the pods of each node',
    version: ['--version'],
  },
  { package: 'runc', anyOf: ['runc'], set: 'lab', use: 'starts containers', version: ['--version'] },
  {
    package: 'passt',
    anyOf: ['pasta'],
    set: 'lab',
    use: "carries the lab's way out to the real internet, for pulling images",
    optional: true,
    version: ['--version'],
  },
  {
    package: 'catatonit',
    anyOf: ['catatonit'],
    set: 'lab',
    use: 'is the first process of nodes and pods',
    version: ['--version'],
  },
  {
    package: 'tcpdump',
    anyOf: ['tcpdump'],
    set: 'lab',
    use: 'captures packets as evidence',
    version: ['--version'],
  },
  {
    package: 'iputils-ping',
    anyOf: ['ping'],
    set: 'lab',
    use: 'asks whether an address answers',
    version: ['-V'],
  },
  {
    package: 'util-linux',
    anyOf: ['nsenter'],
    set: 'lab',
    use: 'enters namespaces',
    version: ['--version'],
  },
  {
    package: 'containernetworking-plugins',
    anyOf: ['/usr/lib/cni/loopback', '/opt/cni/bin/loopback'],
    set: 'lab',
    use: "has the plugin 'loopback' that containerd calls for every pod",
  },
  { package: 'mount', anyOf: ['mount'], set: 'lab', use: "mounts nodes' disks", version: ['--version'] },
  { package: 'gcc', anyOf: ['gcc'], set: 'build', use: 'compiles the CNI front', version: ['--version'] },
  { package: 'libc6-dev', anyOf: ['/usr/include/stdio.h'], set: 'build', use: 'compiles the CNI front' },
  {
    package: 'duktape-dev',
    anyOf: ['/usr/share/duktape/duktape.c'],
    set: 'build',
    use: 'is the engine of the CNI front',
  },
  { package: 'socat', anyOf: ['socat'], set: 'measure', use: 'plays clients and servers', version: ['-V'] },
  { package: 'curl', anyOf: ['curl'], set: 'measure', use: 'asks web servers', version: ['--version'] },
  {
    package: 'busybox-static',
    anyOf: ['busybox'],
    set: 'measure',
    use: 'is a small static program to test with',
  },
  {
    package: 'iperf3',
    anyOf: ['iperf3'],
    set: 'measure',
    use: 'measures throughput',
    version: ['--version'],
  },
  {
    package: 'conntrack',
    anyOf: ['conntrack'],
    set: 'measure',
    use: 'shows tracked connections',
    version: ['--version'],
  },
  {
    package: 'iptables',
    anyOf: ['iptables'],
    set: 'measure',
    use: 'serves the reference plugin portmap',
    version: ['--version'],
  },
];

export interface FoundProgram {
  program: Program;
  path: string | undefined;
  version: string | undefined;
}

export interface Programs {
  found: FoundProgram[];
  /** Whether the launcher can install what is missing. */
  apt: boolean;
  /** Whether the CNI front is built already, which makes the compiler unnecessary. */
  front: boolean;
}

/** Seen from a bundle in dist, and from here. */
const FRONTS = ['cni/flyover', '../../../dist/cni/flyover'].map((path) => join(import.meta.dirname, path));

export async function collectPrograms(): Promise<Programs> {
  const found = PROGRAMS.map(async (program): Promise<FoundProgram> => {
    const path = program.anyOf.map(locate).find((each) => each !== undefined);
    const version = path && program.version ? await askVersion(path, program.version) : undefined;
    return { program, path, version };
  });
  return {
    found: await Promise.all(found),
    apt: locate('apt-get') !== undefined,
    front: FRONTS.some(isExecutable),
  };
}

/** The absolute path of a command on PATH, or of a path that exists. */
export function locate(name: string): string | undefined {
  if (name.startsWith('/')) return existsSync(name) ? name : undefined;
  return (process.env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => folder.startsWith('/'))
    .map((folder) => join(folder, name))
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** Programs tell their versions on either stream, and some with an exit code other than 0. */
function askVersion(path: string, args: readonly string[]): Promise<string | undefined> {
  return new Promise((done) => {
    const child = execFile(path, args, { timeout: 5000, maxBuffer: 1 << 20 }, (_error, stdout, stderr) => {
      done(parseVersion(`${stdout}\n${stderr}`));
    });
    child.stdin?.end();
  });
}

/** The first thing in a text that looks like a version: `1.6.20~ds1`, `v1.0.6`. */
export function parseVersion(text: string): string | undefined {
  return /(?<![\w.])v?(\d+\.\d[\w.~+-]*)/.exec(text.replace(/\bhttps?:\S+/g, ''))?.[1];
}

const APT_RULE =
  "Debian's or Ubuntu's packages: the launcher installs from them, and images are built from them";

export function programChecks({ found, apt, front }: Programs): Check[] {
  const packages: Check = apt
    ? { name: 'apt-get', status: 'ok', found: 'there', rule: APT_RULE }
    : {
        name: 'apt-get',
        status: 'warn',
        found: 'missing',
        rule: APT_RULE,
        fix: 'use Debian or Ubuntu, or install what the other checks ask for and bring your own images',
      };
  const programs = found.map(({ program, path, version }): Check => {
    const name = program.anyOf[0]!.startsWith('/') ? program.package : program.anyOf[0]!;
    const rule = `${program.use}; Debian's package ${program.package}`;
    if (path !== undefined) {
      return { name, status: 'ok', found: version === undefined ? path : `${path} ${version}`, rule };
    }
    const spare = program.optional || program.set === 'measure' || (program.set === 'build' && front);
    const installer = program.set === 'measure' ? 'sudo ./flyover test' : 'sudo ./flyover up';
    return {
      name,
      // The launcher installs what apt has, so that nothing stands in the way of the lab then.
      status: apt || spare ? 'warn' : 'fail',
      found: 'missing',
      rule,
      fix: apt
        ? `'${installer}' installs Debian's package ${program.package}`
        : `install it with this system's package manager (Debian's package is called ${program.package})`,
    };
  });
  return [packages, ...programs];
}
