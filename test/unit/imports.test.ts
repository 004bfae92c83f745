import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, test } from 'vitest';

/** Rooms and their floors, as docs/architecture.md draws them. The longest matching path is the room. */
const FLOORS: Record<string, number> = {
  'src/address': 0,
  'src/manifest': 0,
  'src/rules': 0,
  'src/policy': 0,
  'src/service': 0,
  'src/kernel': 0,
  'src/kube': 1,
  'src/network': 1,
  'src/network/dataplane': 1,
  'src/network/cni': 2,
  'src/network/agent': 2,
  'src/network/operator': 2,
  'src/lab': 3,
  'src/cli': 4,
  'src/web': 4,
};

/** Rooms without input and output: arithmetic and decisions. */
const PURE = ['src/address', 'src/manifest', 'src/rules', 'src/policy', 'src/service'];
/** What of Node a pure room may use: it computes and has no effect. */
const PURE_MODULES = ['node:assert', 'node:crypto', 'node:util'];

/** Imports between rooms of one floor, with their reasons. `from` and `to` are rooms. */
const SAME_FLOOR = [
  { from: 'src/rules', to: 'src/address', why: 'rules about ranges are stated in the arithmetic of ranges' },
  { from: 'src/policy', to: 'src/address', why: 'policies name address blocks' },
  { from: 'src/service', to: 'src/address', why: 'services translate addresses' },
  { from: 'src/service', to: 'src/manifest', why: 'services are read from objects of the API' },
  { from: 'src/policy', to: 'src/manifest', why: 'policies are read from objects of the API' },
  { from: 'src/network/agent', to: 'src/network/cni', why: "the agent answers the front's socket protocol" },
];

/** What the lab may know of the network wing, with the reason. Everything else of it the lab uses as a stranger would. */
const ACROSS_THE_HALL: Record<string, string> = {
  'src/network/agent/install.ts': 'the lab puts the agent on its nodes as `flyover agent install` does',
  'src/network/rights.ts': 'the lab grants the daemons what the chart grants them',
};

/** Who calls libc outside src/kernel, with the reason. */
const FFI: Record<string, string> = {
  'src/network/agent/ipam/lock.ts': 'flock(2), which src/kernel does not offer yet',
};

/** What of outside src may be imported, and bundled, with the reason. */
const OUTSIDE: Record<string, string> = {
  'package.json': '`flyover --version` says what the package says',
};

const MOST_LINES = 400;

type Sources = Map<string, string>;

function roomOf(path: string): string | undefined {
  return Object.keys(FLOORS)
    .filter((room) => path.startsWith(`${room}/`))
    .sort((a, b) => b.length - a.length)[0];
}

/** Tests may import what they like. Helpers that several tests share are called testing.ts, or testing-*.ts. */
function isForTests(path: string): boolean {
  return path.endsWith('.test.ts') || /\/testing(-[\w-]+)?\.ts$/.test(path);
}

/** Everything a file names in an import, an export from, or a dynamic import; types too. */
function importsOf(source: string): string[] {
  const statements = /^\s*(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]/gm;
  const bare = /^\s*import\s*['"]([^'"]+)['"]/gm;
  const dynamic = /\bimport\(\s*['"]([^'"]+)['"]/g;
  return [statements, bare, dynamic].flatMap((pattern) =>
    [...source.matchAll(pattern)].map((found) => found[1]!),
  );
}

function complaint(path: string, name: string): string | undefined {
  const room = roomOf(path);
  if (!room) return 'is in no room: add it to FLOORS, and to the architecture';
  if (!name.startsWith('.')) {
    if (PURE.includes(room) && !PURE_MODULES.includes(name))
      return 'a pure room does no I/O and needs no package';
    if (name === 'koffi' && room !== 'src/kernel' && !FFI[path]) return 'only src/kernel calls libc';
    return undefined;
  }
  const target = normalize(join(dirname(path), name));
  if (room === 'src/cli' && OUTSIDE[target]) return undefined;
  if (isForTests(target)) return 'test helpers are for tests';
  const other = roomOf(target);
  if (!other)
    return target.startsWith('src/') ? `${target} is in no room` : 'src imports nothing outside src';
  if (other === room) return undefined;
  if (room === 'src/lab' && other.startsWith('src/network')) {
    return ACROSS_THE_HALL[target] ? undefined : 'the lab never reaches into the wing across the hall';
  }
  if (FLOORS[other]! < FLOORS[room]!) return undefined;
  if (SAME_FLOOR.some(({ from, to }) => from === room && to === other)) return undefined;
  return FLOORS[other] === FLOORS[room]
    ? 'rooms of one floor do not know each other'
    : `imports go down only: ${other} is on floor ${FLOORS[other]}, ${room} on floor ${FLOORS[room]}`;
}

function complaints(sources: Sources): string[] {
  const found: string[] = [];
  for (const [path, source] of sources) {
    const lines = source.split('\n').length - 1;
    if (lines > MOST_LINES)
      found.push(`${path} has ${lines} lines: at most ${MOST_LINES}, one noun per file`);
    if (isForTests(path)) continue;
    for (const name of importsOf(source)) {
      const wrong = complaint(path, name);
      if (wrong) found.push(`${path} imports ${name}: ${wrong}`);
    }
  }
  return found;
}

const root = dirname(dirname(import.meta.dirname));

function readSources(): Sources {
  const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join('src', name));
  return new Map(files.map((path) => [path, readFileSync(join(root, path), 'utf8')]));
}

