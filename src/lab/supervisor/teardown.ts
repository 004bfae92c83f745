import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Rtnl } from '../../kernel/netlink/index.ts';
import { removeFabric } from '../fabric/apply.ts';
import { MACHINE_LINK } from '../fabric/names.ts';
import { Gate } from '../gate.ts';
import { isAlive, signal } from '../machine/identity.ts';
import { listMachines, stopMachine } from '../machine/index.ts';
import { LAB_DISKS, LAB_ENV, LAB_RUN, LAB_STATE, namespacePath } from '../paths.ts';
import type { Report } from './context.ts';
import { releaseDisks } from './disks.ts';
import { forEach } from './lock.ts';
import { machineRefOf } from './machine-files.ts';
import { removeRunFolder, runningSupervisor } from './run-folder.ts';
import { stopUplink } from './uplink.ts';

/** How long the supervisor may take to let go, in milliseconds; it gives its own work a little less. */
const PATIENCE_MS = 5000;
const PARALLEL_STOPS = 8;

/**
 * Takes the lab down without asking its supervisor for more than to stop: it works by what it finds, so also
 * after a crash, a half-finished start, or with the store gone. Doing it twice is no error.
 *
 * @throws MachineError when a node does not go; everything but the state is removed all the same
 */
export async function takeDown(options: { keepState: boolean; report: Report }): Promise<void> {
  let failure: unknown;
  do {
    await stopSupervisor(options.report);
    stopUplink();
    failure = await stopNodes(options);
    // Somebody may have started one meanwhile: without its lock, which goes with the rest, a second could come beside it.
  } while (runningSupervisor());
  removeMachineLink();
  removeFabric({ folder: join(LAB_RUN, 'netns'), pathOf: namespacePath });
  removeRunFolder();
  rmSync(LAB_ENV, { recursive: true, force: true });
  options.report('namespaces, links and mounts removed');
  if (failure) throw failure;
  if (options.keepState) return;
  releaseDisks();
  rmSync(LAB_STATE, { recursive: true, force: true });
}

/** Stops all nodes. One that resists must not keep the others in place: what it said is returned, to be told at the end. */
async function stopNodes(options: { keepState: boolean; report: Report }): Promise<unknown> {
  const names = new Set([...listMachines(), ...foldersIn(join(LAB_RUN, 'nodes')), ...foldersIn(LAB_DISKS)]);
  const gate = new Gate(PARALLEL_STOPS);
  const stopping = forEach([...names], (name) =>
    gate.run(async () => {
      await stopMachine(machineRefOf(name), { removeDisk: !options.keepState });
      options.report(`node ${name} stopped`);
    }),
  );
  return await stopping.then(
    () => undefined,
    (error: unknown) => error,
  );
}

async function stopSupervisor(report: Report): Promise<void> {
  const supervisor = runningSupervisor();
  if (!supervisor) return;
  signal(supervisor, 'SIGTERM');
  const deadline = Date.now() + PATIENCE_MS;
  while (isAlive(supervisor) && Date.now() < deadline) await delay(20);
  if (isAlive(supervisor)) signal(supervisor, 'SIGKILL');
  while (isAlive(supervisor)) await delay(20);
  report(`supervisor ${supervisor.pid} stopped`);
}

function removeMachineLink(): void {
  using rtnl = Rtnl.open();
  rtnl.deleteLink(MACHINE_LINK, { ifMissing: 'ignore' });
}

function foldersIn(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
