import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { MachineError } from './error.ts';
import { enterArgv } from './exec.ts';
import { identify, isAlive, signal } from './identity.ts';
import { findMachine, hostPid, run } from './machine.ts';
import { CLEAN_ENVIRONMENT } from './programs.ts';
import { readRecord, writeRecord } from './record.ts';
import { SPAWN } from './scripts.ts';
import { checkName } from './spec.ts';
import type { Machine, MachineRef, Service, ServiceSpec } from './types.ts';

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
  mkdirSync(join(machine.stateDir, 'var/log'), { recursive: true });
  const inner = `/var/log/${spec.name}.log`;
  const spawning = ['/bin/sh', '-c', SPAWN, 'flyover-spawn', inner, String(MAX_LOG_KIB), ...spec.argv];
  const outcome = await run(enterArgv(machine, spawning), {
    cwd: '/',
    env: { ...CLEAN_ENVIRONMENT, ...spec.env },
  });
  const pid = Number(/^pid (\d+)$/m.exec(outcome.stdout)?.[1]);
  if (!(pid > 0)) throw new MachineError('start service', object, outcome.stderr.trim() || 'no process');
  const outer = hostPid(machine, pid);
  const process = outer === undefined ? undefined : identify(outer);
  if (!process)
    throw new MachineError('start service', object, `ended at once; see ${serviceLog(machine, spec.name)}`);
  const record = readRecord(machine);
  if (!record || !findMachine(machine))
    throw new MachineError('start service', object, 'the machine is gone');
  writeRecord(machine, { ...record, services: { ...record.services, [spec.name]: process } });
  return { name: spec.name, process, log: serviceLog(machine, spec.name) };
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
