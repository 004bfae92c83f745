import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Logger, pino } from 'pino';
import { SUPERVISOR_SOCKET } from '../paths.ts';
import { createApi, listen } from './api.ts';
import { prepareDisks } from './disks.ts';
import { Lab } from './lab.ts';
import { prepareFolders, takeLock } from './run-folder.ts';
import { labOnThisMachine, watchMachineAddresses } from './wiring.ts';

/** The daemon that owns the lab. It may be killed at any moment: a new one takes over what it finds. */
async function main(log: Logger): Promise<void> {
  prepareFolders();
  takeLock();
  prepareDisks();
  const dist = dirname(fileURLToPath(import.meta.url));
  const lab = new Lab(labOnThisMachine({ node: process.execPath, dist }, log));
  const api = createApi(lab);
  let stopping = false;
  const stop = (): void => {
    if (stopping) return;
    stopping = true;
    log.info('supervisor stops; nodes and containers run on');
    // Answers to work under way are still written, new requests are not taken any more.
    void api.close();
    void lab.close().finally(() => process.exit(0));
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  // Losing one promise must not take the lab down, and must not pass unseen.
  process.on('unhandledRejection', (error) => log.error({ err: error }, 'unhandled rejection'));

  await lab.start();
  watchMachineAddresses(() => lab.machineChanged());
  await listen(api, SUPERVISOR_SOCKET);
  log.info({ pid: process.pid }, 'supervisor ready');
}

const log = pino(
  { level: process.env.FLYOVER_LOG ?? 'info', base: null },
  pino.destination({ fd: 2, sync: true }),
);
try {
  await main(log);
} catch (error) {
  log.fatal({ err: error }, (error as Error).message);
  process.exit(1);
}
