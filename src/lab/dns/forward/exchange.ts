import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import { FLAG, HEADER } from '../wire/constants.ts';
import { endOfName } from '../wire/walk.ts';

/** A name server to ask. */
export interface Upstream {
  readonly address: string;
  readonly port: number;
}

/** Nobody answered, or not in time. */
export class UpstreamError extends Error {
  override readonly name = 'UpstreamError';
  /** Whether there was silence, and not a refusal. */
  readonly silent: boolean;

  constructor({ address, port }: Upstream, why: string, silent = false) {
    super(`${address}:${port}: ${why}`);
    this.silent = silent;
  }
}

/** Whether a message answers exactly this query: whoever guesses has to guess id and question, besides the port. */
function answers(query: Buffer, message: Buffer): boolean {
  if (message.length < HEADER || message.readUInt16BE(0) !== query.readUInt16BE(0)) return false;
  if (!(message.readUInt16BE(2) & FLAG.RESPONSE) || message.readUInt16BE(4) !== 1) return false;
  const end = endOfName(query, HEADER) + 4;
  if (message.length < end) return false;
  const asked = query.toString('latin1', HEADER, end);
  return message.toString('latin1', HEADER, end).toLowerCase() === asked.toLowerCase();
}

/**
 * One query by UDP, from a socket and so from a random port of its own. What does not answer it, or comes from
 * somebody else, is not taken.
 * @throws UpstreamError
 */
export function askByUdp(server: Upstream, query: Buffer, timeoutMs: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIPv6(server.address) ? 'udp6' : 'udp4');
    const end = (act: () => void): void => {
      clearTimeout(timer);
      socket.removeAllListeners().on('error', () => undefined);
      socket.close();
      act();
    };
    const fail = (error: Error): void => end(() => reject(new UpstreamError(server, error.message)));
    const timer = setTimeout(() => {
      end(() => reject(new UpstreamError(server, `no answer in ${timeoutMs} ms`, true)));
    }, timeoutMs);
    socket.on('error', fail);
    socket.on('message', (message) => {
      if (answers(query, message)) end(() => resolve(message));
    });
    // Connected: the kernel lets in only what comes from there, and tells us of a port where nobody listens.
    socket.connect(server.port, server.address, () => {
      socket.send(query, (error) => error && fail(error));
    });
  });
}

/** One query by TCP. @throws UpstreamError */
export function askByTcp(server: Upstream, query: Buffer, timeoutMs: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: server.address, port: server.port, noDelay: true });
    let received = Buffer.alloc(0);
    const end = (act: () => void): void => {
      clearTimeout(timer);
      socket.destroy();
      act();
    };
    const fail = (why: string, silent = false): void =>
      end(() => reject(new UpstreamError(server, why, silent)));
    const timer = setTimeout(() => fail(`no answer by TCP in ${timeoutMs} ms`, true), timeoutMs);
    socket.on('error', (error) => fail(error.message));
    socket.on('close', () => fail('the connection was closed'));
    socket.on('connect', () => {
      const length = Buffer.alloc(2);
      length.writeUInt16BE(query.length);
      socket.write(Buffer.concat([length, query]));
    });
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      const message = received.subarray(2, 2 + received.readUInt16BE(0));
      if (answers(query, message)) end(() => resolve(message));
      else fail('its answer by TCP is none to our question');
    });
  });
}
