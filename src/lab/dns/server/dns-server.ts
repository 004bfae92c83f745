import type { Socket } from 'node:dgram';
import type { Server } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Responder } from './responder.ts';
import { listenTcp, TCP_LIMITS, type TcpLimits } from './tcp.ts';
import { type ListenAddress, listenUdp } from './udp.ts';

/** How often another port is looked for when both transports are to have the same free one. */
const PORT_TRIES = 20;
/** Milliseconds that answers under way get when the server is closed. */
const DRAIN_MS = 100;

/** One address, both transports. */
export class DnsServer {
  readonly port: number;
  readonly #udp: Socket;
  readonly #tcp: Server;

  private constructor(udp: Socket, tcp: Server) {
    this.#udp = udp;
    this.#tcp = tcp;
    this.port = udp.address().port;
  }

  /** @throws Error when the address cannot be taken */
  static async listen(
    at: ListenAddress,
    responder: Responder,
    onError: (error: Error) => void,
    limits: TcpLimits = TCP_LIMITS,
  ): Promise<DnsServer> {
    for (let tries = 1; ; tries++) {
      const udp = await listenUdp(at, responder, onError);
      try {
        const { port } = udp.address();
        return new DnsServer(udp, await listenTcp({ ...at, port }, responder, onError, limits));
      } catch (error) {
        udp.close();
        if (at.port !== 0 || tries >= PORT_TRIES) throw error;
      }
    }
  }

  /** Takes no more queries; those that have been taken get their answers, if it does not take long. */
  async close(): Promise<void> {
    this.#tcp.close();
    await delay(DRAIN_MS);
    this.#udp.close();
  }
}
