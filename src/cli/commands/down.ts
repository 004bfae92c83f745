import { Command } from 'commander';
import { takeDown } from '../../lab/supervisor/teardown.ts';
import { withProgress } from '../lab-call.ts';
import { type Format, outputOption } from '../output.ts';
import { printDone } from '../print.ts';

export function downCommand(): Command {
  return new Command('down')
    .description('stop the lab and remove every trace of it: nodes, namespaces, links, mounts, processes')
    .option('--keep-state', 'keep what was created, so that the next up brings it back', false)
    .addOption(outputOption())
    .action(async ({ keepState, output }: { keepState: boolean; output: Format }) => {
      await withProgress('taking the lab down', 'run flyover down again to finish it', (progress) =>
        takeDown({ keepState, report: progress.step }),
      );
      const sentence = keepState ? 'the lab is down; flyover up brings it back' : 'the lab is down';
      printDone(output, sentence, { state: 'down', kept: keepState });
    });
}
