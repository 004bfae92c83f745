import type { Buffer } from 'node:buffer';
import type { RawData, WebSocket } from 'ws';
import type { RuntimeConnection } from './runtime-stream.ts';
import { send } from './websocket.ts';

/** The protocol of port-forward over SPDY. */
export const PORT_FORWARD = 'portforward.k8s.io';
/** The same, its bytes as binary messages of a WebSocket: what kubectl speaks since 1.31. */
export const TUNNELLED_PORT_FORWARD = 'SPDY/3.1+portforward.k8s.io';

/** Joins a WebSocket whose messages are the bytes of a SPDY connection with the runtime's connection, until either ends. */
export async function joinTunnel(ws: WebSocket, { socket, head }: RuntimeConnection): Promise<void> {
  ws.on('message', (message: RawData) => {
    if (socket.destroyed || socket.write(message as Buffer)) return;
    ws.pause();
    socket.once('drain', () => ws.resume());
  });
  ws.once('close', () => socket.destroy());
  socket.on('error', () => {});
  ws.resume();
  try {
    if (head.length > 0) await send(ws, head);
    for await (const chunk of socket) await send(ws, chunk as Buffer);
  } catch {
    // Broken on one side: the other is told by the close.
  } finally {
    socket.destroy();
    ws.close(1000);
  }
}
