import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * A server's connections, and which of them are answering something. Node's own count leaves out those that are still
 * shaking hands, and takes those that have never asked anything for busy: both would hold up the server's end.
 */
export class Connections {
  readonly #open = new Map<string, Socket>();
  /** Requests under way, by connection. */
  readonly #busy = new Map<string, number>();

  /** Before the server listens. */
  watch(server: Pick<Server, 'on'>): void {
    server.on('connection', (socket: Socket) => {
      const key = keyOf(socket);
      this.#open.set(key, socket);
      socket.once('close', () => {
        if (this.#open.get(key) === socket) this.#open.delete(key);
      });
    });
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      const key = keyOf(request.socket);
      this.#busy.set(key, (this.#busy.get(key) ?? 0) + 1);
      response.once('close', () => {
        const left = (this.#busy.get(key) ?? 1) - 1;
        if (left > 0) this.#busy.set(key, left);
        else this.#busy.delete(key);
      });
    });
  }

  /** Ends those that answer nothing. */
  endIdle(): void {
    for (const [key, socket] of this.#open) if (!this.#busy.has(key)) socket.destroy();
  }

  endAll(): void {
    for (const socket of this.#open.values()) socket.destroy();
  }
}

/** The same for the socket of a connection and for the TLS socket on top of it. */
function keyOf({ remoteAddress, remotePort, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localPort}`;
}
