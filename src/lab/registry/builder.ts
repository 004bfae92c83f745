import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { ensureImage } from '../images/build.ts';
import { ImageError } from '../images/error.ts';
import type { BuiltImage } from '../images/oci.ts';
import { READY_MADE } from '../images/ready-made.ts';
import type { Recipe } from '../images/recipe.ts';

/** The first argument with which the registry's program builds an image instead of serving. */
export const BUILD_COMMAND = 'build';

type Line = { step: string } | { image: BuiltImage } | { error: string };

/** How long a build may take, in milliseconds: packages come over a network. */
const PATIENCE_MS = 10 * 60_000;

/**
 * Builds a ready-made image in a process of its own, which holds whole packages in memory and gives that back when it
 * ends. It ends with this process, too.
 *
 * @param program - the file of the registry's program
 */
export async function buildApart(
  program: string,
  folder: string,
  recipe: Recipe,
  step: (text: string) => void,
): Promise<BuiltImage> {
  const argv = ['--disable-warning=ExperimentalWarning', program, BUILD_COMMAND, recipe.name, folder];
  const child = spawn(process.execPath, argv, { stdio: ['pipe', 'pipe', 'pipe'], timeout: PATIENCE_MS });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-2000);
  });
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(`the builder ended with ${signal ?? code}`));
  });
  let outcome: Line | undefined;
  for await (const text of createInterface({ input: child.stdout })) {
    const line = JSON.parse(text) as Line;
    if ('step' in line) step(line.step);
    else outcome = line;
  }
  const how = await ended;
  if (outcome && 'image' in outcome) return outcome.image;
  const reason = outcome && 'error' in outcome ? outcome.error : said.trim() || how;
  throw new ImageError('build', recipe.name, reason);
}

/** The other end of {@link buildApart}: this process's work is to build one image. */
export async function runBuilder(name: string, folder: string): Promise<void> {
  const write = (line: Line): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
  // Its parent keeps the other end open for as long as it lives.
  process.stdin.on('end', () => process.exit(1)).resume();
  try {
    const recipe = READY_MADE.get(name);
    if (!recipe) throw new ImageError('build', name, 'is not a ready-made image');
    write({ image: await ensureImage(recipe, folder, { step: (step) => write({ step }) }) });
  } catch (error) {
    write({ error: (error as Error).message });
    process.exitCode = 1;
  }
  process.stdin.destroy();
}
