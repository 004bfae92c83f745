import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createNamespace, deleteNamespace } from './netns.ts';

const PREFIX = 'fly-test-';
let made = 0;

/**
 * Namespaces for one test file, pinned below the system's folder for temporary files. What a killed run of any
 * test left behind is removed when the next one begins.
 */
export class TestNamespaces {
  readonly folder = join(
    tmpdir(),
    `${PREFIX}${process.pid}-${Date.now().toString(36)}${(made++).toString(36)}`,
  );

  constructor() {
    sweep();
    mkdirSync(this.folder, { mode: 0o700 });
  }

  /** Makes a namespace and returns its path. */
  make(name: string): string {
    const path = join(this.folder, name);
    createNamespace(path);
    return path;
  }

  /** Runs a program inside a namespace and returns what it printed. */
  run(netns: string, program: string, ...argv: string[]): string {
    return execFileSync('nsenter', [`--net=${netns}`, program, ...argv], { encoding: 'utf8' });
  }

  /** The same for programs that print JSON, such as `ip -j`. */
  json<T>(netns: string, program: string, ...argv: string[]): T {
    return JSON.parse(this.run(netns, program, ...argv) || '[]') as T;
  }

  /** Removes all of them. */
  cleanup(): void {
    remove(this.folder);
  }
}

function remove(folder: string): void {
  for (const name of readdirSync(folder)) deleteNamespace(join(folder, name));
  rmSync(folder, { recursive: true });
}

function sweep(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = /^fly-test-(\d+)-[0-9a-z]+$/.exec(name)?.[1];
    if (pid !== undefined && !alive(Number(pid))) remove(join(tmpdir(), name));
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
