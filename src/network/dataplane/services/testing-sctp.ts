import koffi from 'koffi';
import { addressFromBytes, addressToBytes, formatAddress, parseAddress } from '../../../address/ip.ts';
import { isKernelError, KernelError } from '../../../kernel/errno.ts';
import * as libc from '../../../kernel/libc.ts';
import { inNamespace } from '../../../kernel/netns.ts';
import {
  COOKIE_ACK,
  COOKIE_ECHO,
  decode,
  encode,
  INIT,
  INIT_ACK,
  initValue,
  readInit,
  type SctpPacket,
} from './testing-sctp-packet.ts';

// Kernels for small machines have no SCTP of their own, so its packets are made here and go through raw sockets.
const system = koffi.load('libc.so.6');
const fns = {
  connect: system.func('int connect(int fd, const void *address, unsigned int length)'),
  sendto: system.func(
    'long sendto(int fd, const void *buffer, size_t length, int flags, const void *to, unsigned int toLength)',
  ),
  recvfrom: system.func(
    'long recvfrom(int fd, void *buffer, size_t length, int flags, void *from, _Inout_ unsigned int *fromLength)',
  ),
};

const AF_INET = 2;
const AF_INET6 = 10;
const IPPROTO_SCTP = 132;
const ADDRESS_LENGTH = { 4: 16, 6: 28 } as const;
const ADDRESS_AT = { 4: 4, 6: 8 } as const;
/** What gets no answer is sent again, as the protocol has it. */
const AGAIN_MS = 1000;
const PATIENT_MS = 60_000;

type Family = 4 | 6;

/** A raw socket of the protocol in a namespace. */
class RawSocket {
  readonly family: Family;
  readonly fd: number;
  readonly #buffer = Buffer.alloc(2048);

  constructor(netns: string, family: Family) {
    this.family = family;
    const type = libc.SOCK_RAW | libc.SOCK_CLOEXEC | libc.SOCK_NONBLOCK;
    const domain = family === 4 ? AF_INET : AF_INET6;
    this.fd = inNamespace(netns, () => libc.socket(domain, type, IPPROTO_SCTP));
  }

  /** From now on it hears that address only, and errors about it. */
  connect(address: string): void {
    const to = socketAddress(address);
    if (fns.connect(this.fd, to, to.length) < 0) throw new KernelError('connect', address, koffi.errno());
  }

  /** @throws KernelError also for what came back for an earlier packet of a connected socket */
  send(bytes: Buffer, address?: string): void {
    const to = address === undefined ? null : socketAddress(address);
    if (fns.sendto(this.fd, bytes, bytes.length, 0, to, to?.length ?? 0) >= 0) return;
    const error = new KernelError('send', address ?? 'peer', koffi.errno());
    // The output hook rejected it; with what is heard at the next call.
    if (error.code !== 'EPERM') throw error;
  }

