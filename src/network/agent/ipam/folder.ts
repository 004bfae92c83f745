import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { lockFile } from './lock.ts';

/** A file that is being written. */
export interface StateFile {
  /** Adds bytes at the end. After a failure or a crash any part of them may be there. */
  append(bytes: Uint8Array): Promise<void>;
  /** Resolves when all that was appended is on disk. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** The few operations on disk that the journal is made of; tests put crashes and failures between them. */
export interface StateFolder {
  readonly path: string;
  /** Takes the folder for this process alone, and returns how to give it back. @throws IpamError `locked` */
  lock(): Promise<() => Promise<void>>;
  /** The whole file; undefined when there is none. */
  read(name: string): Promise<Uint8Array | undefined>;
  /** Makes an empty file, in place of one of that name. */
  create(name: string): Promise<StateFile>;
  /** Puts a file in place of another at one stroke. */
  rename(from: string, to: string): Promise<void>;
  /** Resolves when the names in the folder are on disk (fsync of the folder). */
  sync(): Promise<void>;
}

/**
 * A real folder, made with mode 0700 where it is missing; its files have mode 0600.
 * @param path absolute
 */
export async function openFolder(path: string): Promise<StateFolder> {
  const firstMade = await mkdir(path, { recursive: true, mode: 0o700 });
  // A new folder's name is in its parent: without this a power cut could take the whole folder away.
  const highest = firstMade === undefined ? dirname(path) : dirname(firstMade);
  for (let parent = dirname(path); ; parent = dirname(parent)) {
    await syncFolder(parent);
    if (parent === highest || parent === dirname(parent)) break;
  }
  return {
    path,
    lock: () => lockFile(join(path, 'lock')),
    read: (name) => readOrNothing(join(path, name)),
    create: async (name) => fileOf(await open(join(path, name), TRUNCATED, 0o600)),
    rename: (from, to) => rename(join(path, from), join(path, to)),
    sync: () => syncFolder(path),
  };
}

/** O_DSYNC: a write is on disk when it is over. One turn of the thread pool instead of two, with fdatasync. */
const TRUNCATED =
  constants.O_WRONLY |
  constants.O_CREAT |
  constants.O_TRUNC |
  constants.O_APPEND |
  constants.O_DSYNC |
  constants.O_NOFOLLOW;

function fileOf(handle: FileHandle): StateFile {
  return {
    append: (bytes) => handle.appendFile(bytes),
    sync: () => Promise.resolve(), // O_DSYNC
    close: () => handle.close(),
  };
}

async function readOrNothing(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
