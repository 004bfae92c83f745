import { IpamError } from './error.ts';
import type { StateFile, StateFolder } from './folder.ts';

/** A number from 0 to `below` - 1: how a crash or a failure falls out. */
export type Chance = (below: number) => number;

/** What a crash leaves. A killed process leaves the page cache; a power cut only what was synced, and some more. */
export type CrashKind = 'process' | 'power';

interface Inode {
  data: Buffer;
  /** Bytes at the start that a power cut leaves alone. */
  synced: number;
}

/**
 * A disk in memory, for tests: one folder, with the guarantees of a POSIX file system and not one more. Appended
 * bytes survive a power cut for certain once they are synced; before that any part may be there, or zeros in its
 * place. Names survive once the folder is synced; before that any number of the latest changes may be missing.
 */
export class FakeDisk {
  /** Operations so far: the boundaries at which a crash can be placed. */
  operations = 0;
  /** The number of the operation at which everything stops, half done. */
  crashAt = Number.POSITIVE_INFINITY;
  /** The numbers of operations that fail half done, as on a full or broken disk. */
  readonly failAt = new Set<number>();
  crashed = false;
  readonly #chance: Chance;
  #names = new Map<string, Inode>();
  #durableNames = new Map<string, Inode>();
  #nameChanges: ((names: Map<string, Inode>) => void)[] = [];
  #run = 0;
  #locked = false;

  constructor(chance: Chance) {
    this.#chance = chance;
  }

  /** The folder as a new process sees it. */
  open(): StateFolder {
    const run = this.#run;
    const step = (half: () => void, whole: () => void) => this.#step(run, half, whole);
    const change = (edit: (names: Map<string, Inode>) => void) => {
      edit(this.#names);
      this.#nameChanges.push(edit);
    };
    return {
      path: '/fake',
      lock: async () => {
        if (this.#locked) {
          throw new IpamError('locked', { field: 'state', value: '/fake', rule: 'is locked', fix: 'wait' });
        }
        this.#locked = true;
        return async () => {
          if (run === this.#run) this.#locked = false;
        };
      },
      read: async (name) => {
        await step(nothing, nothing);
        const inode = this.#names.get(name);
        return inode && Buffer.from(inode.data);
      },
      create: async (name) => {
        const inode: Inode = { data: Buffer.alloc(0), synced: 0 };
        await step(nothing, () => change((names) => names.set(name, inode)));
        return this.#file(inode, step);
      },
      rename: (from, to) =>
        step(nothing, () => {
          const inode = this.#names.get(from);
          if (!inode) throw new Error(`ENOENT: ${from}`);
          change((names) => {
            names.delete(from);
            names.set(to, inode);
          });
        }),
      sync: () =>
        step(
          () => this.#settleNames(this.#chance(this.#nameChanges.length + 1)),
          () => this.#settleNames(this.#nameChanges.length),
        ),
    };
  }

  /** Comes back after a crash, or ends the process in the middle of nothing. */
  restart(kind: CrashKind): void {
    this.#run++;
    this.#locked = false;
    this.crashed = false;
    this.crashAt = Number.POSITIVE_INFINITY;
    this.failAt.clear();
    if (kind === 'process') return;
    const inodes = new Set([...this.#names.values(), ...this.#durableNames.values()]);
    this.#settleNames(this.#chance(this.#nameChanges.length + 1));
    this.#nameChanges = [];
    this.#names = new Map(this.#durableNames);
    for (const inode of inodes) this.#tear(inode);
  }

  /** Overwrites a byte of a file, as a dying disk would. */
  damage(name: string, offset: number): void {
    const inode = this.#names.get(name);
    if (!inode) throw new Error(`no ${name}`);
    inode.data[offset] = inode.data[offset]! ^ 0x55;
  }

  /** The file as it is, or undefined. */
  contents(name: string): Buffer | undefined {
    return this.#names.get(name)?.data;
  }

  /** Puts a file there, durably. */
  put(name: string, data: Buffer): void {
    const inode = { data, synced: data.length };
    this.#names.set(name, inode);
    this.#durableNames.set(name, inode);
  }

  #file(inode: Inode, step: (half: () => void, whole: () => void) => Promise<void>): StateFile {
    return {
      append: (bytes) =>
        step(
          () => {
            inode.data = Buffer.concat([inode.data, bytes.subarray(0, this.#chance(bytes.length + 1))]);
          },
          () => {
            inode.data = Buffer.concat([inode.data, bytes]);
          },
        ),
      sync: () =>
        step(
          () => {
            inode.synced += this.#chance(inode.data.length - inode.synced + 1);
          },
          () => {
            inode.synced = inode.data.length;
          },
        ),
      close: async () => {},
    };
  }

  async #step(run: number, half: () => void, whole: () => void): Promise<void> {
    // The answer comes later, as from a disk, so that other requests gather meanwhile.
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (run !== this.#run || this.crashed) throw new Error('the process is dead');
    const number = this.operations++;
    if (number >= this.crashAt) {
      this.crashed = true;
      half();
      throw new Error('the process is dead');
    }
    if (this.failAt.has(number)) {
      half();
      throw new Error('EIO: the disk failed');
    }
    whole();
  }

  #settleNames(count: number): void {
    for (const edit of this.#nameChanges.splice(0, count)) edit(this.#durableNames);
  }

  /** Keeps what was synced, and some of the rest, perhaps with a hole of zeros in it. */
  #tear(inode: Inode): void {
    const rest = Buffer.from(inode.data.subarray(inode.synced));
    const kept = rest.subarray(0, this.#chance(rest.length + 1));
    if (kept.length > 0 && this.#chance(2) === 0) {
      const from = this.#chance(kept.length);
      kept.fill(0, from, from + this.#chance(kept.length - from + 1));
    }
    inode.data = Buffer.concat([inode.data.subarray(0, inode.synced), kept]);
    inode.synced = inode.data.length;
  }
}

function nothing(): void {}
