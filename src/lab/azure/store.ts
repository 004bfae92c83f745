import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { type ResourceType, resourceKey, resourceName } from './ids.ts';

/** Where a resource stands between being asked for and being there. Azure's words. */
export type ProvisioningState = 'Creating' | 'Updating' | 'Succeeded' | 'Failed' | 'Deleting';

export interface Resource<P = unknown> {
  /** ARM id, in the case its creator used. */
  id: string;
  type: ResourceType;
  name: string;
  provisioningState: ProvisioningState;
  /** Why the last attempt failed; only beside `Failed`. */
  error?: string;
  properties: P;
  /** Milliseconds since 1970, by the machine's clock at that time. */
  createdAt: number;
}

interface Row {
  id: string;
  type: string;
  state: string;
  error: string | null;
  properties: string;
  created: number;
}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS resources (
    key TEXT PRIMARY KEY,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    state TEXT NOT NULL,
    error TEXT,
    properties TEXT NOT NULL,
    created INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS resources_by_type ON resources (type);
`;

/**
 * The resource store: the lab's only source of truth. Every write is on disk when the call returns
 * (SQLite in WAL mode with synchronous=FULL), so what was acknowledged survives kill -9 and power loss.
 */
export class ResourceStore {
  readonly #db: DatabaseSync;
  readonly #upsert: StatementSync;
  readonly #select: StatementSync;
  readonly #selectType: StatementSync;
  readonly #remove: StatementSync;
  #depth = 0;

  /** @param path the database file, or `:memory:`. The file and its folder are made for their owner alone. */
  constructor(path: string) {
    if (path !== ':memory:') {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      // SQLite would make it readable for all; its log and index files take the mode of the database.
      closeSync(openSync(path, 'a', 0o600));
    }
    this.#db = new DatabaseSync(path);
    this.#db.exec('PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=5000;');
    this.#db.exec(SCHEMA);
    this.#upsert = this.#db.prepare(
      `INSERT INTO resources (key, id, type, state, error, properties, created) VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (key) DO UPDATE SET state = excluded.state, error = excluded.error, properties = excluded.properties`,
    );
    this.#select = this.#db.prepare('SELECT * FROM resources WHERE key = ?');
    this.#selectType = this.#db.prepare('SELECT * FROM resources WHERE type = ? ORDER BY rowid');
    this.#remove = this.#db.prepare('DELETE FROM resources WHERE key = ?');
  }

  get<P>(id: string): Resource<P> | undefined {
    const row = this.#select.get(resourceKey(id)) as Row | undefined;
    return row && fromRow<P>(row);
  }

  /** All resources of a type, oldest first; with `under`, only the children of that id. */
  list<P>(type: ResourceType, under?: string): Resource<P>[] {
    const rows = this.#selectType.all(type) as unknown as Row[];
    const prefix = under === undefined ? '' : `${resourceKey(under)}/`;
    return rows.filter((row) => resourceKey(row.id).startsWith(prefix)).map((row) => fromRow<P>(row));
  }

  /** Writes a resource whole; it keeps the id, the place in the order and the time of its first writing. */
  put<P>(resource: Omit<Resource<P>, 'name' | 'createdAt'>): Resource<P> {
    this.#upsert.run(
      resourceKey(resource.id),
      resource.id,
      resource.type,
      resource.provisioningState,
      resource.error ?? null,
      JSON.stringify(resource.properties),
      Date.now(),
    );
    return this.get<P>(resource.id)!;
  }

  /** Changes the state, and nothing else, of a resource that exists. */
  setState(id: string, provisioningState: ProvisioningState, error?: string): void {
    const found = this.get(id);
    if (!found) return;
    const { error: _former, ...rest } = found;
    this.put({ ...rest, provisioningState, ...(error === undefined ? {} : { error }) });
  }

  delete(id: string): void {
    this.#remove.run(resourceKey(id));
  }

  /**
   * Runs `body` with all its writes landing together or not at all; within another transaction it is a part of
   * that one. `body` is synchronous, so nobody else's writes come in between.
   */
  transaction<T>(body: () => T): T {
    if (this.#depth > 0) return body();
    this.#db.exec('BEGIN IMMEDIATE');
    this.#depth++;
    try {
      const result = body();
      if (result instanceof Promise) throw new TypeError('transaction: the body must be synchronous');
      this.#db.exec('COMMIT');
      return result;
    } catch (error) {
      // After a full disk or an I/O error SQLite has rolled back by itself.
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    } finally {
      this.#depth--;
    }
  }

  close(): void {
    this.#db.close();
  }
}

function fromRow<P>(row: Row): Resource<P> {
  return {
    id: row.id,
    type: row.type as ResourceType,
    name: resourceName(row.id),
    provisioningState: row.state as ProvisioningState,
    ...(row.error === null ? {} : { error: row.error }),
    properties: JSON.parse(row.properties) as P,
    createdAt: row.created,
  };
}
