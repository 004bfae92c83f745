import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

// One append-only table. A row's id is the revision, which clients see as resourceVersion. The value before is not repeated in the row:
// `previous` names the row that has it, and compaction removes that row only together with the history that could ask for it.
// `current` is the index of what exists now.
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS revisions (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    created INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    previous INTEGER NOT NULL,
    value TEXT NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS revisions_by_key ON revisions (key, id, deleted);
  CREATE TABLE IF NOT EXISTS current (key TEXT PRIMARY KEY, id INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  INSERT OR IGNORE INTO settings VALUES ('format', 1);
  INSERT OR IGNORE INTO settings VALUES ('compacted', 0);
  -- Revision 0 means "any" to clients, so that the first one an empty store answers with is 1.
  INSERT OR IGNORE INTO revisions SELECT 1, '', 0, 1, 0, '{}' WHERE NOT EXISTS (SELECT 1 FROM revisions);
`;

/**
 * Opens the database file, made for its owner alone, or `:memory:`. One process has it: a second one is refused at once.
 * WAL with synchronous=FULL: a COMMIT that returned survives kill -9 and power loss.
 * @throws Error when another process has it, or another version wrote it
 */
export function openDatabase(path: string): DatabaseSync {
  if (path !== ':memory:') {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    // SQLite would make it readable for all; its log takes the mode of the database.
    closeSync(openSync(path, 'a', 0o600));
  }
  const db = new DatabaseSync(path);
  try {
    db.exec(`PRAGMA locking_mode=EXCLUSIVE; PRAGMA busy_timeout=2000; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
      PRAGMA journal_size_limit=16777216; PRAGMA cache_size=-4000;`);
    db.exec(SCHEMA);
    const row = db.prepare("SELECT value FROM settings WHERE name = 'format'").get() as { value: number };
    if (row.value !== 1)
      throw new Error(
        `${path}: written in format ${row.value}, this program knows format 1; use the program that wrote it`,
      );
    return db;
  } catch (error) {
    db.close();
    if (error instanceof Error && /database is locked/.test(error.message))
      throw new Error(`${path}: another API server has this file open; end it first`, { cause: error });
    throw error;
  }
}
