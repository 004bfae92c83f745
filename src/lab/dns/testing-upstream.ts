import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import type { Server } from 'node:net';
import type { Answer } from 'dns-packet';
import { decode, encode } from 'dns-packet';
import type { Upstream } from './forward/exchange.ts';
import { listenTcp } from './server/tcp.ts';

export interface FakeAnswer {
  answers?: Answer[];
  authorities?: Answer[];
  additionals?: Answer[];
  /** NOERROR, 0, by default. */
  rcode?: number;
  truncated?: boolean;
}

type Transport = 'udp' | 'tcp';

/** A name server that says what a test has it say; nothing at all when that is undefined. */
export class FakeUpstream {
  /** `udp example.com`, as they came. */
  readonly asked: string[] = [];
  /** The ports and ids that queries by UDP came with. */
  readonly ports = new Set<number>();
  readonly ids = new Set<number>();
  answer: (name: string, transport: Transport, query: Buffer) => FakeAnswer | Buffer | undefined = () => ({});
  /** Sees queries by UDP first; may send whatever it likes to whom it likes. */
  onUdp: (query: Buffer, from: RemoteInfo, socket: Socket) => void = () => undefined;
  readonly #udp: Socket;
  readonly #tcp: Server;

  private constructor(udp: Socket, tcp: Server) {
    this.#udp = udp;
    this.#tcp = tcp;
  }

  static async start(): Promise<FakeUpstream> {
    for (;;) {
      const udp = createSocket('udp4');
      await new Promise<void>((resolve) => udp.bind(0, '127.0.0.1', resolve));
      const { port } = udp.address();
      try {
        let upstream: FakeUpstream | undefined;
        const responder = {
          answer: (packet: Buffer) =>
            upstream!.#reply(packet, 'tcp') ?? new Promise<undefined>(() => undefined),
        };
        const tcp = await listenTcp({ host: '127.0.0.1', port }, responder as never, () => undefined);
        upstream = new FakeUpstream(udp, tcp);
        udp.on('message', (packet, from) => upstream.#take(packet, from));
        return upstream;
      } catch {
        // Somebody has the port by TCP: another one.
        udp.close();
      }
    }
  }

  get server(): Upstream {
    return { address: '127.0.0.1', port: this.#udp.address().port };
  }

  async close(): Promise<void> {
    this.#udp.close();
    await new Promise((resolve) => this.#tcp.close(resolve));
  }

  #take(packet: Buffer, from: RemoteInfo): void {
    this.ports.add(from.port);
    this.ids.add(packet.readUInt16BE(0));
    this.onUdp(packet, from, this.#udp);
    const reply = this.#reply(packet, 'udp');
    if (reply) this.#udp.send(reply, from.port, from.address);
  }

  #reply(packet: Buffer, transport: Transport): Buffer | undefined {
    const { id = 0, questions = [] } = decode(packet);
    const name = questions[0]?.name ?? '';
    this.asked.push(`${transport} ${name}`);
    const said = this.answer(name, transport, packet);
    if (said === undefined || Buffer.isBuffer(said)) return said;
    const { rcode = 0, truncated = false, ...sections } = said;
    const flags = 0x0180 | rcode | (truncated ? 0x0200 : 0);
    return encode({ type: 'response', id, flags, questions, ...sections });
  }
}
