import { passes } from './codec.ts';
import type { Connection, ConnectionFilter, Conntrack } from './conntrack.ts';

/** Connections in memory, for tests without root. */
export class FakeConntrack implements Conntrack {
  readonly connections = new Set<Connection>();

  add(connection: Connection): this {
    this.connections.add(connection);
    return this;
  }

  each(filter: ConnectionFilter, visit: (connection: Connection) => void): void {
    for (const connection of [...this.connections]) if (passes(connection, filter)) visit(connection);
  }

  list(filter: ConnectionFilter = {}): Connection[] {
    return [...this.connections].filter((connection) => passes(connection, filter));
  }

  delete(connection: Connection): boolean {
    return this.connections.delete(connection);
  }

  count(): number {
    return this.connections.size;
  }

  close(): void {}

  [Symbol.dispose](): void {}
}
