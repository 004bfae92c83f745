import { readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { CriClient } from '../cri.ts';

/** Upstream's defaults: a log this large is put aside, and so many files are kept of a container. */
export const LARGEST_LOG = 10 * 1024 * 1024;
export const MOST_FILES = 5;

/** The suffix of a log that was put aside: `20260131-093000`. */
function stamp(now: number): string {
  return new Date(now).toISOString().slice(0, 19).replace(/[-:]/g, '').replace('T', '-');
}

/**
 * Puts a running container's log aside when it is too large, and removes the oldest of those put aside.
 *
 * @param path - the log on the node
 * @returns whether it was put aside
 */
export async function rotateLog(
  cri: Pick<CriClient, 'reopenContainerLog'>,
  containerId: string,
  path: string,
  now = Date.now(),
): Promise<boolean> {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size < LARGEST_LOG) return false;
  const aside = `${path}.${stamp(now)}`;
  renameSync(path, aside);
  try {
    await cri.reopenContainerLog(containerId);
  } catch (error) {
    // The runtime still writes to the old file, which therefore keeps its name.
    renameSync(aside, path);
    throw error;
  }
  const prefix = `${basename(path)}.`;
  const old = readdirSync(dirname(path))
    .filter((name) => name.startsWith(prefix))
    .sort();
  for (const name of old.slice(0, Math.max(0, old.length - (MOST_FILES - 1))))
    rmSync(join(dirname(path), name), { force: true });
  return true;
}
