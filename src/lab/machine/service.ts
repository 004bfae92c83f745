import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { MachineError } from './error.ts';
import { enterArgv } from './exec.ts';
import { commandLine, identify, isAlive, parentPid, signal } from './identity.ts';
import { findMachine, hostPid, systemPids } from './machine.ts';
import { CLEAN_ENVIRONMENT, run } from './programs.ts';
import { readRecord, writeRecord } from './record.ts';
import { SPAWN } from './scripts.ts';
import { checkName } from './spec.ts';
import type { Machine, MachineRef, ProcessIdentity, Service, ServiceSpec } from './types.ts';

/** A log above this size is put aside when its service starts. */
const MAX_LOG_KIB = 4096;

/** The log of a service on the host. */
export function serviceLog(ref: MachineRef, name: string): string {
  return join(ref.stateDir, 'var/log', `${name}.log`);
}

/** The service when it runs, or undefined. */
export function findService(ref: MachineRef, name: string): Service | undefined {
  const process = readRecord(ref)?.services[name];
  return process && isAlive(process) ? { name, process, log: serviceLog(ref, name) } : undefined;
}

/**
 * A service that runs but is not in the record, because whoever started it died before writing it down: what the
 * machine's init has adopted with exactly this command line.
 */
function unrecorded(machine: Machine, argv: readonly string[]): ProcessIdentity | undefined {
  const known = Object.values(readRecord(machine)?.services ?? {}).map((process) => process.pid);
  const pid = systemPids(machine).find((candidate) => {
    if (known.includes(candidate)) return false;
    const found = commandLine(candidate);
    const same = found.length === argv.length && found.every((part, index) => part === argv[index]);
    return same && parentPid(candidate) === machine.init.pid;
  });
  return pid === undefined ? undefined : identify(pid);
}

/**
 * Waits until the process has become the service's program instead of the shell and setsid that prepare for it.
 *
 * @returns undefined when it ended before
 */
async function becoming(pid: number | undefined): Promise<ProcessIdentity | undefined> {
  for (;;) {
    const process = pid === undefined ? undefined : identify(pid);
    if (!process) return undefined;
    const argv = commandLine(process.pid);
    if (argv.length > 0 && argv[0] !== 'setsid' && argv[2] !== SPAWN) return process;
    await delay(1);
  }
}

function remember(machine: Machine, name: string, process: ProcessIdentity): Service {
  const record = readRecord(machine);
  if (!record || !findMachine(machine)) {
    throw new MachineError('start service', `${machine.id}/${name}`, 'the machine is gone');
  }
  writeRecord(machine, { ...record, services: { ...record.services, [name]: process } });
  return { name, process, log: serviceLog(machine, name) };
}

/**
 * Starts a service inside the machine, or returns it when it runs already. It is adopted by the machine's init:
 * it does not end with the caller. Started is not ready: wait for what the service promises, such as its socket.
 *
 * @throws MachineError when the machine is gone or the service cannot be started or ends at once.
 */
export async function startService(machine: Machine, spec: ServiceSpec): Promise<Service> {
  checkName('start service', 'name', spec.name);
  const object = `${machine.id}/${spec.name}`;
  if (!spec.argv[0]?.startsWith('/')) {
    throw new MachineError('start service', object, 'argv must begin with an absolute path');
  }
  const running = findService(machine, spec.name);
  if (running) return running;
  const adopted = unrecorded(machine, spec.argv);
  if (adopted) return remember(machine, spec.name, adopted);
  mkdirSync(join(machine.stateDir, 'var/log'), { recursive: true });
  const inner = `/var/log/${spec.name}.log`;
  const spawning = ['/bin/sh', '-c', SPAWN, 'flyover-spawn', inner, String(MAX_LOG_KIB), ...spec.argv];
  const outcome = await run(enterArgv(machine, spawning), {
    cwd: '/',
    env: { ...CLEAN_ENVIRONMENT, ...spec.env },
  });
  const pid = Number(/^pid (\d+)$/m.exec(outcome.stdout)?.[1]);
  if (!(pid > 0)) throw new MachineError('start service', object, outcome.stderr.trim() || 'no process');
  const process = await becoming(hostPid(machine, pid));
  if (!process) {
    throw new MachineError('start service', object, `ended at once; see ${serviceLog(machine, spec.name)}`);
  }
  return remember(machine, spec.name, process);
}

/**
 * Ends a service: SIGTERM, and SIGKILL when it still runs after `timeoutMs` (default 5,000). One that does not run
 * is no error.
 */
export async function stopService(
  ref: MachineRef,
  name: string,
  options: { timeoutMs?: number } = {},
): Promise<void> {
  const service = findService(ref, name);
  if (!service) return;
  signal(service.process, 'SIGTERM');
  const deadline = Date.now() + (options.timeoutMs ?? 5_000);
  for (let killed = false; isAlive(service.process); ) {
    if (!killed && Date.now() > deadline) killed = signal(service.process, 'SIGKILL');
    await delay(10);
  }
}
