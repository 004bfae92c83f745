import { MessageWriter, NLM_F_ACK } from '../netlink/attributes.ts';
import { kernelError, NETLINK_NETFILTER, NetlinkSocket } from '../netlink/socket.ts';
import {
  beginMessage,
  MSG,
  passes,
  readConnection,
  readCount,
  writeConnection,
  writeFilter,
} from './codec.ts';
import type { Connection, ConnectionFilter, Conntrack } from './conntrack.ts';

const ENOENT = 2;

export interface ConntrackOptions {
  /** Path of the network namespace; the caller's own when absent. The socket stays in it. */
  readonly netns?: string | undefined;
}

/**
 * Connection tracking of one network namespace, by ctnetlink. Needs CAP_NET_ADMIN there. All calls are synchronous; not
 * for use by two callers at once, nor inside `visit`.
 */
export class ConntrackSocket implements Conntrack {
  readonly #socket: NetlinkSocket;

  private constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** @throws KernelError when the namespace cannot be entered or the kernel has no netfilter netlink. */
  static open(options: ConntrackOptions = {}): ConntrackSocket {
    return new ConntrackSocket(NetlinkSocket.open(NETLINK_NETFILTER, { netns: options.netns }));
  }

  each(filter: ConnectionFilter, visit: (connection: Connection) => void): void {
    for (const family of this.#families(filter)) {
      const w = beginMessage(new MessageWriter(256), MSG.get, family);
      writeFilter(w, family === undefined ? filter : { ...filter, family });
      this.#socket.dump(
        w,
        (message) => {
          const connection = readConnection(message);
          // An older kernel does not know all filters, and says nothing.
          if (connection && passes(connection, filter)) visit(connection);
          return undefined;
        },
        'list connections',
        this.#object(),
      );
    }
  }

  list(filter: ConnectionFilter = {}): Connection[] {
    const found = new Map<string, Connection>();
    this.each(filter, (connection) => found.set(`${connection.zone} ${connection.id}`, connection));
    return [...found.values()];
  }

  delete(connection: Connection): boolean {
    const w = beginMessage(new MessageWriter(256), MSG.delete, connection.family);
    writeConnection(w, connection);
    w.addFlags(0, NLM_F_ACK);
    const error = this.#socket.exchange(w).errors[0];
    if (error === undefined) return true;
    if (error.errno === ENOENT) return false;
    const { source, destination } = connection.original;
    throw kernelError(error, 'delete connection', `${source} to ${destination}${this.#place()}`);
  }

  count(): number {
    const w = beginMessage(new MessageWriter(64), MSG.getStats, undefined);
    const replies = this.#socket.request(w, 'count connections', this.#object());
    return (replies[0] && readCount(replies[0])) ?? 0;
  }

  close(): void {
    this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** A filter by protocol is one for each family. */
  #families({ family, protocol }: ConnectionFilter): readonly (4 | 6 | undefined)[] {
    if (family !== undefined) return [family];
    return protocol === undefined ? [undefined] : [4, 6];
  }

  #object(): string {
    return `conntrack${this.#place()}`;
  }

  #place(): string {
    return this.#socket.netns === undefined ? '' : ` (${this.#socket.netns})`;
  }
}
