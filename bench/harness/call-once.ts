import { spawn } from 'node:child_process';
import type { Call } from './calls.ts';

/** How a call ended: undefined after a signal. */
export interface Answer {
  readonly exit: number | undefined;
  readonly stdout: string;
}

/** Makes one call while the event loop goes on; nothing is measured. Killed after `giveUpMs`, where that is said. */
export function callOnce({ path, env, stdin }: Call, giveUpMs?: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const child = spawn(path, { env, stdio: ['pipe', 'pipe', 'ignore'] });
    let stdout = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    const timer = giveUpMs === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), giveUpMs);
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ exit: code ?? undefined, stdout: code === null ? '' : stdout });
    });
    child.stdin.on('error', () => {}); // it may be gone before it has read everything
    child.stdin.end(stdin);
  });
}
