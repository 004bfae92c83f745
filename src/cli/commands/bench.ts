import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { EXIT } from '../exit.ts';

/** The benches are a program of their own, built beside this one: they start themselves again in namespaces. */
const PROGRAM = fileURLToPath(new URL('./bench.js', import.meta.url));

export function benchCommand(): Command {
  return (
    new Command('bench')
      .description('measure against the reference plugins, and pods against nodes, in turns in one run')
      .usage('[NAME...] [-o table|json] [--rounds N] [--list]')
      // Its arguments and its help are the program's own.
      .helpOption(false)
      .allowUnknownOption()
      .allowExcessArguments()
      .action(async (_options: unknown, command: Command) => {
        if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is missing; build it: node scripts/build.ts`);
        process.exitCode = await run(command.args);
      })
  );
}

/** Runs it to its end. It ends with this process, however that happens: it watches the channel between the two. */
function run(argv: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', PROGRAM, ...argv], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? EXIT.failed));
  });
}
