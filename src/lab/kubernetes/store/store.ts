import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { openDatabase } from './schema.ts';

/** A stored object as it stands: its JSON text and the revision that wrote it. */
export interface Stored {
  revision: number;
  value: string;
}

/** One change, as history and commits tell it. */
export interface Change {
  revision: number;
  key: string;
  created: boolean;
  deleted: boolean;
  /** For a deletion the last state, with the deletion's revision. */
  value: string;
  /** Undefined for a creation. */
  previous: string | undefined;
}

/** Where a page of a list goes on: the row to read and its key. */
export interface Position {
  id: number;
  key: string;
}

/** The row that a write expects is not the one that is there. */
export class RevisionConflict extends Error {
  override name = 'RevisionConflict';
}

interface Batch {
  changes: Change[];
  done: Promise<void>;
  resolve(): void;
  reject(error: unknown): void;
}

/** The smallest string above all that start with `prefix`, whose last character is a slash. */
const endOf = (prefix: string): string => `${prefix.slice(0, -1)}0`;

interface HistoryRow {
  id: number;
  key: string;
  created: number;
  deleted: number;
  value: string;
  previous: string | null;
}

/**
 * The API server's memory on disk: an append-only table of revisions and an index of what is current. Writers of one turn of the event loop
 * share one transaction and one fsync; a write counts when its promise resolves. Reading and writing are synchronous, so code without
 * an `await` between reading and writing needs no retries. Readers see the turn's writes before they are on disk: await `durable()`
 * before telling anyone.
 */
export class Store {
  readonly #db: DatabaseSync;
  readonly #statements: Record<
    'get' | 'value' | 'current' | 'at' | 'history' | 'count' | 'insert' | 'upsert' | 'drop' | 'size',
    StatementSync
  >;
  readonly #listeners = new Set<(changes: readonly Change[]) => void>();
  #revision: number;
  #committed: number;
  #compacted: number;
  #batch: Batch | undefined;

