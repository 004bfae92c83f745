import { existsSync, readFileSync } from 'node:fs';
import { arch, release } from 'node:os';
import type { Check } from './check.ts';

/** What the machine is. */
export interface Machine {
  uid: number;
  /** CapEff of /proc/self/status as a bit mask. */
  capabilities: bigint;
  /** /proc/self/uid_map: which users of the machine this process can be. */
  uidMap: string;
  /** Node's name of it: x64, arm64. */
  architecture: string;
  /** uname -r. */
  kernel: string;
  /** Whether /proc/sys can be written, at least in a network namespace of one's own. */
  sysctlReadOnly: boolean;
  /** Version of the running Node. */
  node: string;
}

/** Bits of linux/capability.h. */
const CAPABILITIES = {
  CAP_NET_ADMIN: 12,
  CAP_NET_RAW: 13,
  CAP_SYS_CHROOT: 18,
  CAP_SYS_PTRACE: 19,
  CAP_SYS_ADMIN: 21,
};
const CAP_SYS_RESOURCE = 24;

/** Concatenated interval sets in nf_tables, on which the packet filters are built. */
const OLDEST_KERNEL = [5, 6] as const;

export function collectMachine(): Machine {
  const status = readFileSync('/proc/self/status', 'utf8');
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8');
  return {
    uid: process.getuid?.() ?? -1,
    capabilities: BigInt(`0x${/^CapEff:\s*(\w+)/m.exec(status)?.[1] ?? '0'}`),
    uidMap: existsSync('/proc/self/uid_map') ? readFileSync('/proc/self/uid_map', 'utf8').trim() : '',
    architecture: arch(),
    kernel: release(),
    sysctlReadOnly: mounts.split('\n').some((line) => / \/proc\/sys ro[, ]/.test(line)),
    node: process.versions.node,
  };
}

export function machineChecks(machine: Machine): Check[] {
  return [privileges(machine), architecture(machine), kernel(machine), sysctl(machine), runtime(machine)];
}

function privileges({ uid, uidMap, capabilities }: Machine): Check {
  const name = 'privileges';
  const rule = 'the lab runs as the real root, with all capabilities: it makes namespaces, links and mounts';
  if (uid !== 0) {
    return {
      name,
      status: 'warn',
      found: `user ${uid}`,
      rule,
      fix: 'run as root for all checks: sudo ./flyover doctor',
    };
  }
  if (!/^0\s+0\s+4294967295$/.test(uidMap)) {
    return {
      name,
      status: 'fail',
      found: 'root of a user namespace only',
      rule,
      fix: 'run it on the machine itself or in a virtual machine, not in a rootless container',
    };
  }
  const lacking = Object.entries(CAPABILITIES)
    .filter(([, bit]) => !(capabilities & (1n << BigInt(bit))))
    .map(([capability]) => capability);
  if (lacking.length > 0) {
    return {
      name,
      status: 'fail',
      found: `root without ${lacking.join(', ')}`,
      rule,
      fix: 'in a container: start it with --privileged; under systemd: widen CapabilityBoundingSet',
    };
  }
  const resource = capabilities & (1n << BigInt(CAP_SYS_RESOURCE));
  return {
    name,
    status: 'ok',
    found: resource ? 'root' : 'root without CAP_SYS_RESOURCE, which can be spared',
    rule,
  };
}

function architecture({ architecture: found }: Machine): Check {
  const name = 'architecture';
  const rule = 'x86-64 or arm64: the runtime and the kernel interface are there for these two';
  if (found === 'x64' || found === 'arm64') return { name, status: 'ok', found, rule };
  return { name, status: 'fail', found, rule, fix: 'use an x86-64 or arm64 machine' };
}

function kernel({ kernel: found }: Machine): Check {
  const name = 'kernel';
  const [oldestMajor, oldestMinor] = OLDEST_KERNEL;
  const rule = `Linux ${oldestMajor}.${oldestMinor} or newer, which has concatenated interval sets in nf_tables`;
  const [major = 0, minor = 0] = found.split('.').map((part) => Number.parseInt(part, 10));
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) {
    return { name, status: 'ok', found, rule };
  }
  return {
    name,
    status: 'fail',
    found,
    rule,
    fix: 'use a newer kernel: Debian 11 and Ubuntu 22.04 have one',
  };
}

function sysctl({ sysctlReadOnly }: Machine): Check {
  const name = 'sysctls';
  const rule = '/proc/sys can be written: routers in namespaces switch on forwarding there';
  if (!sysctlReadOnly) return { name, status: 'ok', found: 'writable', rule };
  return {
    name,
    status: 'fail',
    found: '/proc/sys is mounted read-only',
    rule,
    fix: 'in a container: start it with --privileged',
  };
}

function runtime({ node }: Machine): Check {
  const name = 'runtime';
  const rule = 'Node 24 or newer; the launcher brings its own';
  if (Number.parseInt(node, 10) >= 24) return { name, status: 'ok', found: `Node ${node}`, rule };
  return { name, status: 'fail', found: `Node ${node}`, rule, fix: 'start it by ./flyover' };
}
