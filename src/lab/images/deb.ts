import { spawn } from 'node:child_process';
import { extract } from 'tar-stream';
import type { Deb } from './apt.ts';
import { ImageError } from './error.ts';
import { type Entry, isUseless, mergedPath, type Tree } from './tree.ts';

/** More than any package that we put into images holds; a runaway archive must not fill the memory. */
const MAX_BYTES = 512 * 1024 * 1024;

/**
 * Adds a package's files to a tree. Its maintainer scripts are not run: what they would set up is the recipe's
 * business. Documentation and the like stay out. The first file of a path wins, as nothing is ever overwritten in
 * a sound set of packages.
 *
 * @returns the paths that were added
 * @throws ImageError when dpkg-deb cannot read it.
 */
export async function addDeb(tree: Tree, deb: Deb): Promise<string[]> {
  const dpkg = spawn('dpkg-deb', ['--fsys-tarfile', deb.path], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  dpkg.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    if (said.length < 4096) said += chunk;
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    dpkg.on('error', reject);
    dpkg.on('close', resolve);
  });
  ended.catch(() => undefined);
  const added: string[] = [];
  const hardLinks: [path: string, target: string][] = [];
  let total = 0;
  try {
    for await (const entry of dpkg.stdout.pipe(extract())) {
      const { name, type, mode = 0o644, linkname, size = 0 } = entry.header;
      const path = mergedPath(name);
      total += size;
      if (total > MAX_BYTES) throw new ImageError('read', deb.path, `holds more than ${MAX_BYTES} bytes`);
      const chunks: Buffer[] = [];
      for await (const chunk of entry) chunks.push(chunk as Buffer);
      if (path === '' || path.split('/').includes('..') || isUseless(path) || tree.has(path)) continue;
      if (type === 'link') hardLinks.push([path, mergedPath(linkname ?? '')]);
      const made: Entry | undefined =
        type === 'directory'
          ? { path, type, mode }
          : type === 'file' || type === 'contiguous-file'
            ? { path, type: 'file', mode, data: Buffer.concat(chunks) }
            : type === 'symlink'
              ? { path, type, mode: 0o777, target: linkname ?? '' }
              : undefined;
      if (!made) continue;
      tree.set(path, made);
      added.push(path);
    }
  } catch (error) {
    dpkg.kill();
    if (error instanceof ImageError) throw error;
    throw new ImageError('read', deb.path, said.trim() || (error as Error).message, error);
  }
  const code = await ended;
  if (code !== 0) throw new ImageError('read', deb.path, said.trim() || `dpkg-deb ended with ${code}`);
  for (const [path, target] of hardLinks) {
    const same = tree.get(target);
    if (same?.type === 'file') {
      tree.set(path, { ...same, path });
      added.push(path);
    }
  }
  return added;
}
