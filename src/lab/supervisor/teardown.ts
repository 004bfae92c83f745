import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Rtnl } from '../../kernel/netlink/index.ts';
import { removeFabric } from '../fabric/apply.ts';
import { MACHINE_LINK } from '../fabric/names.ts';
import { isAlive, signal } from '../machine/identity.ts';
import { listMachines, stopMachine } from '../machine/index.ts';
import { LAB_DISKS, LAB_RUN, LAB_STATE, namespacePath } from '../paths.ts';
import type { Report } from './context.ts';
import { releaseDisks } from './disks.ts';
import { forEach, Gate } from './lock.ts';
import { machineRefOf } from './node-start.ts';
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
  await stopSupervisor(options.report);
  stopUplink();
  const nodes = new Set([...listMachines(), ...foldersIn(join(LAB_RUN, 'nodes')), ...foldersIn(LAB_DISKS)]);
  // One that resists must not keep the rest in place; it is told at the end.
  const gate = new Gate(PARALLEL_STOPS);
  const stopped = forEach([...nodes], (name) =>
    gate.run(async () => {
      await stopMachine(machineRefOf(name), { removeDisk: !options.keepState });
      options.report(`node ${name} stopped`);
    }),
  );
  const failure = await stopped.then(
    () => undefined,
    (error: unknown) => error,
  );
  const rtnl = Rtnl.open();
  try {
    rtnl.deleteLink(MACHINE_LINK, { ifMissing: 'ignore' });
  } finally {
    rtnl.close();
  }
  removeFabric({ folder: join(LAB_RUN, 'netns'), pathOf: namespacePath });
  removeRunFolder();
  options.report('namespaces, links and mounts removed');
  if (failure) throw failure;
  if (options.keepState) return;
  releaseDisks();
  rmSync(LAB_STATE, { recursive: true, force: true });
}

async function stopSupervisor(report: Report): Promise<void> {
  const supervisor = runningSupervisor();
  if (!supervisor) return;
  signal(supervisor, 'SIGTERM');
  const deadline = Date.now() + PATIENCE_MS;
  while (isAlive(supervisor) && Date.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 20));
  if (isAlive(supervisor)) signal(supervisor, 'SIGKILL');
  while (isAlive(supervisor)) await new Promise((resolve) => setTimeout(resolve, 20));
  report(`supervisor ${supervisor.pid} stopped`);
}

function foldersIn(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
