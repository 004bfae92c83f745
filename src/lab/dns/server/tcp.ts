import { BoundSocket, createServer, type Server, type Socket } from 'node:net';
import type { Client, Responder } from './responder.ts';
import type { ListenAddress } from './udp.ts';

export interface TcpLimits {
  /** Connections at a time; who comes beyond that takes the place of the one that is idle longest. */
  readonly connections: number;
  /** Milliseconds that a connection may be idle, and that a message may take to arrive. */
  readonly idleMs: number;
  /** Queries of one connection that are being answered at a time; the rest waits in its socket. */
  readonly pipeline: number;
}

export const TCP_LIMITS: TcpLimits = { connections: 512, idleMs: 10_000, pipeline: 64 };

/** Bytes of a query: a name and an OPT record; more is put together for nobody. */
const LONGEST_QUERY = 4096;
/** Bytes of answers that a client does not read, before no more of its queries are read. */
const MOST_UNREAD = 1 << 20;

/** Answers queries by TCP, also several on one connection, each as soon as it can be (RFC 7766). */
export async function listenTcp(
  at: ListenAddress,
  responder: Responder,
  onError: (error: Error) => void,
  limits: TcpLimits = TCP_LIMITS,
): Promise<Server> {
  const open = new Set<Connection>();
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    if (open.size >= limits.connections) {
      const [first, ...rest] = open;
      rest.reduce((a, b) => (b.usedAt < a.usedAt ? b : a), first!).close();
    }
    const connection = new Connection(socket, responder, limits);
    open.add(connection);
    socket.on('close', () => open.delete(connection));
  });
  const bind = (): BoundSocket => new BoundSocket({ host: at.host, port: at.port });
  const bound = at.within ? at.within(bind) : bind();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(bound, () => resolve());
  });
  server.removeAllListeners('error');
  server.on('error', onError);
  server.on('close', () => {
    for (const connection of open) connection.close();
  });
  return server;
}

class Connection {
  usedAt = performance.now();
  readonly #socket: Socket;
  readonly #responder: Responder;
  readonly #limits: TcpLimits;
  readonly #client: Client;
  #rest: Buffer = Buffer.alloc(0);
  #underWay = 0;
  #ended = false;
  #deadline: NodeJS.Timeout | undefined;

  constructor(socket: Socket, responder: Responder, limits: TcpLimits) {
    this.#socket = socket;
    this.#responder = responder;
    this.#limits = limits;
    this.#client = { address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 };
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('drain', () => this.#read());
    socket.on('end', () => {
      this.#ended = true;
      this.#endWhenDone();
    });
    socket.on('close', () => clearTimeout(this.#deadline));
    this.#wait();
  }

  close(): void {
    this.#socket.destroy();
  }

  /** A byte now and then keeps nobody's place: the time is that of a whole message. */
  #wait(): void {
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.#late(), this.#limits.idleMs).unref();
  }

  #late(): void {
    if (this.#underWay > 0) this.#wait();
    else this.close();
  }

  #take(chunk: Buffer): void {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#read();
  }

  /** Answers what has arrived whole, as far as the limits let it. */
  #read(): void {
    while (!this.#isFull && this.#rest.length >= 2) {
      const end = 2 + this.#rest.readUInt16BE(0);
      if (end > 2 + LONGEST_QUERY) {
        this.close();
        return;
      }
      if (this.#rest.length < end) break;
      const packet = this.#rest.subarray(2, end);
      this.#rest = this.#rest.subarray(end);
      this.usedAt = performance.now();
      this.#wait();
      this.#answer(packet);
    }
    if (this.#isFull) this.#socket.pause();
    else this.#socket.resume();
  }

  get #isFull(): boolean {
    return this.#underWay >= this.#limits.pipeline || this.#socket.writableLength > MOST_UNREAD;
  }

  #answer(packet: Buffer): void {
    const answer = this.#responder.answer(packet, 'tcp', this.#client);
    if (!(answer instanceof Promise)) {
      this.#write(answer);
      return;
    }
    this.#underWay++;
    void answer.then((message) => {
      this.#underWay--;
      this.#write(message);
      this.#read();
      this.#endWhenDone();
    });
  }

  /** Nothing to answer is a client that does not speak DNS. */
  #write(message: Buffer | undefined): void {
    if (!message) this.close();
    if (!message || this.#socket.destroyed) return;
    const length = Buffer.alloc(2);
    length.writeUInt16BE(message.length);
    this.#socket.write(Buffer.concat([length, message]));
  }

  #endWhenDone(): void {
    if (this.#ended && this.#underWay === 0) this.#socket.end();
  }
}
