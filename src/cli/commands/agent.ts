import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { install } from '../../network/agent/install.ts';
import { removeFromNode } from '../../network/agent/remove.ts';
import { exitLike } from './exec.ts';

const DIST = dirname(fileURLToPath(import.meta.url));

/** What a node's unit file starts, as paths of this checkout. */
function agentCommand(): string[] {
  return [process.execPath, join(DIST, 'agent.js')];
}

export function agentCommandGroup(): Command {
  const agent = new Command('agent')
    .enablePositionalOptions()
    .description(
      'the node agent and CNI plugin on this machine, with any container runtime and without the lab',
    );
  agent
    .command('install')
    .description('write the CNI configuration, the plugin and the systemd unit; starts nothing')
    .option(
      '--config <file>',
      'node.json to check and copy to /etc/flyover/node.json (default: the one that is there)',
    )
    .option('--root <dir>', 'write below this folder instead of /', '/')
    .option('--no-chain', 'do not chain the reference plugins portmap and bandwidth')
    .option('--cni-version <version>', 'version of the CNI configuration', '1.0.0')
    .action((options: { config?: string; root: string; chain: boolean; cniVersion: string }) => {
      const report = install({
        root: options.root,
        front: join(DIST, 'cni', 'flyover'),
        command: agentCommand(),
        chain: options.chain,
        cniVersion: options.cniVersion,
        ...(options.config === undefined ? {} : { config: options.config }),
      });
      for (const path of report.written) process.stdout.write(`wrote ${path}\n`);
      for (const path of report.kept) process.stdout.write(`kept  ${path}\n`);
      for (const warning of report.warnings) process.stderr.write(`flyover: ${warning}\n`);
      if (options.root === '/') {
        process.stdout.write(
          'start it with: systemctl daemon-reload && systemctl enable --now flyover-agent\n',
        );
      }
    });
  agent
    .command('uninstall')
    .description('remove what install wrote and nobody changed since')
    .option('--root <dir>', 'below this folder instead of /', '/')
    .option(
      '--force',
      'also while pods are attached: they keep their network, and nothing will release it',
      false,
    )
    .option('--purge', "also the agent's state: addresses and queued releases", false)
    .action((options: { root: string; force: boolean; purge: boolean }) => {
      const { removed, left } = removeFromNode(options);
      for (const path of removed) process.stdout.write(`removed ${path}\n`);
      for (const path of left)
        process.stderr.write(`flyover: left ${path}: it was changed after the install\n`);
      if (removed.length + left.length === 0) process.stdout.write('nothing is installed\n');
    });
  agent
    .command('run [arguments...]')
    .description('run the agent in the foreground; its own options go after --')
    .passThroughOptions()
    .action(async (argv: string[]) => {
      const [program, ...rest] = agentCommand() as [string, ...string[]];
      const own = argv[0] === '--' ? argv.slice(1) : argv;
      await exitLike(spawn(program, [...rest, ...own], { stdio: 'inherit' }));
    });
  return agent;
}
