import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { Responder } from './responder.ts';

export interface ListenAddress {
  /** An IP address. */
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
  /** Binds the socket somewhere else, such as in another network namespace; what it is given returns at once. */
  readonly within?: <T>(bind: () => T) => T;
}

/** Bytes of queries that wait while we answer others; the kernel gives what it allows. */
const RECEIVE_BUFFER = 4 << 20;

/** Answers queries by UDP. @throws Error when the address cannot be taken */
export async function listenUdp(
  at: ListenAddress,
  responder: Responder,
  onError: (error: Error) => void,
): Promise<Socket> {
  const socket = createSocket({
    type: isIPv6(at.host) ? 'udp6' : 'udp4',
    // Clients' addresses are no names: nothing is looked up, and nothing waits for the next turn.
    lookup: (address, _options, found) => found(null, address, isIPv6(address) ? 6 : 4),
  });
  const bound = new Promise<void>((resolve, reject) => {
    socket.once('listening', resolve);
    socket.once('error', reject);
  });
  const bind = (): void => void socket.bind({ address: at.host, port: at.port, exclusive: true });
  if (at.within) at.within(bind);
  else bind();
  await bound;
  socket.removeAllListeners('error');
  socket.on('error', onError);
  try {
    socket.setRecvBufferSize(RECEIVE_BUFFER);
  } catch {
    // Only a help.
  }
  socket.on('message', (packet, client) => {
    const { address, port } = client;
    // Nobody can be answered there.
    if (port === 0) return;
    const answer = responder.answer(packet, 'udp', client);
    // A client that is gone is told nothing: its address answers with ICMP, which is no error of ours.
    if (answer instanceof Promise) {
      void answer.then((message) => message && send(socket, message, port, address));
    } else if (answer) send(socket, answer, port, address);
  });
  return socket;
}

function send(socket: Socket, message: Buffer, port: number, address: string): void {
  try {
    socket.send(message, 0, message.length, port, address, ignore);
  } catch {
    // It was closed meanwhile.
  }
}

const ignore = (): void => undefined;