  /** @param path the database file or `:memory:` */
  constructor(path: string) {
    const db = openDatabase(path);
    this.#db = db;
    this.#statements = {
      get: db.prepare(
        'SELECT r.id AS revision, r.value AS value FROM current c JOIN revisions r ON r.id = c.id WHERE c.key = ?',
      ),
      value: db.prepare('SELECT value FROM revisions WHERE id = ?'),
      current: db.prepare('SELECT id, key FROM current WHERE key > ? AND key < ? ORDER BY key LIMIT ?'),
      at: db.prepare(`SELECT id, key FROM (SELECT max(id) AS id, key, deleted FROM revisions WHERE key > ? AND key < ? AND id <= ?
        GROUP BY key) WHERE deleted = 0 ORDER BY key LIMIT ?`),
      history:
        db.prepare(`SELECT r.id AS id, r.key AS key, r.created AS created, r.deleted AS deleted, r.value AS value, p.value AS previous
        FROM revisions r LEFT JOIN revisions p ON p.id = r.previous
        WHERE r.id > ? AND r.id <= ? AND r.key >= ? AND r.key < ? ORDER BY r.id LIMIT ?`),
      count: db.prepare('SELECT count(*) AS count FROM current WHERE key > ? AND key < ?'),
      insert: db.prepare(
        'INSERT INTO revisions (id, key, created, deleted, previous, value) VALUES (?, ?, ?, ?, ?, ?)',
      ),
      upsert: db.prepare(
        'INSERT INTO current (key, id) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET id = excluded.id',
      ),
      drop: db.prepare('DELETE FROM current WHERE key = ?'),
      size: db.prepare('SELECT page_count * page_size AS bytes FROM pragma_page_count(), pragma_page_size()'),
    };
    this.#revision = Number((db.prepare('SELECT max(id) AS id FROM revisions').get() as { id: number }).id);
    this.#committed = this.#revision;
    this.#compacted = Number(
      (db.prepare("SELECT value FROM settings WHERE name = 'compacted'").get() as { value: number }).value,
    );
  }

  /** The newest revision on disk. */
  get revision(): number {
    return this.#committed;
  }

  /** History up to here is gone; a watch may start here, a list may not be older. */
  get compacted(): number {
    return this.#compacted;
  }

  /** Bytes of the database, without its log. */
  get bytes(): number {
    return Number((this.#statements.size.get() as { bytes: number }).bytes);
  }

  get(key: string): Stored | undefined {
    return this.#statements.get.get(key) as Stored | undefined;
  }

  /** The text that a revision wrote. Undefined once compacted. */
  value(revision: number): string | undefined {
    return (this.#statements.value.get(revision) as { value: string } | undefined)?.value;
  }

  /** What exists below `prefix` (ends in a slash), ordered by key, after the key `after`. Only positions: values are read as they are sent. */
  current(prefix: string, after = prefix, limit = -1): Position[] {
    return this.#statements.current.all(after, endOf(prefix), limit) as unknown as Position[];
  }

  /** As `current`, at an older revision. The caller checks `compacted`. */
  at(revision: number, prefix: string, after = prefix, limit = -1): Position[] {
    return this.#statements.at.all(after, endOf(prefix), revision, limit) as unknown as Position[];
  }

  count(prefix: string, after = prefix): number {
    return Number((this.#statements.count.get(after, endOf(prefix)) as { count: number }).count);
  }

  /** Committed changes after a revision, oldest first, below `prefix`. */
  history(after: number, prefix: string, limit: number): Change[] {
    const rows = this.#statements.history.all(
      after,
      this.#committed,
      prefix,
      endOf(prefix),
      limit,
    ) as unknown as HistoryRow[];
    return rows.map((row) => ({
      revision: row.id,
      key: row.key,
      created: row.created === 1,
      deleted: row.deleted === 1,
      value: row.value,
      previous: row.previous ?? undefined,
    }));
  }

  /**
   * Writes one object. `make` gets the revision that the row will have.
   * @param expected the revision that must be there now; 0 for none
   * @returns the revision and the promise that it is on disk
   * @throws RevisionConflict when another one is there
   */
  put(
    key: string,
    expected: number,
    make: (revision: number) => string,
  ): { revision: number; done: Promise<void> } {
    return this.#write(key, expected, make, false);
  }

  /** Removes one object; `make` gives its last state. @throws RevisionConflict */
  remove(
    key: string,
    expected: number,
    make: (revision: number) => string,
  ): { revision: number; done: Promise<void> } {
    return this.#write(key, expected, make, true);
  }

  #write(key: string, expected: number, make: (revision: number) => string, deleted: boolean) {
    const before = this.get(key);
    if ((before?.revision ?? 0) !== expected)
      throw new RevisionConflict(`${key}: expected revision ${expected}, found ${before?.revision ?? 0}`);
    const revision = this.#revision + 1;
    const value = make(revision);
    const batch = this.#begin();
    try {
      this.#statements.insert.run(revision, key, expected === 0 ? 1 : 0, deleted ? 1 : 0, expected, value);
      if (deleted) this.#statements.drop.run(key);
      else this.#statements.upsert.run(key, revision);
    } catch (error) {
      // Half a write must not be committed with the others of the turn (disk full, for instance): none of them counts.
      this.#fail(batch, error);
      throw error;
    }
    this.#revision = revision;
    batch.changes.push({
      revision,
      key,
      created: expected === 0,
      deleted,
      value,
      previous: before?.value,
    });
    return { revision, done: batch.done };
  }

  #begin(): Batch {
    if (this.#batch) return this.#batch;
    this.#db.exec('BEGIN IMMEDIATE');
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    // Whoever wrote awaits it; when they have all gone, a failure is nobody's and must not end the process.
    promise.catch(() => {});
    this.#batch = { changes: [], done: promise, resolve, reject };
    setImmediate(() => this.flush());
    return this.#batch;
  }

  /** Commits what the turn has written so far. */
  flush(): void {
    const batch = this.#batch;
    if (!batch) return;
    try {
      this.#db.exec('COMMIT');
    } catch (error) {
      this.#fail(batch, error);
      return;
    }
    this.#batch = undefined;
    this.#committed = this.#revision;
    batch.resolve();
    if (batch.changes.length > 0) for (const listener of this.#listeners) listener(batch.changes);
  }

  #fail(batch: Batch, error: unknown): void {
    this.#batch = undefined;
    this.#revision = this.#committed;
    try {
      this.#db.exec('ROLLBACK');
    } catch {
      // SQLite has rolled back by itself.
    }
    batch.reject(error);
  }

  /** Resolves when all that a reader can see is on disk; undefined when it is. Rejects when it never will be. */
  durable(): Promise<void> | undefined {
    return this.#batch?.done;
  }

  /** Told of each commit's changes, in order, after they are on disk. Returns what ends it. */
  onCommit(listener: (changes: readonly Change[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Forgets the history up to a revision: superseded and deleted rows. Bounded work: at most `span` revisions a call.
   * @returns true when there is more to do
   */
  compact(upTo: number, span = 2_000): boolean {
    this.flush();
    const from = this.#compacted;
    // The newest row stays, whatever it is: the next revision is counted from it.
    const to = Math.min(upTo, this.#committed - 1, from + span);
    if (to <= from) return false;
    this.#begin();
    this.#db
      .prepare(
        'DELETE FROM revisions WHERE id IN (SELECT previous FROM revisions WHERE id > ? AND id <= ? AND previous > 0)',
      )
      .run(from, to);
    this.#db.prepare('DELETE FROM revisions WHERE id > ? AND id <= ? AND deleted = 1').run(from, to);
    this.#db.prepare("UPDATE settings SET value = ? WHERE name = 'compacted'").run(to);
    this.flush();
    this.#compacted = to;
    return to < Math.min(upTo, this.#committed - 1);
  }

  close(): void {
    this.flush();
    this.#db.close();
  }
}
