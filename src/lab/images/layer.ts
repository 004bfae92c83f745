import { createHash } from 'node:crypto';
import { pack } from 'tar-stream';
import type { Tree } from './tree.ts';

/** A blob by its content. */
export interface Blob {
  /** `sha256:` and 64 hexadecimal digits. */
  readonly digest: string;
  readonly data: Buffer;
}

export function blobOf(data: Buffer): Blob {
  return { digest: `sha256:${createHash('sha256').update(data).digest('hex')}`, data };
}

/**
 * Writes a tree as a layer: an uncompressed tar, since it never leaves this machine. The same tree gives the same
 * bytes: entries in the order of their paths, all owned by root, all from the beginning of 1970.
 */
export async function writeLayer(tree: Tree): Promise<Blob> {
  const archive = pack();
  const chunks: Buffer[] = [];
  const collected = (async () => {
    for await (const chunk of archive) chunks.push(chunk as Buffer);
  })();
  const paths = [...tree.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  for (const path of paths) {
    const { type, mode, target, data } = tree.get(path)!;
    const owner = { uid: 0, gid: 0, mtime: new Date(0), mode: mode & 0o7777 };
    if (type === 'file') archive.entry({ name: path, type, ...owner }, data ?? Buffer.alloc(0));
    else if (type === 'directory') archive.entry({ name: `${path}/`, type, ...owner });
    else archive.entry({ name: path, type, linkname: target ?? '', ...owner });
  }
  archive.finalize();
  await collected;
  return blobOf(Buffer.concat(chunks));
}
