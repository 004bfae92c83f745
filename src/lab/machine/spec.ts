import { isIP } from 'node:net';
import { MachineError } from './error.ts';
import { isWithin } from './mounts.ts';
import type { MachineRef, MachineSpec } from './types.ts';

/** The platform's own DNS and DHCP address, the same in every virtual network. */
export const PLATFORM_DNS = '168.63.129.16';

export const DEFAULT_CGROUP_PARENT = 'flyover-lab';

/** Trees that a machine has of its own, so that the host's are hidden in it. */
export const HIDDEN_TREES: readonly string[] = ['/run', '/var/run', '/var/lib', '/var/log'];

const NAME = /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/;
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
/** Absolute, below the root, without `.` and `..`. */
const PATH = /^(\/(?!\.\.?(\/|$))[^/\0\n]+)+$/;
/** What a mount option would trip over: overlayfs splits at `:` and `,` and unescapes `\`. */
const UNMOUNTABLE = /[:,\\\s]/;

/** Refuses what is not a name of 1..40 characters `a-z0-9-`. */
export function checkName(operation: string, field: string, value: string): void {
  if (NAME.test(value)) return;
  throw new MachineError(
    operation,
    String(value).slice(0, 60),
    `${field} must be 1 to 40 characters of a-z, 0-9 and "-", with no "-" at its ends`,
  );
}

function checkPath(id: string, field: string, value: string): void {
  if (PATH.test(value)) return;
  throw new MachineError(
    'start',
    id,
    `${field} "${value}" must be an absolute path below / without "." or ".." parts`,
  );
}

/** Refuses references and specifications that could touch something else than one machine's own things. */
export function checkRef(operation: string, ref: MachineRef): void {
  checkName(operation, 'id', ref.id);
  checkPath(ref.id, 'stateDir', ref.stateDir);
  checkPath(ref.id, 'runDir', ref.runDir);
  for (const part of (ref.cgroupParent ?? DEFAULT_CGROUP_PARENT).split('/')) {
    checkName(operation, 'each part of cgroupParent', part);
  }
  if (UNMOUNTABLE.test(ref.stateDir)) {
    throw new MachineError(
      operation,
      ref.id,
      `stateDir "${ref.stateDir}" holds a space, ":", "," or "\\", which overlayfs cannot take`,
    );
  }
  for (const tree of ['/etc', '/opt', '/run']) {
    if (!isWithin(ref.stateDir, tree)) continue;
    throw new MachineError(
      operation,
      ref.id,
      `stateDir "${ref.stateDir}" lies in ${tree}, which the machine lays its own over; choose one elsewhere, such as below /var/lib`,
    );
  }
}

/** @throws MachineError naming the field, the value and the rule. */
export function checkSpec(spec: MachineSpec): void {
  checkRef('start', spec);
  checkPath(spec.id, 'netns', spec.netns);
  if (!LABEL.test(spec.hostname)) {
    throw new MachineError(
      'start',
      spec.id,
      `hostname "${spec.hostname}" must be 1 to 63 characters of a-z, 0-9 and "-"`,
    );
  }
  if (spec.addresses.length === 0) {
    throw new MachineError('start', spec.id, 'addresses must name at least one address of the machine');
  }
  for (const address of [...spec.addresses, ...(spec.nameservers ?? [])]) {
    if (isIP(address) === 0) {
      throw new MachineError('start', spec.id, `"${address}" is not an IPv4 or IPv6 address`);
    }
  }
  for (const path of [...(spec.keep ?? []), ...(spec.detach ?? [])]) checkPath(spec.id, 'keep/detach', path);
}

/** The machine's /etc/hosts. */
export function hostsFile(spec: MachineSpec): string {
  const own = spec.addresses.map((address) => `${address}\t${spec.hostname}\n`);
  return `127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n${own.join('')}`;
}

/** The machine's /etc/resolv.conf. */
export function resolvConf(spec: MachineSpec): string {
  return (spec.nameservers ?? [PLATFORM_DNS]).map((server) => `nameserver ${server}\n`).join('');
}
