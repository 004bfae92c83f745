import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { LAB_STATE } from '../../lab/paths.ts';
import { call, NotRunningError } from '../../lab/supervisor/client.ts';
import { runningSupervisor } from '../../lab/supervisor/run-folder.ts';
import type { LabStatus } from '../../lab/supervisor/views.ts';
import { failedLabChecks } from '../doctor/index.ts';
import { withProgress } from '../lab-call.ts';
import { lastWords } from '../last-words.ts';
import { type Format, outputOption } from '../output.ts';
import { printDone } from '../print.ts';

const LOG = join(LAB_STATE, 'supervisor.log');
/** A log above this size, in bytes, is put aside when the next supervisor starts. */
const MOST_LOG = 8 * 1024 * 1024;
const PATIENCE_MS = 30_000;

export function upCommand(): Command {
  return new Command('up')
    .description('start the lab; clusters of before come back. When it runs: mend what somebody broke in it')
    .addOption(outputOption())
    .action(async ({ output }: { output: Format }) => {
      const hint = 'a lab that was being started goes on; flyover status shows it';
      const { already, status } = await withProgress('starting the lab', hint, (progress) =>
        ensureUp(progress.step),
      );
      if (already) await call('POST', '/v1/check');
      const { supervisor, uplink } = status;
      const what = already ? 'was running already' : 'is up';
      printDone(output, `the lab ${what}: supervisor pid ${supervisor.pid}, uplink ${uplink}`, {
        already,
        ...status,
      });
    });
}

/** Starts the supervisor unless one answers, and waits until it does. */
export async function ensureUp(
  step: (text: string) => void,
): Promise<{ already: boolean; status: LabStatus }> {
  const running = await statusIfRunning();
  if (running) return { already: true, status: running };
  const failed = await failedLabChecks();
  if (failed.length > 0) {
    throw new Error(`this machine cannot run the lab:\n${failed.join('\n')}\nNothing was changed.`);
  }
  const { hasEnded, logged } = startSupervisor();
  step(`supervisor started, log in ${LOG}`);
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const status = await statusIfRunning();
    if (status) return { already: false, status };
    // It ends at once where somebody else starts the lab at the same time: then theirs will answer.
    if (hasEnded() && !runningSupervisor()) throw new Error(`the supervisor ended at once: ${logged()}`);
    if (Date.now() > deadline) {
      throw new Error(`the supervisor did not answer within ${PATIENCE_MS / 1000} s: ${logged()}`);
    }
    await delay(20);
  }
}

async function statusIfRunning(): Promise<LabStatus | undefined> {
  try {
    return await call<LabStatus>('GET', '/v1/status');
  } catch (error) {
    if (error instanceof NotRunningError) return undefined;
    throw error;
  }
}

/** Starts a daemon that outlives this process. `logged` is what it has written since. */
function startSupervisor(): { hasEnded: () => boolean; logged: () => string } {
  mkdirSync(LAB_STATE, { recursive: true, mode: 0o700 });
  if ((statSync(LOG, { throwIfNoEntry: false })?.size ?? 0) > MOST_LOG) renameSync(LOG, `${LOG}.1`);
  const log = openSync(LOG, 'a', 0o600);
  const before = statSync(LOG).size;
  const script = join(dirname(fileURLToPath(import.meta.url)), 'supervisor.js');
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script], {
    detached: true,
    stdio: ['ignore', log, log],
    cwd: '/',
  });
  closeSync(log);
  let ended = false;
  child.once('exit', () => {
    ended = true;
  });
  child.unref();
  return {
    hasEnded: () => ended,
    logged: () => lastWords(readFileSync(LOG).subarray(before).toString()) || `see ${LOG}`,
  };
}
