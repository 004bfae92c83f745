import { request } from 'node:http';
import type { Socket } from 'node:net';
import { StreamingError } from './error.ts';

/** A connection to the runtime's streaming server after its upgrade to SPDY/3.1. */
export interface RuntimeConnection {
  readonly socket: Socket;
  /** What came with the answer and is already SPDY. */
  readonly head: Buffer;
  /** The one of the offered protocols that the runtime chose. */
  readonly protocol: string;
}

const TIMEOUT = 30_000;
const MAX_ERROR = 4096;

/**
 * Connects to where the runtime waits for a stream.
 *
 * @param url - as Exec, Attach or PortForward of the CRI gave it
 * @param protocols - subprotocols, best first: `v4.channel.k8s.io`
 * @throws StreamingError when the runtime refuses
 */
export function connectRuntime(url: string, protocols: readonly string[]): Promise<RuntimeConnection> {
  const headers = {
    connection: 'Upgrade',
    upgrade: 'SPDY/3.1',
    'x-stream-protocol-version': [...protocols],
  };
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: 'POST', headers, agent: false, timeout: TIMEOUT });
    const fail = (why: string, cause?: unknown): void => {
      sent.destroy();
      reject(new StreamingError(500, `error dialing the container runtime: ${why}`, cause));
    };
    sent.on('error', (error) => fail(error.message, error));
    sent.on('timeout', () => fail(`no answer within ${TIMEOUT / 1000} s`));
    sent.on('upgrade', (response, socket: Socket, head) => {
      socket.setTimeout(0);
      socket.setNoDelay(true);
      const chosen = response.headers['x-stream-protocol-version'];
      const protocol = (Array.isArray(chosen) ? chosen[0] : chosen) ?? '';
      resolve({ socket, head, protocol });
    });
    sent.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        if (text.length < MAX_ERROR) text += chunk;
      });
      response.on('end', () => fail(`${response.statusCode} ${text.trim()}`));
    });
    sent.end();
  });
}
