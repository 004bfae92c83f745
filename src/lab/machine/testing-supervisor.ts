/*
 * The process that the root tests kill: it starts a machine like a supervisor, says so, and waits. With `machine` it
 * speaks before it begins, so that it can be killed at any moment of it; with `containerd` when that is up.
 */
import { prepareContainerd, startMachine, startService, waitForContainerd } from './index.ts';
import type { MachineSpec } from './types.ts';

const [mode, text] = process.argv.slice(2);
const spec = JSON.parse(text ?? '{}') as MachineSpec;
if (mode === 'machine') process.stdout.write('starting\n');
const machine = await startMachine(spec);
if (mode === 'containerd') {
  await startService(machine, await prepareContainerd(machine, { pauseImage: 'flyover/pause:1' }));
  await waitForContainerd(machine);
  process.stdout.write('ready\n');
}
setInterval(() => undefined, 60_000);
