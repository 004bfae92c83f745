// Builds dist/: the bundles, the files they read, and the static CNI front. Run by ./flyover when sources changed.
// Everything is first written under another name and then renamed, so that a running command never reads half a file.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import { build } from 'esbuild';
import { buildKubeSchema } from './build-kube-schema.ts';

const root = dirname(import.meta.dirname);
const dist = join(root, 'dist');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };

/** What becomes one file in dist. An entry that does not exist is left out. */
const BUNDLES = {
  'flyover.js': 'src/cli/main.ts',
  'agent.js': 'src/network/agent/main.ts',
  'supervisor.js': 'src/lab/supervisor/main.ts',
  'apiserver.js': 'src/lab/kubernetes/apiserver/main.ts',
  'controllers.js': 'src/lab/kubernetes/controllers/main.ts',
  'kubelet.js': 'src/lab/kubelet/main.ts',
  'registry.js': 'src/lab/registry/main.ts',
  'dns.js': 'src/lab/dns/cluster/main.ts',
  'operator.js': 'src/network/operator/main.ts',
  'outside.js': 'src/cli/demo/outside-program.ts',
  'bench.js': 'bench/main.ts',
};

/** Packages with native code cannot be bundled; node finds them in ../node_modules. */
const NATIVE = ['koffi'];

/**
 * Files beside the code that it reads when running, by `new URL('./name', import.meta.url)`. They are copied flat
 * into dist, so that this address is right both from the source and from a bundle; so their names must differ.
 */
const ASSETS = new Set(['.sh', '.proto', '.sql', '.json', '.yaml', '.service', '.html', '.css', '.svg']);

function publish(path: string, contents: string | Uint8Array, mode = 0o644): void {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, contents, { mode });
  renameSync(temporary, path);
}

async function bundles(): Promise<string[]> {
  const made: string[] = [];
  for (const [name, entry] of Object.entries(BUNDLES)) {
    if (!existsSync(join(root, entry))) continue;
    const result = await build({
      absWorkingDir: root,
      entryPoints: [entry],
      outfile: join(dist, name),
      bundle: true,
      write: false,
      platform: 'node',
      format: 'esm',
      target: 'node24',
      external: NATIVE,
      // Less source text for the daemons to hold in memory; names stay, so that stack traces can be read.
      minifyWhitespace: true,
      minifySyntax: true,
      lineLimit: 200, // an uncaught error prints its line
      legalComments: 'none',
      logLevel: 'warning',
      // Packages written for CommonJS ask for these three at run time.
      banner: {
        js: `import{createRequire as requireFrom}from'node:module';const require=requireFrom(import.meta.url);`,
      },
      define: {
        __dirname: 'import.meta.dirname',
        __filename: 'import.meta.filename',
        FLYOVER_VERSION: JSON.stringify(version),
      },
    });
    for (const file of result.outputFiles) publish(file.path, file.contents);
    made.push(name);
  }
  return made;
}

function assets(): string[] {
  const made = new Map<string, string>();
  for (const entry of readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isFile() || !ASSETS.has(extname(entry.name)) || path.includes('/testdata/')) continue;
    const name = basename(path);
    const other = made.get(name);
    if (other)
      throw new Error(`${path} and ${other} have the same name, but both go to dist/${name}: rename one`);
    publish(join(dist, name), readFileSync(path), name.endsWith('.sh') ? 0o755 : 0o644);
    made.set(name, path);
  }
  return [...made.keys()];
}

/** The front needs a C compiler, which `flyover help` must do without; commands that use it check that it is there. */
function front(): string[] {
  const script = join(root, 'scripts/build-front.ts');
  if (!existsSync(script)) return [];
  const { status } = spawnSync(process.execPath, [script, join(dist, 'cni')], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  if (status === 0) return ['cni/flyover'];
  if (process.env.FLYOVER_FRONT === 'required') throw new Error('the CNI front could not be built');
  console.error('flyover: the CNI front was not built; it is not needed for this command');
  return [];
}

const started = performance.now();
mkdirSync(dist, { recursive: true });
// Dated before the build: what is saved while it runs makes the next start build again.
const stamp = join(dist, '.built');
rmSync(stamp, { force: true });
const dated = `${stamp}.${process.pid}`;
writeFileSync(dated, '');
try {
  const made = [...(await bundles()), ...(await buildKubeSchema(dist)), ...assets(), ...front()];
  renameSync(dated, stamp);
  console.error(
    `flyover: built ${made.join(', ')} in ${((performance.now() - started) / 1000).toFixed(1)} s`,
  );
} catch (error) {
  rmSync(dated, { force: true });
  // esbuild has already printed its own messages
  if (!(error instanceof Error && 'errors' in error)) console.error(`flyover: ${(error as Error).message}`);
  process.exitCode = 1;
}
