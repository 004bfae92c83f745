import { type ChildProcess, spawn } from 'node:child_process';
import { hierarchies } from './cgroup.ts';
import { systemCgroups } from './machine.ts';
import { ownMounts } from './mounts.ts';
import { CLEAN_ENVIRONMENT } from './programs.ts';
import { ENTER } from './scripts.ts';
import type { ExecOptions, Machine } from './types.ts';

/** Exit status of a program that was not started because its machine is gone. */
export const MACHINE_GONE = 125;

/** The argument list that runs `argv` inside the machine, in its cgroup and every namespace. */
export function enterArgv(machine: Machine, argv: readonly string[], cwd = '/'): string[] {
  const { pid, startTime } = machine.init;
  const folders = systemCgroups(hierarchies(ownMounts()), machine);
  return ['/bin/sh', '-c', ENTER, 'flyover-enter', String(pid), startTime, cwd, ...folders, '--', ...argv];
}

/**
 * Runs a program inside the machine and leaves its streams and its end to the caller: pipes, or with `tty` the
 * caller's own terminal. Exit status as the program's; {@link MACHINE_GONE} when the machine is not there any
 * more, 127 when the program is not.
 */
export function execInMachine(
  machine: Machine,
  argv: readonly string[],
  options: ExecOptions = {},
): ChildProcess {
  const [file, ...args] = enterArgv(machine, argv, options.cwd);
  const terminal = options.tty && process.env.TERM ? { TERM: process.env.TERM } : {};
  return spawn(file!, args, {
    cwd: '/',
    env: { ...CLEAN_ENVIRONMENT, ...terminal, ...options.env },
    stdio: options.tty ? 'inherit' : 'pipe',
  });
}
