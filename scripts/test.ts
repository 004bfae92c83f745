// `flyover test`: lint, types, unit tests and root tests, in that order, each reported even when an earlier one failed.
import { spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

const HELP = `Usage: flyover test [lint|types|unit|root] [PATTERN...]

  (nothing)        all of it, in this order; needs root
  lint             formatting and lint rules
  types            the type checker
  unit [PATTERN]   tests that need no root; files whose path contains PATTERN
  root [PATTERN]   tests that make namespaces, containers and kernel tables of their own; needs root
`;

const root = dirname(import.meta.dirname);
const bin = join(root, 'node_modules/.bin');

function run(tool: string, ...args: string[]): boolean {
  const { status, error } = spawnSync(join(bin, tool), args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    // The tools start with `env node`, which must be the pinned one.
    env: { ...process.env, PATH: `${dirname(process.execPath)}:${bin}:${process.env.PATH}` },
  });
  if (error) console.error(`flyover test: ${tool}: ${error.message}`);
  return status === 0;
}

/** Under sudo, what the tools have put beside the packages goes to the checkout's owner, who runs them without root too. */
function giveBack(): void {
  const { uid, gid } = statSync(root);
  if (process.getuid?.() !== 0 || uid === 0) return;
  const packages = join(root, 'node_modules');
  const theirs = readdirSync(packages).filter((name) => name.startsWith('.'));
  spawnSync('chown', ['-Rh', `${uid}:${gid}`, '--', ...theirs.map((name) => join(packages, name))], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
}

/** The order in which everything runs: what is quick to say no comes first. */
const STEPS: Record<string, (patterns: string[]) => boolean> = {
  lint: () => run('biome', 'check', '.'),
  types: () => run('tsc', '--noEmit'),
  unit: (patterns) => run('vitest', 'run', '--project=unit', ...patterns),
  root: (patterns) => run('vitest', 'run', '--project=root', ...patterns),
};

const [what, ...patterns] = process.argv.slice(2);
const needsRoot = what === undefined || what === 'root';

if (what === '-h' || what === '--help' || what === 'help') {
  process.stdout.write(HELP);
} else if (needsRoot && process.getuid?.() !== 0) {
  console.error(
    `flyover test: these tests need root; run: sudo ./flyover test ${process.argv.slice(2).join(' ')}`,
  );
  process.exitCode = 2;
} else if (what !== undefined && !Object.hasOwn(STEPS, what)) {
  console.error(`flyover test: unknown part '${what}'\n\n${HELP}`);
  process.exitCode = 2;
} else {
  const failed = Object.keys(STEPS)
    .filter((name) => what === undefined || what === name)
    .filter((name) => {
      console.error(`flyover test: ${name}`);
      return !STEPS[name]?.(patterns);
    });
  giveBack();
  if (failed.length > 0) console.error(`flyover test: FAILED: ${failed.join(', ')}`);
  process.exitCode = failed.length > 0 ? 1 : 0;
}
