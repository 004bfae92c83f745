import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';

/** Waits for a program that has our terminal, then ends as it ended: the same code, or 128 and the signal. */
export async function exitLike(child: ChildProcess): Promise<void> {
  // The terminal sends Ctrl-C to both; the program decides what it means.
  const ignore = (): void => undefined;
  process.on('SIGINT', ignore);
  process.exitCode = await new Promise<number>((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) => reject(error));
    child.once('exit', (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)));
  });
  process.off('SIGINT', ignore);
}

/** The words of a command line as the user typed them, without the `--` that may stand before them. */
export function withoutDashes(command: string[]): string[] {
  return command[0] === '--' ? command.slice(1) : command;
}

/** Runs a program of this machine in a network namespace, with our terminal. */
export function execInNamespace(namespace: string, command: string[]): ChildProcess {
  return spawn('nsenter', [`--net=${namespace}`, '--', ...command], { stdio: 'inherit' });
}
