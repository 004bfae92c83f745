import { Command } from 'commander';
import { agentCommandGroup } from './commands/agent.ts';
import { benchCommand } from './commands/bench.ts';
import { clusterCommand } from './commands/cluster.ts';
import { downCommand } from './commands/down.ts';
import { envCommand } from './commands/env.ts';
import { hostCommand, siteCommand } from './commands/host.ts';
import { imageCommand } from './commands/image.ts';
import { kubeconfigCommand } from './commands/kubeconfig.ts';
import { loadBalancerCommand } from './commands/load-balancer.ts';
import { natGatewayCommand } from './commands/nat-gateway.ts';
import { nodeCommand } from './commands/node.ts';
import { publicIpCommand } from './commands/public-ip.ts';
import { routeTableCommand } from './commands/route-table.ts';
import { statusCommand } from './commands/status.ts';
import { upCommand } from './commands/up.ts';
import { vnetCommand } from './commands/vnet.ts';
import { demoCommand } from './demo/command.ts';
import { doctorCommand } from './doctor/index.ts';
import { VERSION } from './version.ts';

/** The whole command line. What it refuses it throws as a CommanderError. */
export function flyoverProgram(): Command {
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
    kubeconfigCommand,
    envCommand,
    vnetCommand,
    loadBalancerCommand,
    publicIpCommand,
    natGatewayCommand,
    routeTableCommand,
    hostCommand,
    siteCommand,
    imageCommand,
    benchCommand,
    agentCommandGroup,
    doctorCommand,
  ]) {
    program.addCommand(strict(make()));
  }
  return program;
}

/** Subcommands do not inherit these settings. */
function strict(command: Command): Command {
  command.exitOverride().showHelpAfterError('(--help says more)').enablePositionalOptions();
  for (const child of command.commands) strict(child);
  return command;
}

/** `help node exec` is `node exec --help`: the library's own help goes one level deep only. */
export function argumentsOf(program: Command, argv: readonly string[]): string[] {
  const [first, ...rest] = argv;
  const known = program.commands.some((command) => command.name() === rest[0]);
  return first === 'help' && known ? [...rest, '--help'] : [...argv];
}
