import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { SpdyConnection, type SpdyStream } from './spdy/connection.ts';

/** A container runtime's streaming server for tests: collects the streams of a client and hands them to a program. */
export interface TestRuntime {
  readonly url: string;
  readonly server: Server;
  /** What clients offered as `X-Stream-Protocol-Version`. */
  readonly offered: string[][];
  close(): void;
}

/** @param expected - how many streams the program waits for */
export async function startTestRuntime(
  expected: number,
  program: (streams: Map<string, SpdyStream>, connection: SpdyConnection) => void,
): Promise<TestRuntime> {
  const offered: string[][] = [];
  const sockets = new Set<Socket>();
  const server = createServer((_, response) => response.writeHead(404).end('no such stream\n'));
  server.on('upgrade', (request, socket: Socket, head) => {
    sockets.add(socket);
    const protocols = request.headersDistinct['x-stream-protocol-version'] ?? [];
    offered.push(protocols);
    if (request.url === '/refused') {
      socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno\n');
      return;
    }
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: ${protocols[0]}\r\n\r\n`,
    );
    const streams = new Map<string, SpdyStream>();
    const connection: SpdyConnection = new SpdyConnection(socket, {
      role: 'server',
      head,
      onStream(stream) {
        streams.set(stream.headers.streamtype ?? '', stream);
        if (streams.size === expected) program(streams, connection);
      },
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    server,
    offered,
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
