import { Command } from 'commander';
import { takeDown } from '../../lab/supervisor/teardown.ts';
import { startProgress } from '../progress.ts';

export function downCommand(): Command {
  return new Command('down')
    .description('stop the lab and remove every trace of it: nodes, namespaces, links, mounts, processes')
    .option('--keep-state', 'keep what was created, so that the next up brings it back', false)
    .action(async ({ keepState }: { keepState: boolean }) => {
      const progress = startProgress('taking the lab down');
      await takeDown({ keepState, report: progress.step }).finally(progress.end);
      process.stdout.write(keepState ? 'the lab is down; flyover up brings it back\n' : 'the lab is down\n');
    });
}
