import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { elfNeeds } from './elf.ts';
import { ImageError } from './error.ts';
import { mergedPath, type Tree } from './tree.ts';

const TRIPLETS: Readonly<Record<string, string>> = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' };

/** Where the dynamic linkers of the distributions look by themselves, in their order. */
function folders(): string[] {
  const triplet = TRIPLETS[process.arch];
  const own = triplet === undefined ? [] : [`/lib/${triplet}`, `/usr/lib/${triplet}`];
  return [...own, '/lib64', '/usr/lib64', '/lib', '/usr/lib'];
}

/**
 * Adds what a program of this host loads, and what that loads in turn, each at the path that it has here: the linker,
 * which comes along, looks there.
 * @throws ImageError when the program or one of its libraries is not there
 */
export function addHostLibraries(tree: Tree, program: string): void {
  const add = (path: string): Buffer => {
    const target = mergedPath(path);
    const data = readFileSync(path);
    tree.set(target, { path: target, type: 'file', mode: 0o755, data });
    return data;
  };
  if (!existsSync(program)) throw new ImageError('read', program, 'is not there');
  const queue: Buffer[] = [readFileSync(program)];
  const seen = new Set<string>();
  for (let data = queue.pop(); data !== undefined; data = queue.pop()) {
    const needs = elfNeeds(data);
    if (needs?.interpreter) add(needs.interpreter);
    for (const name of needs?.libraries ?? []) {
      if (seen.has(name)) continue;
      seen.add(name);
      const folder = folders().find((each) => existsSync(join(each, name)));
      if (folder === undefined)
        throw new ImageError('build', program, `needs ${name}, which is in none of ${folders().join(', ')}`);
      queue.push(add(join(folder, name)));
    }
  }
}
