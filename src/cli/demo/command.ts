import { Command, Option } from 'commander';
import { ensureUp } from '../commands/up.ts';
import { EXIT } from '../exit.ts';
import { startProgress } from '../progress.ts';
import { type Line, lines } from './lines.ts';
import { Stage } from './stage.ts';

/** What `-o json` prints. */
export interface DemoReport {
  lines: { name: string; ok: boolean; evidence: string }[];
  /** Wall time of the whole demo. */
  seconds: number;
}

export function demoCommand(): Command {
  return new Command('demo')
    .description(
      'build a cluster, run real containers on it and prove what the network promises; leaves the lab running',
    )
    .addOption(
      new Option('-o, --output <format>', 'how to print the result')
        .choices(['table', 'json'])
        .default('table'),
    )
    .action(async ({ output }: { output: 'table' | 'json' }) => {
      const report = await runDemo((line) => {
        if (output === 'table')
          process.stdout.write(`${line.ok ? '✓' : '✗'} ${line.name}\n    ${line.evidence}\n`);
      });
      const failed = report.lines.filter((line) => !line.ok).length;
      if (output === 'json') process.stdout.write(`${JSON.stringify(report)}\n`);
      else {
        const verdict =
          failed === 0 ? `all ${lines.length} lines hold` : `${failed} of ${lines.length} lines do not hold`;
        process.stdout.write(
          `\n${verdict} (${report.seconds} s). The lab is running: flyover status; flyover down ends it.\n`,
        );
      }
      if (failed > 0) process.exitCode = EXIT.failed;
    });
}

/** Proves every line; a line that fails does not stop the others. */
async function runDemo(onLine: (line: DemoReport['lines'][number]) => void): Promise<DemoReport> {
  const started = performance.now();
  const report: DemoReport = { lines: [], seconds: 0 };
  const progress = startProgress('demo');
  const stage = new Stage(progress.step);
  try {
    await ensureUp(progress.step);
    await stage.clear();
    await stage.build();
    for (const line of lines) {
      const result = { name: line.name, ...(await outcome(line, stage)) };
      report.lines.push(result);
      progress.aside(() => onLine(result));
    }
  } finally {
    progress.end();
    await stage.close();
  }
  report.seconds = Number(((performance.now() - started) / 1000).toFixed(1));
  return report;
}

async function outcome(line: Line, stage: Stage): Promise<{ ok: boolean; evidence: string }> {
  try {
    return { ok: true, evidence: await line.prove(stage) };
  } catch (error) {
    return { ok: false, evidence: (error as Error).message };
  }
}
