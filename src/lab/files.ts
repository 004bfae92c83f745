import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';

function syncFolder(path: string): void {
  const folder = openSync(dirname(path), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function writeBeside(path: string, text: string, mode: number): string {
  mkdirSync(dirname(path), { recursive: true });
  const beside = `${path}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`;
  const file = openSync(beside, 'wx', mode);
  try {
    writeFileSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  return beside;
}

/** Puts a whole file in place of whatever is there, on disk when it returns; readers see the old or the new one. */
export function replaceFile(path: string, text: string, mode: number): void {
  const beside = writeBeside(path, text, mode);
  try {
    renameSync(beside, path);
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  }
  syncFolder(path);
}

/**
 * Puts a file where none is. When two do it at once the first wins, for good.
 *
 * @returns what the file holds: `text`, or what the winner wrote
 */
export function createFile(path: string, text: string, mode: number): string {
  const beside = writeBeside(path, text, mode);
  try {
    linkSync(beside, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return readFileSync(path, 'utf8');
  } finally {
    rmSync(beside, { force: true });
  }
  syncFolder(path);
  return text;
}

/** The file's text, undefined when there is none. */
export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
