import { setImmediate } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type Column, render } from '../src/cli/output.ts';
import { benches, benchNamed } from './catalogue.ts';
import { answerOuter, endContained, runContained } from './harness/contain.ts';
import { PING_PONG, pingPong } from './harness/ping-pong.ts';
import { Scratch, scratchFolder, sweepScratch } from './harness/scratch.ts';
import { rounded } from './harness/statistics.ts';
import { type Bench, type Result, reported } from './result.ts';

const HELP = `Usage: flyover bench [NAME...] [options]

Measures Flyover against what it is compared with, both in turns in one run. Without names: everything but what is marked *.
The ratio is the median of the ratios of all rounds.

${benches.map(({ name, title, extra }) => `  ${name.padEnd(14)} ${extra ? '* ' : ''}${title}`).join('\n')}

  -o, --output FORMAT   table (default) or json
  --rounds N            how often each is measured
  --list                the names, one a line
  -h, --help
`;

interface Options {
  readonly names: readonly string[];
  readonly output: 'table' | 'json';
  readonly rounds: number | undefined;
  readonly list: boolean;
  /** Set on the contained side: the folder to work in. */
  readonly inside: string | undefined;
}

class UsageError extends Error {}

function readArguments(): Options {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      output: { type: 'string', short: 'o', default: 'table' },
      rounds: { type: 'string' },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h' },
      inside: { type: 'string' },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    process.exit(0);
  }
  const { output, rounds, list, inside } = values;
  if (output !== 'table' && output !== 'json')
    throw new UsageError(`--output '${output}' is none; use table or json`);
  if (rounds !== undefined && !/^[1-9]\d{0,5}$/.test(rounds)) {
    throw new UsageError(`--rounds '${rounds}' is not a whole number from 1; try --rounds 10`);
  }
  return {
    names: positionals,
    output,
    rounds: rounds === undefined ? undefined : Number(rounds),
    list,
    inside,
  };
}

function chosen(names: readonly string[]): Bench[] {
  try {
    return names.length > 0 ? names.map(benchNamed) : benches.filter(({ extra }) => !extra);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

const lastActions = new Set<() => Promise<void>>();

function beforeEnd(action: () => Promise<void>): () => void {
  lastActions.add(action);
  return () => lastActions.delete(action);
}

/** Ends this process once what has to be done before that is done; a second signal does not wait for it. */
async function end(code: number): Promise<never> {
  const actions = [...lastActions];
  lastActions.clear();
  if (actions.length > 0) process.stderr.write('flyover bench: leaving the lab as it was\n');
  await Promise.all(actions.map((action) => action().catch(() => undefined)));
  process.exit(code);
}

/** Runs one bench here and now. */
async function runHere(bench: Bench, folder: string, rounds: number | undefined): Promise<Result[]> {
  const scratch = new Scratch(folder);
  const started = performance.now();
  const progress = (text: string): Promise<void> => {
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    process.stderr.write(`${seconds.padStart(6)} s  ${bench.name}: ${text}\n`);
    return setImmediate();
  };
  try {
    return await bench.run({ scratch, rounds: rounds ?? bench.rounds, progress, beforeEnd });
  } finally {
    scratch.remove();
  }
}

async function inside(options: Options & { inside: string }): Promise<void> {
  // The other side is gone: so is this, and all that it started.
  process.on('disconnect', () => process.exit(1));
  const results = await runHere(benchNamed(options.names[0]!), options.inside, options.rounds);
  await answerOuter(results);
  process.exit(0);
}

async function outside(options: Options): Promise<void> {
  const wanted = chosen(options.names);
  if (process.getuid?.() !== 0)
    throw new UsageError('the benches make network namespaces and need root; use sudo');
  sweepScratch();
  process.on('exit', endContained);
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.on(signal, () => void end(code));
  }
  // Started by the flyover command: ends with it.
  process.on('disconnect', () => void end(1));
  const results: Result[] = [];
  for (const bench of wanted) {
    const folder = scratchFolder(process.pid);
    if (bench.place === 'machine') results.push(...(await runHere(bench, folder, options.rounds)));
    else {
      const rounds = options.rounds === undefined ? [] : ['--rounds', String(options.rounds)];
      results.push(...(await runContained<Result[]>([bench.name, '--inside', folder, ...rounds])));
    }
  }
  print(results, options.output);
  process.exit(0);
}

const COLUMNS: Column<Result>[] = [
  { header: 'NAME', value: ({ name }) => name },
  { header: 'VALUE', value: ({ value }) => rounded(value), align: 'right' },
  { header: 'REFERENCE', value: ({ reference }) => rounded(reference), align: 'right' },
  { header: 'UNIT', value: ({ unit }) => unit },
  { header: 'RATIO', value: ({ ratio }) => ratio.toFixed(3), align: 'right' },
  { header: 'TARGET', value: ({ target }) => target },
  { header: 'AGAINST', value: ({ against }) => against },
];

function print(results: readonly Result[], output: 'table' | 'json'): void {
  if (output === 'json') process.stdout.write(`${JSON.stringify({ results: results.map(reported) })}\n`);
  else process.stdout.write(render(results, { format: 'table', columns: COLUMNS }));
}

async function run(options: Options): Promise<void> {
  if (options.list) process.stdout.write(`${benches.map(({ name }) => name).join('\n')}\n`);
  else if (options.inside !== undefined) await inside({ ...options, inside: options.inside });
  else await outside(options);
}

try {
  // A child of a bench, not a person's command.
  if (process.argv[2] === PING_PONG) pingPong(process.argv.slice(3));
  else await run(readArguments());
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`flyover bench: ${message}\n`);
  const usage =
    error instanceof UsageError || (error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS');
  if (!usage && process.env.FLYOVER_DEBUG) process.stderr.write(`${(error as Error).stack}\n`);
  process.exit(usage ? 2 : 1);
}
