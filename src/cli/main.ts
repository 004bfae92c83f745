import { Command, CommanderError } from 'commander';
import { isAddressError } from '../address/error.ts';
import { LabError } from '../lab/errors.ts';
import { NotRunningError } from '../lab/supervisor/client.ts';
import { ConfigError } from '../network/agent/config-error.ts';
import { InstallError } from '../network/agent/install.ts';
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
import { VERSION } from './version.ts';

const program = new Command('flyover')
  .description(
    'Azure CNI Overlay networking that anyone can run: the network, and a lab for it on one Linux machine',
  )
  .version(VERSION)
  .addHelpText('after', '\n  test [part]       lint, types and tests of this checkout (flyover test help)')
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

/** Errors that say: the input was not accepted, and nothing was changed. */
const REFUSALS = [LabError, ConfigError, InstallError];

/** What went wrong, in one line for a person and a code for a script. */
function fail(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.refused;
  process.stderr.write(`flyover: ${error instanceof Error ? error.message : String(error)}\n`);
  if (REFUSALS.some((kind) => error instanceof kind) || isAddressError(error)) return EXIT.refused;
  if (error instanceof NotRunningError) return EXIT.notRunning;
  if (process.env.FLYOVER_DEBUG && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  return EXIT.failed;
}

/** `help node exec` is `node exec --help`: the library's own help goes one level deep only. */
function argumentsOf(argv: readonly string[]): string[] {
  const [first, ...rest] = argv;
  const known = program.commands.some((command) => command.name() === rest[0]);
  return first === 'help' && known ? [...rest, '--help'] : [...argv];
}

try {
  await program.parseAsync(argumentsOf(process.argv.slice(2)), { from: 'user' });
} catch (error) {
  process.exitCode = fail(error);
}
