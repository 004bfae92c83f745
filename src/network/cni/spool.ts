import {
  type FSWatcher,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  watch,
} from 'node:fs';
import { join } from 'node:path';
import { CNI_CODES, CniError } from './errors.ts';
import { type CniRequest, decodeRequest } from './protocol.ts';
import { MAX_SPOOLED_BYTES, SPOOL_SUFFIX, spoolName } from './spool-name.ts';
import type { CniAttachment } from './types.ts';

/** The DELs that fronts left behind while no agent answered. */
export interface Spool {
  nameOf(of: CniAttachment): string;
  /** The DEL in this file. Undefined when there is none (any more); one that cannot be used is reported and set aside as `<name>.rejected`. */
  read(name: string): CniRequest | undefined;
  /** Every DEL that waits, oldest first. */
  list(): { name: string; request: CniRequest }[];
  remove(name: string): void;
  /** Calls back when something new may be there: on a change of the directory, and every 30 s. */
  watch(changed: () => void): void;
  stop(): void;
}

const RESCAN_MS = 30_000;
const ABANDONED_MS = 600_000;

/** Opens a spool directory, made with mode 0700 when it is missing. */
export function createSpool(directory: string, onError: (error: unknown, where: string) => void): Spool {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  let watcher: FSWatcher | undefined;
  let timer: NodeJS.Timeout | undefined;

  function read(name: string): CniRequest | undefined {
    const path = join(directory, name);
    let content: string;
    try {
      if (statSync(path).size > MAX_SPOOLED_BYTES)
        return reject(path, `it is larger than ${MAX_SPOOLED_BYTES} bytes`);
      content = readFileSync(path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
    const decoded = decodeRequest(content);
    if (!decoded.ok) return reject(path, `${decoded.failure.msg}: ${decoded.failure.details}`);
    if (decoded.value.command !== 'DEL' || spoolName(decoded.value) !== name) {
      return reject(path, 'it is not the DEL that its name stands for');
    }
    return decoded.value;
  }

  function reject(path: string, reason: string): undefined {
    onError(new CniError(CNI_CODES.decodeFailure, `unusable file ${path}`, reason), `spool ${directory}`);
    renameSync(path, `${path}.rejected`);
  }

  /** A dot file is one that a front is still writing, or was when it was killed: that one goes. */
  function sweep(name: string): void {
    const path = join(directory, name);
    const since = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
    if (since !== undefined && Date.now() - since > ABANDONED_MS) rmSync(path, { force: true });
  }

  return {
    nameOf: spoolName,
    read,
    list() {
      const found: { name: string; request: CniRequest; since: number }[] = [];
      for (const name of readdirSync(directory)) {
        if (name.startsWith('.')) sweep(name);
        if (!name.endsWith(SPOOL_SUFFIX) || name.startsWith('.')) continue;
        const request = read(name);
        const since = statSync(join(directory, name), { throwIfNoEntry: false })?.mtimeMs;
        if (request && since !== undefined) found.push({ name, request, since });
      }
      return found.sort((a, b) => a.since - b.since);
    },
    remove(name) {
      try {
        unlinkSync(join(directory, name));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
    },
    watch(changed) {
      timer = setInterval(changed, RESCAN_MS);
      timer.unref();
      watcher = watch(directory, { persistent: false }, (event, name) => {
        if (event === 'rename' && name?.endsWith(SPOOL_SUFFIX)) changed();
      });
      watcher.on('error', (error) => onError(error, `watch ${directory}`));
    },
    stop() {
      clearInterval(timer);
      watcher?.close();
    },
  };
}
