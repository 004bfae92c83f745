import { createHash } from 'node:crypto';
import { readFileSync, statfsSync } from 'node:fs';
import { arch, cpus, release } from 'node:os';
import { Quantity } from '../../../kube/quantity.ts';
import type { NodeResources } from '../resources.ts';

/** The version that this kubelet speaks like. */
export const KUBELET_VERSION = 'v1.33.0';

/** Go's names for what Node names otherwise. */
const ARCHITECTURES: Record<string, string> = { x64: 'amd64', arm64: 'arm64', arm: 'arm', ia32: '386' };

export function architecture(): string {
  return ARCHITECTURES[arch()] ?? arch();
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

const whole = (value: number, format: 'DecimalSI' | 'BinarySI'): Quantity =>
  new Quantity(BigInt(value) * 1_000_000_000n, format);

/** What this machine has. @param root - a folder on the disk that pods write to */
export function machineResources(root: string): NodeResources {
  const kib = Number(/^MemTotal:\s+(\d+) kB$/m.exec(read('/proc/meminfo'))?.[1] ?? 0);
  const disk = statfsSync(root);
  return {
    cpu: whole(cpus().length, 'DecimalSI'),
    memory: whole(kib * 1024, 'BinarySI'),
    ephemeralStorage: whole(Math.floor((disk.blocks * disk.bsize) / 1024) * 1024, 'BinarySI'),
  };
}

/** What is free now: bytes of memory, share of the disk, and process ids. */
export interface Pressure {
  readonly memoryAvailable: number;
  readonly diskFree: number;
  readonly pidsFree: number;
}

export function pressure(root: string): Pressure {
  const available = Number(/^MemAvailable:\s+(\d+) kB$/m.exec(read('/proc/meminfo'))?.[1] ?? 0);
  const disk = statfsSync(root);
  const running = Number(/\/(\d+) /.exec(read('/proc/loadavg'))?.[1] ?? 0);
  return {
    memoryAvailable: available * 1024,
    diskFree: disk.blocks === 0 ? 1 : disk.bavail / disk.blocks,
    pidsFree: Number(read('/proc/sys/kernel/pid_max') || 32_768) - running,
  };
}

/** Nodes that share a machine share its files as well; each still is a machine of its own. */
function idOf(nodeName: string): string {
  return createHash('sha256')
    .update(`${read('/etc/machine-id')}/${nodeName}`)
    .digest('hex')
    .slice(0, 32);
}

/** What stands in `status.nodeInfo`, but for the runtime's version. */
export function nodeInfo(nodeName: string): Record<string, string> {
  const id = idOf(nodeName);
  const os = /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(read('/etc/os-release'))?.[1];
  return {
    machineID: id,
    systemUUID: id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'),
    bootID: read('/proc/sys/kernel/random/boot_id'),
    kernelVersion: release(),
    osImage: os ?? 'Linux',
    kubeletVersion: KUBELET_VERSION,
    kubeProxyVersion: '',
    operatingSystem: 'linux',
    architecture: architecture(),
  };
}
