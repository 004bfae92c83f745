import { Command, CommanderError } from 'commander';
import { isAddressError } from '../address/error.ts';
import { LabError } from '../lab/errors.ts';
import { NotRunningError } from '../lab/supervisor/client.ts';
import { agentCommandGroup } from './commands/agent.ts';
import { benchCommand } from './commands/bench.ts';
import { clusterCommand } from './commands/cluster.ts';
import { downCommand } from './commands/down.ts';
import { hostCommand, siteCommand } from './commands/host.ts';
import { nodeCommand } from './commands/node.ts';
import { statusCommand } from './commands/status.ts';
import { upCommand } from './commands/up.ts';
import { vnetCommand } from './commands/vnet.ts';
import { demoCommand } from './demo/command.ts';
import { doctorCommand } from './doctor/index.ts';
import { EXIT } from './exit.ts';

const program = new Command('flyover')
  .description(
    'Azure CNI Overlay networking that anyone can run: the network, and a lab for it on one Linux machine',
  )
  .enablePositionalOptions()
  .showHelpAfterError('(flyover help COMMAND says more)')
  .exitOverride();

for (const make of [
  demoCommand,
  upCommand,
  downCommand,
  statusCommand,
  clusterCommand,
  nodeCommand,
  vnetCommand,
  hostCommand,
  siteCommand,
  benchCommand,
  agentCommandGroup,
  doctorCommand,
]) {
  program.addCommand(strict(make()));
}

/** Subcommands do not inherit these settings. */
function strict(command: Command): Command {
  command.exitOverride().showHelpAfterError('(--help says more)').enablePositionalOptions();
  for (const child of command.commands) strict(child);
  return command;
}

/** What went wrong, in one line for a person and a code for a script. */
function fail(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.refused;
  process.stderr.write(`flyover: ${error instanceof Error ? error.message : String(error)}\n`);
  if (error instanceof LabError || isAddressError(error)) return EXIT.refused;
  if (error instanceof NotRunningError) return EXIT.notRunning;
  if (process.env.FLYOVER_DEBUG && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  return EXIT.failed;
}

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = fail(error);
}
