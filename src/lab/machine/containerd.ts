import { execFile } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { CriClient, isCriError } from '../kubelet/cri.ts';
import {
  CNI_FOLDER,
  type ContainerdSettings,
  containerdConfig,
  REGISTRY_FOLDER,
  registryHosts,
} from './containerd-config.ts';
import { MachineError } from './error.ts';
import { insideMachine, onOverlay } from './machine.ts';
import { CLEAN_ENVIRONMENT, programPath } from './programs.ts';
import type { Machine, ServiceSpec } from './types.ts';

/** Where Debian's containernetworking-plugins lie; containerd itself calls `loopback` for every pod. */
const REFERENCE_FOLDER = '/usr/lib/cni';
const REFERENCE_PLUGINS = [
  'bandwidth',
  'bridge',
  'firewall',
  'host-device',
  'host-local',
  'ipvlan',
  'loopback',
  'macvlan',
  'portmap',
  'ptp',
  'sbr',
  'static',
  'tuning',
  'vlan',
  'vrf',
];

/** Number of the capability without which oom_score_adj cannot be lowered (linux/capability.h). */
const CAP_SYS_RESOURCE = 24n;

/** Parses `containerd --version`: `containerd <url> v1.7.24~ds1 <revision>`. */
export function parseVersion(text: string): ContainerdSettings['version'] | undefined {
  const found = /^containerd \S+ v?(\d+)\.(\d+)/.exec(text);
  return found ? { major: Number(found[1]), minor: Number(found[2]) } : undefined;
}

let installed: Promise<ContainerdSettings['version']> | undefined;

async function installedVersion(program: string): Promise<ContainerdSettings['version']> {
  const { stdout } = await promisify(execFile)(program, ['--version'], { env: { ...CLEAN_ENVIRONMENT } });
  const version = parseVersion(stdout);
  if (!version) throw new MachineError('find', 'containerd', `does not say its version: "${stdout.trim()}"`);
  if (version.major < 1 || (version.major === 1 && version.minor < 6)) {
    throw new MachineError(
      'find',
      'containerd',
      `version ${stdout.trim()} is too old; 1.6 or newer is needed`,
    );
  }
  return version;
}

/** Whether this process, and so what it starts, holds a capability. */
function hasCapability(number: bigint): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1];
  return ((BigInt(`0x${effective ?? '0'}`) >> number) & 1n) === 1n;
}

/** The CRI socket of a machine, as the host reaches it. */
export function criSocket(machine: Machine): string {
  return insideMachine(machine, '/run/containerd/containerd.sock');
}

/** Links a reference plugin that this host has into the machine's plugin folder, unless one is there. */
function offerPlugin(machine: Machine, name: string): void {
  const source = join(REFERENCE_FOLDER, name);
  const link = insideMachine(machine, join(CNI_FOLDER, name));
  if (existsSync(source) && !lstatSync(link, { throwIfNoEntry: false })) symlinkSync(source, link);
}

/** The folder of the machine's content store, on the host: where images' blobs may be linked into. */
export function contentStore(machine: Machine): string {
  return join(machine.stateDir, 'var/lib/containerd/io.containerd.content.v1.content');
}

/**
 * Writes the machine's containerd configuration, offers Debian's reference plugins in its plugin folder, and says
 * how containerd is started. Called again it writes the same again: safe under a running containerd.
 *
 * @param options.registryMirror - the registry that is asked first, whichever an image names: `http://198.19.0.254:5000`
 * @throws MachineError when containerd or runc is missing or too old.
 */
export async function prepareContainerd(
  machine: Machine,
  options: { pauseImage: string; registryMirror?: string },
): Promise<ServiceSpec> {
  const program = programPath('containerd', 'containerd');
  programPath('runc', 'runc');
  programPath('containerd-shim-runc-v2', 'containerd');
  installed ??= installedVersion(program);
  const config = containerdConfig({
    version: await installed.catch((error) => {
      installed = undefined;
      throw error;
    }),
    pauseImage: options.pauseImage,
    streamAddress: machine.addresses[0]!,
    snapshotter: onOverlay(machine.stateDir) ? 'native' : 'overlayfs',
    restrictOomScoreAdj: !hasCapability(CAP_SYS_RESOURCE),
  });
  const mirrors = join(REGISTRY_FOLDER, '_default');
  for (const folder of [mirrors, '/etc/cni/net.d', CNI_FOLDER, '/var/lib/containerd/tmp']) {
    mkdirSync(insideMachine(machine, folder), { recursive: true });
  }
  writeFileSync(insideMachine(machine, '/etc/containerd/config.toml'), config);
  const hosts = insideMachine(machine, join(mirrors, 'hosts.toml'));
  if (options.registryMirror === undefined) rmSync(hosts, { force: true });
  else writeFileSync(hosts, registryHosts(options.registryMirror));
  for (const name of REFERENCE_PLUGINS) offerPlugin(machine, name);
  return { name: 'containerd', argv: [program, '--config', '/etc/containerd/config.toml'] };
}

/** How long one question for the CRI waits, in milliseconds: between two of them a dead daemon is noticed. */
const QUESTION_MS = 500;

/**
 * Waits until the CRI answers; the network need not be ready for that.
 *
 * @param options.alive - false when waiting has become pointless: the daemon, or its machine, has died
 * @throws MachineError when it does not within `timeoutMs` (default 30,000), or is not alive.
 */
export async function waitForContainerd(
  machine: Machine,
  options: { timeoutMs?: number; alive?: () => boolean } = {},
): Promise<void> {
  const deadline = Date.now() + (options.timeoutMs ?? 30_000);
  const alive = options.alive ?? ((): boolean => true);
  using cri = new CriClient(criSocket(machine));
  for (;;) {
    try {
      await cri.version(Math.max(1, Math.min(QUESTION_MS, deadline - Date.now())));
      return;
    } catch (error) {
      // The socket is there a little before the CRI plugin is: UNKNOWN "server is not initialized yet".
      const early = isCriError(
        error,
        'UNKNOWN',
        'UNIMPLEMENTED',
        'UNAVAILABLE',
        'CANCELLED',
        'DEADLINE_EXCEEDED',
      );
      if (!early || Date.now() >= deadline || !alive()) {
        throw new MachineError('wait for', `${machine.id}/containerd`, (error as Error).message, error);
      }
    }
    await delay(5);
  }
}
