import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MachineRef, ProcessIdentity } from './types.ts';

/** What a successor of the supervisor has to know about a machine that it did not start. */
export interface MachineRecord {
  readonly hostname: string;
  readonly addresses: readonly string[];
  /** Missing while the machine starts. */
  readonly init?: ProcessIdentity;
  /** Services by name, as they were last started. */
  readonly services: Readonly<Record<string, ProcessIdentity>>;
}

const fileOf = (ref: MachineRef): string => join(ref.runDir, 'machine.json');

function isIdentity(value: unknown): value is ProcessIdentity {
  const { pid, startTime } = (value ?? {}) as Partial<ProcessIdentity>;
  return Number.isInteger(pid) && typeof startTime === 'string' && /^\d+$/.test(startTime);
}

/** The record; undefined when there is none or it is not one (it is a help only, the kernel holds the truth). */
export function readRecord(ref: MachineRef): MachineRecord | undefined {
  let value: Partial<MachineRecord> | null;
  try {
    value = JSON.parse(readFileSync(fileOf(ref), 'utf8')) as Partial<MachineRecord> | null;
  } catch {
    return undefined;
  }
  if (typeof value?.hostname !== 'string' || !Array.isArray(value.addresses)) return undefined;
  const services = Object.entries(value.services ?? {}).filter(([, process]) => isIdentity(process));
  return {
    hostname: value.hostname,
    addresses: value.addresses.filter((address) => typeof address === 'string'),
    ...(isIdentity(value.init) ? { init: value.init } : {}),
    services: Object.fromEntries(services),
  };
}

/** Replaces the record in one step. It lies on a tmpfs: what it speaks of does not outlive a reboot either. */
export function writeRecord(ref: MachineRef, record: MachineRecord): void {
  mkdirSync(ref.runDir, { recursive: true, mode: 0o700 });
  const file = fileOf(ref);
  writeFileSync(`${file}.new`, `${JSON.stringify(record)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

export function removeRecord(ref: MachineRef): void {
  rmSync(ref.runDir, { recursive: true, force: true });
}
