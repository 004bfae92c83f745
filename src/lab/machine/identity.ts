import { readFileSync } from 'node:fs';
import type { ProcessIdentity } from './types.ts';

/** What /proc/<pid>/stat says: the state letter and the start time in clock ticks since boot. */
export interface ProcessStat {
  readonly state: string;
  readonly startTime: string;
}

/**
 * Parses /proc/<pid>/stat. The second field is the program's name in brackets and may itself hold spaces and
 * brackets, so that counting starts behind the last closing one (proc_pid_stat(5)).
 */
export function parseStat(text: string): ProcessStat | undefined {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const state = fields[0];
  const startTime = fields[19];
  return state && startTime && /^\d+$/.test(startTime) ? { state, startTime } : undefined;
}

function statOf(pid: number): ProcessStat | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return undefined;
  }
}

/** The identity of the process that has this pid now; undefined when there is none or only its zombie. */
export function identify(pid: number): ProcessIdentity | undefined {
  const stat = statOf(pid);
  return stat && !'ZXx'.includes(stat.state) ? { pid, startTime: stat.startTime } : undefined;
}

/** Whether exactly this process still runs. A zombie counts as gone: not every pid 1 reaps. */
export function isAlive(process: ProcessIdentity): boolean {
  return identify(process.pid)?.startTime === process.startTime;
}

/**
 * Sends a signal to exactly this process. Between the check and the signal lies a moment in which the pid could
 * end and be given again, which needs the kernel to go once round its whole pid space in some microseconds.
 *
 * @returns false when the process is gone.
 */
export function signal(target: ProcessIdentity, name: NodeJS.Signals): boolean {
  if (!isAlive(target)) return false;
  try {
    process.kill(target.pid, name);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

/** The process's program and arguments as it was started; empty when it is gone. */
export function commandLine(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
  } catch {
    return [];
  }
}

/** The parent's pid; undefined when the process is gone. */
export function parentPid(pid: number): number | undefined {
  try {
    return Number(/^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]);
  } catch {
    return undefined;
  }
}

/** The process's pids from the outermost pid namespace to its own (`NSpid` of /proc/<pid>/status). */
export function namespacePids(pid: number): number[] {
  try {
    const line = /^NSpid:\s*(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? '';
    return line.split(/\s+/).filter(Boolean).map(Number);
  } catch {
    return [];
  }
}
