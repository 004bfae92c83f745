import { createSocket } from 'node:dgram';
import { connect, type Socket } from 'node:net';

/** Patient: the machine may be busy. */
const PATIENCE_MS = 60_000;

/** Sends one packet by UDP and resolves with the answer. */
export function askUdp(port: number, packet: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    const end = (act: () => void): void => {
      clearTimeout(timer);
      socket.close();
      act();
    };
    const timer = setTimeout(() => end(() => reject(new Error('no answer by UDP'))), PATIENCE_MS);
    socket.on('message', (message) => end(() => resolve(message)));
    socket.on('error', (error) => end(() => reject(error)));
    socket.send(packet, port, '127.0.0.1');
  });
}

/** A connection of a test. */
export class TcpClient {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  readonly messages: Buffer[] = [];
  #rest = Buffer.alloc(0);
  #waiting: (() => void) | undefined;

  constructor(port: number) {
    this.socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
    this.socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => this.socket.on('close', () => resolve()));
    this.socket.on('end', () => this.socket.end());
    this.socket.on('data', (chunk: Buffer) => {
      this.#rest = Buffer.concat([this.#rest, chunk]);
      while (this.#rest.length >= 2 && this.#rest.length >= 2 + this.#rest.readUInt16BE(0)) {
        const end = 2 + this.#rest.readUInt16BE(0);
        this.messages.push(this.#rest.subarray(2, end));
        this.#rest = this.#rest.subarray(end);
      }
      this.#waiting?.();
    });
  }

  /** Queries with their lengths before them. */
  send(...packets: Buffer[]): void {
    this.socket.write(
      Buffer.concat(
        packets.flatMap((packet) => [Buffer.of(packet.length >> 8, packet.length & 255), packet]),
      ),
    );
  }

  /** Resolves when so many answers are there. */
  async answers(count: number): Promise<Buffer[]> {
    const deadline = setTimeout(() => this.socket.destroy(), PATIENCE_MS);
    while (this.messages.length < count && !this.socket.destroyed) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
        void this.closed.then(resolve);
      });
    }
    clearTimeout(deadline);
    if (this.messages.length < count) throw new Error(`only ${this.messages.length} answers by TCP`);
    return this.messages;
  }
}
