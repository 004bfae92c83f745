import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { StreamingError } from './error.ts';

/** kubectl writes at most 32 KiB at once. */
const MAX_MESSAGE = 1024 * 1024;
/** Bytes that wait for a slow client before its source waits. */
const MAX_WAITING = 512 * 1024;

const server = new WebSocketServer({
  noServer: true,
  clientTracking: false,
  perMessageDeflate: false,
  maxPayload: MAX_MESSAGE,
});
/*
 * The server refuses subprotocols that are no tokens, as RFC 6455 demands, but Kubernetes has `SPDY/3.1+portforward.k8s.io`. So it is not
 * shown what the client offers, and told what to answer.
 */
const chosen = new WeakMap<IncomingMessage, string>();
server.on('headers', (headers, request) => {
  const protocol = chosen.get(request);
  if (protocol !== undefined) headers.push(`Sec-WebSocket-Protocol: ${protocol}`);
});

/** The subprotocols that a client offers, best first. */
export function offeredProtocols(request: IncomingMessage): string[] {
  const header = request.headers['sec-websocket-protocol'] ?? '';
  return header
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');
}

/** The first offered subprotocol that is served. @throws StreamingError 400 when there is none */
export function chooseProtocol(request: IncomingMessage, served: readonly string[]): string {
  const offered = offeredProtocols(request);
  const chosen = offered.find((each) => served.includes(each));
  if (chosen !== undefined) return chosen;
  throw new StreamingError(
    400,
    `unable to negotiate protocol: client supports ${JSON.stringify(offered)}, server supports ${JSON.stringify(served)}`,
  );
}

/** Answers a WebSocket's handshake. Nothing is read from it before `resume()`, so that no message comes too early. */
export function acceptWebSocket(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  protocol: string,
): Promise<WebSocket> {
  delete request.headers['sec-websocket-protocol'];
  chosen.set(request, protocol);
  return new Promise((resolve, reject) => {
    socket.once('close', () => reject(new StreamingError(400, 'the client went away')));
    server.handleUpgrade(request, socket, head, (ws) => {
      ws.binaryType = 'nodebuffer';
      ws.on('error', () => {});
      ws.pause();
      resolve(ws);
    });
  });
}

/** Sends one binary message; resolves when more may be sent. */
export function send(ws: WebSocket, data: Buffer): Promise<void> | undefined {
  if (ws.readyState !== ws.OPEN) return undefined;
  if (ws.bufferedAmount < MAX_WAITING) {
    ws.send(data);
    return undefined;
  }
  return new Promise((resolve) => ws.send(data, () => resolve()));
}