  /** What waits. @throws KernelError */
  receive(): { from: string; bytes: Buffer } | undefined {
    const { family } = this;
    const from = Buffer.alloc(ADDRESS_LENGTH[family]);
    const got = Number(fns.recvfrom(this.fd, this.#buffer, this.#buffer.length, 0, from, [from.length]));
    if (got < 0) {
      const error = new KernelError('receive', 'SCTP', koffi.errno());
      if (error.code === 'EAGAIN') return undefined;
      throw error;
    }
    // IPv4 alone hands out its own header.
    const header = family === 4 ? (this.#buffer[0]! & 0x0f) * 4 : 0;
    const address = from.subarray(ADDRESS_AT[family], ADDRESS_AT[family] + (family === 4 ? 4 : 16));
    return {
      from: formatAddress(addressFromBytes(address)),
      bytes: Buffer.from(this.#buffer.subarray(header, got)),
    };
  }

  close(): void {
    libc.close(this.fd);
  }
}

/** Answers on one port; the cookie says who it is and which address it sees. */
class Server {
  readonly sockets: readonly RawSocket[];
  readonly #name: string;
  readonly #port: number;
  /** The tags of clients that began, by address and port. */
  readonly #clients = new Map<string, number>();

  constructor(name: string, netns: string, port: number) {
    this.#name = name;
    this.#port = port;
    this.sockets = [new RawSocket(netns, 4), new RawSocket(netns, 6)];
  }

  /** Answers all that came. */
  work(): void {
    for (const socket of this.sockets) {
      for (let got = socket.receive(); got; got = socket.receive()) {
        const packet = decode(got.bytes);
        const answer = packet && this.#answer(packet, got.from);
        if (answer) socket.send(encode(answer), got.from);
      }
    }
  }

  hasHeard(client: string): boolean {
    return this.#clients.has(client);
  }

  #answer(packet: SctpPacket, from: string): SctpPacket | undefined {
    const { sourcePort, destinationPort, chunk, value, verificationTag } = packet;
    if (destinationPort !== this.#port) return undefined;
    const client = `${from} ${sourcePort}`;
    const ports = { sourcePort: this.#port, destinationPort: sourcePort };
    if (chunk === INIT && verificationTag === 0) {
      const { tag } = readInit(value);
      this.#clients.set(client, tag);
      const ack = initValue(ownTag(tag), `${this.#name} ${from}`);
      return { ...ports, verificationTag: tag, chunk: INIT_ACK, value: ack };
    }
    const tag = this.#clients.get(client);
    if (chunk !== COOKIE_ECHO || tag === undefined || verificationTag !== ownTag(tag)) return undefined;
    return { ...ports, verificationTag: tag, chunk: COOKIE_ACK, value: Buffer.alloc(0) };
  }
}

/** The tag of a server's side. */
function ownTag(clients: number): number {
  return (clients ^ 0xffff) >>> 0;
}

/** Servers and clients of SCTP in the namespaces of a test, which all run in this process. */
export class SctpHosts {
  readonly #servers: Server[] = [];
  #nextPort = 40_000;

  listen(name: string, netns: string, port: number): void {
    this.#servers.push(new Server(name, netns, port));
  }

  /**
   * Makes an association.
   *
   * @returns the server's cookie, `NAME SEEN-ADDRESS`, after it was taken back; `timeout`, or an error's code:
   *   ECONNREFUSED for ICMP's port unreachable, ENOPROTOOPT for protocol unreachable.
   */
  async associate(netns: string, address: string, port: number): Promise<string> {
    const sourcePort = this.#nextPort++;
    const tag = 0x0f10_0000 + sourcePort;
    const base = { sourcePort, destinationPort: port };
    const init = encode({ ...base, verificationTag: 0, chunk: INIT, value: initValue(tag) });
    let cookie = '';
    const socket = new RawSocket(netns, parseAddress(address).family);
    try {
      socket.connect(address);
      const deadline = performance.now() + PATIENT_MS;
      for (let heard = false; performance.now() < deadline; heard = await this.#work(socket.fd)) {
        // From the beginning: conntrack may have forgotten the half of an association within three seconds.
        if (!heard) socket.send(init);
        for (let got = socket.receive(); got; got = socket.receive()) {
          const packet = decode(got.bytes);
          if (packet?.sourcePort !== port || packet.destinationPort !== sourcePort) continue;
          if (packet.verificationTag !== tag) continue;
          if (packet.chunk === COOKIE_ACK) return cookie;
          if (packet.chunk !== INIT_ACK) continue;
          const ack = readInit(packet.value);
          ({ cookie } = ack);
          const echo = { verificationTag: ack.tag, chunk: COOKIE_ECHO, value: Buffer.from(cookie) };
          socket.send(encode({ ...base, ...echo }));
        }
      }
      return 'timeout';
    } catch (error) {
      if (isKernelError(error)) return error.code;
      throw error;
    } finally {
      socket.close();
    }
  }

  /** Sends an INIT whose checksum is not that of its bytes; from which port. */
  sendCorrupt(netns: string, address: string, port: number): number {
    const sourcePort = this.#nextPort++;
    const base = { sourcePort, destinationPort: port, verificationTag: 0 };
    const bytes = encode({ ...base, chunk: INIT, value: initValue(1) });
    bytes.writeUInt32LE(~bytes.readUInt32LE(8) >>> 0, 8);
    const socket = new RawSocket(netns, parseAddress(address).family);
    socket.send(bytes, address);
    socket.close();
    return sourcePort;
  }

  /** Whether an INIT from this address and port, whose checksum was right, has come to a server. */
  hasHeard(address: string, port: number): boolean {
    return this.#servers.some((server) => server.hasHeard(`${address} ${port}`));
  }

  close(): void {
    for (const { sockets } of this.#servers) for (const socket of sockets) socket.close();
  }

  /** Waits until something comes, here or to a server; false when nothing did for a while. */
  async #work(client: number): Promise<boolean> {
    const fds = [client, ...this.#servers.flatMap(({ sockets }) => sockets.map(({ fd }) => fd))];
    const entries = Buffer.alloc(fds.length * libc.POLLFD_LENGTH);
    for (const [i, fd] of fds.entries()) {
      entries.writeInt32LE(fd, i * libc.POLLFD_LENGTH);
      entries.writeInt16LE(libc.POLLIN, i * libc.POLLFD_LENGTH + 4);
    }
    const ready = await libc.pollAsync(entries, fds.length, AGAIN_MS);
    for (const server of this.#servers) server.work();
    return ready > 0;
  }
}

/** `struct sockaddr_in` or `sockaddr_in6`, without a port. */
function socketAddress(text: string): Buffer {
  const address = parseAddress(text);
  const bytes = Buffer.alloc(ADDRESS_LENGTH[address.family]);
  bytes.writeUInt16LE(address.family === 4 ? AF_INET : AF_INET6, 0);
  bytes.set(addressToBytes(address), ADDRESS_AT[address.family]);
  return bytes;
}
