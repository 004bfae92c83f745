import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createNamespace, deleteNamespace } from '../../src/kernel/netns.ts';

/** Everything that a bench makes on disk is in folders that begin so. /tmp may be in memory; this is a disk. */
const PREFIX = '/var/tmp/fly-bench-';

/** The folder of the bench whose outer process is `pid`. */
export function scratchFolder(pid: number): string {
  return `${PREFIX}${pid}`;
}

/** Removes the folders of processes that are no more. Their namespaces and mounts died with them. */
export function sweepScratch(): void {
  for (const name of readdirSync('/var/tmp')) {
    const pid = /^fly-bench-(\d+)$/.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) {
      rmSync(join('/var/tmp', name), { recursive: true, force: true });
    }
  }
}

/**
 * A folder for the files, sockets and namespaces of one measurement. It is not meant for the machine's own mount
 * namespace: what pins the namespaces has to vanish with the process.
 */
export class Scratch {
  readonly folder: string;
  readonly #last: (() => void)[] = [];

  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  /** A path below the folder. */
  path(...parts: string[]): string {
    return join(this.folder, ...parts);
  }

  /** Where the namespace of this name is pinned. */
  namespacePath(name: string): string {
    return this.path('netns', name);
  }

  /** Makes an empty network namespace and returns its path. */
  namespace(name: string): string {
    const path = this.namespacePath(name);
    createNamespace(path);
    this.onRemove(() => deleteNamespace(path));
    return path;
  }

  /** What has to be done before the folder can go. */
  onRemove(action: () => void): void {
    this.#last.push(action);
  }

  remove(): void {
    for (const action of this.#last.splice(0).reverse()) action();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
