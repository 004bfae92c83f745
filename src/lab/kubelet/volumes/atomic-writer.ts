import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Payload } from './payload.ts';

const DATA = '..data';
const NEXT = '..data_tmp';

function isCurrent(folder: string, payload: Payload): boolean {
  const data = join(folder, DATA);
  if (!existsSync(data)) return false;
  let count = 0;
  for (const entry of readdirSync(data, { recursive: true, withFileTypes: true })) {
    if (!entry.isDirectory()) count++;
  }
  if (count !== payload.size) return false;
  for (const [path, file] of payload) {
    const stat = lstatSync(join(data, path), { throwIfNoEntry: false });
    if (!stat?.isFile() || (stat.mode & 0o7777) !== file.mode || stat.size !== file.data.length) return false;
    if (!readFileSync(join(data, path)).equals(file.data)) return false;
  }
  return true;
}

/**
 * Makes a folder hold exactly these files, all at once for whoever looks: they lie in a folder of their own that
 * `..data` points to, and everything visible is a link through it, as in every kubelet's volumes.
 *
 * @param owner - numbers of the user and group that the files belong to; -1 leaves it root's
 * @returns whether anything changed
 */
export function writeAtomically(
  folder: string,
  payload: Payload,
  owner: { readonly uid: number; readonly gid: number } = { uid: -1, gid: -1 },
): boolean {
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  if (isCurrent(folder, payload)) return false;
  const data = join(folder, DATA);
  const old = lstatSync(data, { throwIfNoEntry: false }) ? readlinkSync(data) : undefined;
  const stamp = new Date().toISOString().replace(/[-:T]/g, '_').slice(0, 19);
  const next = mkdtempSync(join(folder, `..${stamp}.`));
  const own = (path: string): void => {
    if (owner.uid >= 0 || owner.gid >= 0) chownSync(path, Math.max(owner.uid, 0), Math.max(owner.gid, 0));
  };
  chmodSync(next, 0o755);
  own(next);
  for (const [path, { data: content, mode }] of payload) {
    const target = join(next, path);
    mkdirSync(dirname(target), { recursive: true, mode: 0o755 });
    writeFileSync(target, content);
    own(target);
    // The mode that was asked for, whatever umask says.
    chmodSync(target, mode);
  }
  rmSync(join(folder, NEXT), { force: true });
  symlinkSync(next.slice(folder.length + 1), join(folder, NEXT));
  renameSync(join(folder, NEXT), data);
  link(folder, payload);
  if (old && old !== next.slice(folder.length + 1))
    rmSync(join(folder, old), { recursive: true, force: true });
  return true;
}

/** The visible names: a link for the first part of each path. */
function link(folder: string, payload: Payload): void {
  const names = new Set([...payload.keys()].map((path) => path.split('/')[0]!));
  for (const name of readdirSync(folder)) {
    if (!name.startsWith('..') && !names.has(name))
      rmSync(join(folder, name), { recursive: true, force: true });
  }
  for (const name of names) {
    const path = join(folder, name);
    if (!lstatSync(path, { throwIfNoEntry: false })) symlinkSync(join(DATA, name), path);
  }
}