test('the house is in order', () => {
  const sources = readSources();
  expect(sources.size).toBeGreaterThan(10);
  expect(complaints(sources)).toEqual([]);
});

test('every exception is still needed by a file that exists', () => {
  const exceptions = [ACROSS_THE_HALL, FFI, OUTSIDE].flatMap(Object.keys);
  expect(exceptions.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  const imported = new Set(
    [...readSources()]
      .filter(([path]) => path.startsWith('src/lab/') && !isForTests(path))
      .flatMap(([path, source]) => importsOf(source).map((name) => normalize(join(dirname(path), name)))),
  );
  expect(Object.keys(ACROSS_THE_HALL).filter((path) => !imported.has(path))).toEqual([]);
});

describe('the rules find', () => {
  const check = (path: string, source: string): string[] => complaints(new Map([[path, source]]));

  test.each([
    ['an import upwards', 'src/kernel/a.ts', `import { x } from '../network/agent/b.ts';`],
    ['an import of a type upwards', 'src/address/a.ts', `import type { X } from '../network/cni/b.ts';`],
    ['an import over several lines', 'src/kernel/a.ts', `import {\n  x,\n  y,\n} from '../lab/b.ts';`],
    ['an export from above', 'src/kube/a.ts', `export * from '../network/agent/b.ts';`],
    ['a dynamic import', 'src/lab/fabric/a.ts', `const x = await import('../../cli/b.ts');`],
    ['the command line imported', 'src/web/a.ts', `import '../cli/output.ts';`],
    ['two rooms of one floor', 'src/network/operator/a.ts', `import { x } from '../agent/b.ts';`],
    ['the lab in the agent', 'src/lab/kubelet/a.ts', `import { x } from '../../network/agent/ipam.ts';`],
    ['the lab in the data plane', 'src/lab/fabric/a.ts', `import { x } from '../../network/dataplane/b.ts';`],
    ['the network in the lab', 'src/network/agent/a.ts', `import { x } from '../../lab/b.ts';`],
    ['I/O in a pure room', 'src/address/a.ts', `import { readFileSync } from 'node:fs';`],
    ['a package in a pure room', 'src/policy/a.ts', `import { z } from 'zod';`],
    ['a call of libc elsewhere', 'src/network/agent/a.ts', `import koffi from 'koffi';`],
    ['an import out of the house', 'src/lab/a.ts', `import { x } from '../../scripts/build.ts';`],
    ['the package, below the command line', 'src/lab/a.ts', `import pkg from '../../package.json';`],
    ['a room without a floor', 'src/attic/a.ts', `import { x } from '../address/b.ts';`],
    ['a test helper in a program', 'src/address/a.ts', `import { x } from './testing.ts';`],
    ['a long file', 'src/kernel/a.test.ts', '\n'.repeat(MOST_LINES + 1)],
  ])('%s', (_, path, source) => {
    expect(check(path, source)).toHaveLength(1);
  });

  test.each([
    ['an import downwards', 'src/cli/a.ts', `import { x } from '../lab/paths.ts';`],
    ['the version', 'src/cli/main.ts', `import pkg from '../../package.json' with { type: 'json' };`],
    ['the same room', 'src/lab/fabric/a.ts', `import { x } from '../errors.ts';`],
    ['the socket protocol', 'src/network/agent/a.ts', `import { x } from '../cni/protocol.ts';`],
    ['the installation', 'src/lab/machine/a.ts', `import { x } from '../../network/agent/install.ts';`],
    [
      'words that look like an import',
      'src/address/a.ts',
      `// import what you need from 'node:fs'\nconst x = 1;`,
    ],
    ['anything in a test', 'src/address/a.test.ts', `import { readFileSync } from 'node:fs';`],
  ])('nothing wrong with %s', (_, path, source) => {
    expect(check(path, source)).toEqual([]);
  });
});
