import { Command } from 'commander';
import { type Column, type Format, outputOption, render } from '../output.ts';
import { type Check, NOT_TRIED } from './check.ts';
import { advice, failures, runDoctor } from './run.ts';

const COLOURS = { ok: 'green', warn: 'yellow', fail: 'red' } as const;

const COLUMNS: readonly Column<Check>[] = [
  { header: 'CHECK', value: (check) => check.name },
  { header: 'STATUS', value: (check) => check.status, colour: (check) => COLOURS[check.status] },
  { header: 'FOUND', value: (check) => check.found, wrap: true },
  { header: 'RULE', value: (check) => check.rule, wrap: true, colour: () => 'dim' },
];

/** `flyover doctor`: exit code 0 when the lab can run here, 1 when something stands in the way. */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description('check whether this machine can run the lab; changes nothing')
    .addOption(outputOption())
    .action(async ({ output }: { output: Format }) => {
      const checks = await runDoctor();
      process.stdout.write(render<Check>(checks, { format: output, columns: COLUMNS }));
      if (output === 'table') process.stdout.write(`\n${summary(checks)}`);
      process.exitCode = failures(checks).length > 0 ? 1 : 0;
    });
}

/** What to do, and the verdict in one line. */
export function summary(checks: readonly Check[]): string {
  const untried = checks.filter((check) => check.found === NOT_TRIED).length;
  const todo = checks
    .filter((check) => check.fix !== undefined && check.found !== NOT_TRIED)
    .sort((a, b) => Number(b.status === 'fail') - Number(a.status === 'fail'))
    .map((check) => `${check.status}  ${advice(check)}\n`);
  const failed = failures(checks).length;
  const verdict =
    failed > 0
      ? `The lab cannot run here yet: ${failed} of ${checks.length} checks failed.`
      : untried > 0
        ? `Nothing found that stands in the way of the lab, but ${untried} checks need root: sudo ./flyover doctor`
        : 'The lab can run here.';
  return `${todo.join('')}${todo.length > 0 ? '\n' : ''}${verdict}\n`;
}
