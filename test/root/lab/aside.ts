import { existsSync, renameSync } from 'node:fs';
import { LAB_RUN, LAB_STATE } from '../../../src/lab/paths.ts';
import { runningSupervisor } from '../../../src/lab/supervisor/run-folder.ts';
import { flyover } from './cli.ts';

/** Where the machine's own lab waits while a test has the machine. */
const ASIDE = `${LAB_STATE}.aside`;

/**
 * Puts the lab of this machine aside, running or not: there can be only one.
 *
 * @returns what brings it back. Its clusters and nodes come back, the pods on them do not.
 * @throws Error when a killed run has left one aside, and there is another again: only its owner knows which to keep.
 */
export async function putLabAside(): Promise<() => Promise<void>> {
  if (existsSync(ASIDE) && existsSync(LAB_STATE)) {
    throw new Error(
      `killed tests have left a lab in ${ASIDE}. To keep it: flyover down; mv ${ASIDE} ${LAB_STATE}. Otherwise: rm -r ${ASIDE}`,
    );
  }
  const wasRunning = runningSupervisor() !== undefined;
  if (wasRunning) console.warn('the lab of this machine stops for the time of these tests');
  if (existsSync(LAB_RUN)) await done('down', '--keep-state');
  if (existsSync(LAB_STATE)) renameSync(LAB_STATE, ASIDE);
  return async () => {
    await done('down');
    if (existsSync(ASIDE)) renameSync(ASIDE, LAB_STATE);
    if (wasRunning) await done('up');
  };
}

async function done(...argv: string[]): Promise<void> {
  const { code, stderr } = await flyover(...argv);
  if (code !== 0) throw new Error(`flyover ${argv.join(' ')} ended with ${code}: ${stderr}`);
}
