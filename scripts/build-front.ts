/**
 * Builds the CNI plugin's front: `node scripts/build-front.ts [outdir]` makes `<outdir>/flyover` (default `dist/cni`).
 * src/network/cni/front/README.md has the why. Needs gcc, Duktape's source and, if there, musl.
 */
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';

const run = promisify(execFile);
const SOURCES = resolve(import.meta.dirname, '../src/network/cni/front');
/** Where Debian's and Ubuntu's `duktape-dev` puts the engine's source. */
const DUKTAPE = '/usr/share/duktape';
const FLAGS = ['-static', '-Os', '-ffunction-sections', '-fdata-sections', '-Wl,--gc-sections', '-s'];

export interface FrontBuild {
  /** Path of the executable. */
  path: string;
  /** False when nothing had changed since the last build. */
  built: boolean;
}

/** Builds the front into `outdir`. Throws an error that names the missing packages, or the compiler's words. */
export async function buildFront(outdir = 'dist/cni'): Promise<FrontBuild> {
  const path = resolve(outdir, 'flyover');
  const stamp = resolve(outdir, '.flyover.inputs');
  const { compiler, name } = findTools();
  const script = await lowerFront();
  const version = (await run(compiler, ['--version'])).stdout;
  const engine = digest([
    name,
    version,
    ...FLAGS,
    ...['duktape.c', 'duktape.h', 'duk_config.h'].map(engineSource),
  ]);
  const inputs = digest([engine, script, source('host.c'), source('compile.c')]);
  if (existsSync(path) && existsSync(stamp) && readFileSync(stamp, 'utf8') === inputs)
    return { path, built: false };

  mkdirSync(join(outdir, '.cache'), { recursive: true });
  const object = resolve(outdir, '.cache', `duktape-${engine.slice(0, 16)}.o`);
  const work = mkdtempSync(resolve(outdir, '.cache', 'build-'));
  try {
    if (!existsSync(object)) {
      // -w: a third party's warnings help nobody here.
      await run(compiler, [...FLAGS, '-w', '-c', join(DUKTAPE, 'duktape.c'), '-o', join(work, 'duktape.o')]);
      renameSync(join(work, 'duktape.o'), object);
    }
    const compile = (file: string, output: string) =>
      run(compiler, [
        ...FLAGS,
        '-Wall',
        '-Wextra',
        '-Werror',
        '-I',
        DUKTAPE,
        '-I',
        work,
        join(SOURCES, file),
        object,
        '-lm',
        '-o',
        join(work, output),
      ]);
    await compile('compile.c', 'compile');
    writeFileSync(join(work, 'script.h'), await filter(join(work, 'compile'), script));
    await compile('host.c', 'flyover');
    // Renamed, so that a runtime never starts half a file, and a running one keeps its own.
    renameSync(join(work, 'flyover'), path);
    writeFileSync(stamp, inputs);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return { path, built: true };
}

/** The front's TypeScript as one ES5 script. Throws for what cannot be lowered, with its place. */
export async function lowerFront(entry = join(SOURCES, 'main.ts')): Promise<string> {
  const bundled = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: 'iife',
    target: 'es5',
    // esbuild has no lowering for these two; blockScopesToVar does it.
    supported: { 'const-and-let': true },
    charset: 'ascii',
    legalComments: 'none',
    logLevel: 'silent',
  });
  return blockScopesToVar(bundled.outputFiles[0]?.text ?? '');
}

/**
 * Turns `let` and `const` into `var`. That is right as long as no name is declared again in an inner block and no function
 * made in a loop uses the loop's variables: front/README.md asks for it and front.test.ts compares both forms.
 * A declaration without a value gets one, because in a loop it would keep the last round's.
 */
export function blockScopesToVar(script: string): string {
  const token = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\/\*[\s\S]*?\*\/|\b(?:let|const) ([\w$]+)( *[,;])?/g;
  return script.replace(token, (match, name?: string, end?: string) => {
    if (name === undefined) return match;
    if (end?.endsWith(','))
      throw new Error(`the front's script declares "${name}" and more at once: one declaration each`);
    return end ? `var ${name} = void 0;` : `var ${name}`;
  });
}

function findTools(): { compiler: string; name: string } {
  const missing: string[] = [];
  const packages: string[] = [];
  const gcc = onPath('gcc');
  if (!gcc) {
    missing.push('gcc is not on PATH');
    packages.push('gcc', 'libc6-dev');
  }
  if (!existsSync(join(DUKTAPE, 'duktape.c'))) {
    missing.push(`Duktape's source is not in ${DUKTAPE}`);
    packages.push('duktape-dev');
  }
  if (missing.length > 0 || !gcc) {
    throw new Error(
      `cannot build the CNI plugin: ${missing.join('; ')}. On Debian or Ubuntu: ` +
        `apt-get install -y --no-install-recommends ${packages.join(' ')} (and musl-tools for a smaller one)`,
    );
  }
  const musl = onPath('musl-gcc');
  return musl ? { compiler: musl, name: 'musl' } : { compiler: gcc, name: 'glibc' };
}

function onPath(program: string): string | undefined {
  for (const directory of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(directory, program);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this one.
    }
  }
  return undefined;
}

function source(file: string): string {
  return readFileSync(join(SOURCES, file), 'utf8');
}

function engineSource(file: string): string {
  return readFileSync(join(DUKTAPE, file), 'utf8');
}

function digest(parts: string[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return hash.digest('hex');
}

/** What `program` writes when it reads `input`. */
function filter(program: string, input: string): Promise<string> {
  return new Promise((done, reject) => {
    const child = spawn(program, { stdio: ['pipe', 'pipe', 'pipe'] });
    let output = '';
    let errors = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
    });
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0 ? done(output) : reject(new Error(errors.trim() || `${program} ended with ${code}`)),
    );
    child.stdin.end(input);
  });
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    const { path, built } = await buildFront(process.argv[2]);
    if (built) console.log(`built ${path}`);
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
  }
}
