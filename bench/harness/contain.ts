import { type ChildProcess, spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { SELF } from './artifacts.ts';
import { scratchFolder } from './scratch.ts';

const running = new Set<ChildProcess>();

/**
 * Runs a program, this one when no other is said, as first process of a process namespace and with mounts of its own.
 * However it ends, all processes that it started, and all namespaces that it pinned, end with it: the kernel sees to
 * that. Resolves with the message that it sent.
 *
 * @throws Error when it ends without one
 */
export async function runContained<T>(argv: readonly string[], program = SELF): Promise<T> {
  const unshare = ['--mount', '--propagation', 'slave', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const self = [process.execPath, ...process.execArgv, program, ...argv];
  const child = spawn('unshare', [...unshare, ...self], { stdio: ['ignore', 2, 2, 'ipc'] });
  running.add(child);
  try {
    return await new Promise<T>((resolve, reject) => {
      let message: T | undefined;
      child.on('message', (value) => {
        message = value as T;
      });
      child.on('error', reject);
      child.on('close', (code, signal) => {
        if (message !== undefined) resolve(message);
        else reject(new Error(`the bench ended ${signal ? `by ${signal}` : `with ${code}`}; see above`));
      });
    });
  } finally {
    running.delete(child);
  }
}

/** Ends what runs contained, and removes its files: for signals and other ends of this process. */
export function endContained(): void {
  // SIGKILL for unshare, which its child hears of (--kill-child), and with that one all others.
  for (const child of running) child.kill('SIGKILL');
  rmSync(scratchFolder(process.pid), { recursive: true, force: true });
}

/** For the contained side: ends with the other, and answers it once. */
export function answerOuter(message: unknown): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send!(message, (error: Error | null) => (error ? reject(error) : resolve()));
  });
}
