import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { LAB_STATE } from '../../lab/paths.ts';
import { call, NotRunningError } from '../../lab/supervisor/client.ts';
import type { LabStatus } from '../../lab/supervisor/views.ts';
import { failedLabChecks } from '../doctor/index.ts';
import { startProgress } from '../progress.ts';

const LOG = join(LAB_STATE, 'supervisor.log');
const PATIENCE_MS = 30_000;

export function upCommand(): Command {
  return new Command('up').description('start the lab; clusters of before come back').action(async () => {
    const progress = startProgress('starting the lab');
    const { already, status } = await ensureUp(progress.step).finally(progress.end);
    process.stdout.write(
      `the lab ${already ? 'was running already' : 'is up'}: supervisor pid ${status.supervisor.pid}, uplink ${status.uplink}\n`,
    );
  });
}

/** Starts the supervisor unless one answers, and waits until it does. */
export async function ensureUp(
  step: (text: string) => void,
): Promise<{ already: boolean; status: LabStatus }> {
  try {
    return { already: true, status: await call<LabStatus>('GET', '/v1/status') };
  } catch (error) {
    if (!(error instanceof NotRunningError)) throw error;
  }
  const failed = await failedLabChecks();
  if (failed.length > 0) {
    throw new Error(`this machine cannot run the lab:\n${failed.join('\n')}\nNothing was changed.`);
  }
  mkdirSync(LAB_STATE, { recursive: true, mode: 0o700 });
  const log = openSync(LOG, 'a', 0o600);
  const script = join(dirname(fileURLToPath(import.meta.url)), 'supervisor.js');
  const child = spawn(process.execPath, [script], { detached: true, stdio: ['ignore', log, log], cwd: '/' });
  closeSync(log);
  let ended: number | null | undefined;
  child.once('exit', (code) => {
    ended = code;
  });
  child.unref();
  step(`supervisor started, log in ${LOG}`);
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      return { already: false, status: await call<LabStatus>('GET', '/v1/status') };
    } catch (error) {
      if (!(error instanceof NotRunningError)) throw error;
    }
    if (ended !== undefined) throw new Error(`the supervisor ended at once (${ended}):\n${tail(LOG)}`);
    if (Date.now() > deadline) {
      throw new Error(`the supervisor did not answer within ${PATIENCE_MS / 1000} s:\n${tail(LOG)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function tail(path: string): string {
  return readFileSync(path, 'utf8').trimEnd().split('\n').slice(-5).join('\n');
}
