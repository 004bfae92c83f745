import type { JournalWriter } from './journal.ts';

/** Changes grow the file to this many bytes before it is rewritten: some thousand attachments. */
export const REWRITE_AFTER_BYTES = 1024 * 1024;

/** Where a {@link Committer} gets the state from, and tells what became durable. */
export interface Committed<Change> {
  /** The durable state, for a rewrite. */
  state(): unknown;
  /** These changes are on disk: called in order, before their callers hear of it. */
  durable(changes: readonly Change[]): void;
  /** Nothing that is waiting will be on disk: called before their callers hear of it. */
  failed(error: unknown): void;
}

/** How often the disk was used, since the start. */
export interface CommitCounts {
  /** Changes made durable. */
  changes: number;
  /** Times the disk was waited for; fewer than the changes when several shared one. */
  commits: number;
  rewrites: number;
  failures: number;
}

interface Waiting<Change> {
  readonly change: Change | undefined;
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

/**
 * Group commit: while the disk is busy, changes gather, and then go to it as one line. The first failure fails all
 * that wait, since the later ones were made on top of the earlier.
 */
export class Committer<Change> {
  readonly counts: CommitCounts = { changes: 0, commits: 0, rewrites: 0, failures: 0 };
  readonly #writer: JournalWriter;
  readonly #owner: Committed<Change>;
  readonly #rewriteAfterBytes: number;
  #waiting: Waiting<Change>[] = [];
  #running: Promise<void> | undefined;

  /** @param rewriteAfterBytes how many bytes of changes may gather in the file */
  constructor(writer: JournalWriter, owner: Committed<Change>, rewriteAfterBytes = REWRITE_AFTER_BYTES) {
    this.#rewriteAfterBytes = rewriteAfterBytes;
    this.#writer = writer;
    this.#owner = owner;
  }

  /**
   * Whether the disk is known to hold what was acknowledged and nothing more. After a failed write it may hold
   * changes that nobody was told of; an answer that needs no change has to wait for `commit(undefined)` then.
   */
  get sound(): boolean {
    return this.#writer.sound;
  }

  /** Resolves when the change is on disk; without one, when the disk holds what was acknowledged. */
  commit(change: Change | undefined): Promise<void> {
    return new Promise((done, failed) => {
      this.#waiting.push({ change, done, failed });
      this.#running ??= this.#run();
    });
  }

  /** Resolves when nothing waits any more. */
  async drain(): Promise<void> {
    while (this.#running) await this.#running;
  }

  async #run(): Promise<void> {
    // A turn of the microtask queue first: what is asked for in one go then shares the first commit too.
    await undefined;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      await this.#write(batch);
    }
    this.#running = undefined;
  }

  async #write(batch: readonly Waiting<Change>[]): Promise<void> {
    const changes = batch.flatMap((one) => (one.change === undefined ? [] : [one.change]));
    try {
      if (!this.#writer.sound || this.#writer.changeBytes > this.#rewriteAfterBytes) {
        await this.#writer.rewrite(this.#owner.state());
        this.counts.rewrites++;
      }
      if (changes.length > 0) await this.#writer.append(changes);
    } catch (error) {
      this.counts.failures++;
      const all = [...batch, ...this.#waiting];
      this.#waiting = [];
      this.#owner.failed(error);
      for (const one of all) one.failed(error);
      return;
    }
    this.counts.commits++;
    this.counts.changes += changes.length;
    this.#owner.durable(changes);
    for (const one of batch) one.done();
  }
}
