import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { SUPERVISOR_SOCKET } from '../paths.ts';
import { createApi, listen } from './api.ts';
import { Lab } from './lab.ts';
import { prepareRunFolder, takeLock } from './run-folder.ts';

/** The daemon that owns the lab. It may be killed at any moment: a new one takes over what it finds. */
async function main(): Promise<void> {
  const log = pino(
    { level: process.env.FLYOVER_LOG ?? 'info', base: null },
    pino.destination({ fd: 2, sync: true }),
  );
  prepareRunFolder();
  takeLock();
  const dist = dirname(fileURLToPath(import.meta.url));
  const lab = new Lab({ programs: { node: process.execPath, dist }, log });
  let stopping = false;
  const stop = (): void => {
    if (stopping) return;
    stopping = true;
    log.info('supervisor stops; nodes and containers run on');
    void lab.close().finally(() => process.exit(0));
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  // Losing one promise must not take the lab down, and must not pass unseen.
  process.on('unhandledRejection', (error) => log.error({ err: error }, 'unhandled rejection'));

  await lab.start();
  await listen(createApi(lab, stop), SUPERVISOR_SOCKET);
  log.info({ pid: process.pid }, 'supervisor ready');
}

await main();
