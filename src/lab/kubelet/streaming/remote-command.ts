import type { Readable } from 'node:stream';
import type { RawData, WebSocket } from 'ws';
import type { RuntimeConnection } from './runtime-stream.ts';
import { SpdyConnection, type SpdyStream } from './spdy/connection.ts';
import { send } from './websocket.ts';

/** The protocol of exec and attach over SPDY that all runtimes speak. */
export const REMOTE_COMMAND = 'v4.channel.k8s.io';
/** Over WebSocket; in the fifth, the client can close its end of a channel. */
export const WEBSOCKET_COMMAND = ['v5.channel.k8s.io', 'v4.channel.k8s.io'];

const [STDIN, STDOUT, STDERR, ERROR, RESIZE] = [0, 1, 2, 3, 4] as const;
/** Of v5.channel.k8s.io: the next byte is the channel that ends. */
const CLOSE = 255;
/** A status is some hundred bytes. */
const MAX_STATUS = 64 * 1024;
const NORMAL = 1000;

export interface CommandStreams {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

async function copy(from: Readable, channel: number, ws: WebSocket): Promise<void> {
  const label = Buffer.from([channel]);
  try {
    for await (const chunk of from) await send(ws, Buffer.concat([label, chunk as Buffer]));
  } catch {
    // The connection to the runtime broke; what the client is told comes by the error channel.
  }
}

async function statusOf(stream: SpdyStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of stream) {
      size += (chunk as Buffer).length;
      if (size <= MAX_STATUS) chunks.push(chunk as Buffer);
    }
  } catch {
    // As above.
  }
  return Buffer.concat(chunks);
}

const FAILURE = {
  metadata: {},
  status: 'Failure',
  message: 'the connection to the container runtime was lost',
  reason: 'InternalError',
  details: { causes: [{ message: 'the connection to the container runtime was lost' }] },
  code: 500,
};

/** Sends what a client writes into the streams; the client waits while a stream is full. */
function feed(ws: WebSocket, version5: boolean, streams: Map<number, SpdyStream>): void {
  const end = (channel: number): void => {
    const stream = streams.get(channel);
    if (stream && !stream.writableEnded) stream.end();
  };
  ws.on('message', (message: RawData, isBinary: boolean) => {
    const data = message as Buffer;
    if (!isBinary || data.length === 0) return;
    const channel = data[0]!;
    if (version5 && channel === CLOSE) {
      end(data[1] ?? -1);
      return;
    }
    const stream = streams.get(channel);
    if (data.length === 1 || !stream || stream.writableEnded || stream.destroyed) return;
    if (stream.write(data.subarray(1))) return;
    ws.pause();
    const resume = (): void => {
      stream.off('drain', resume).off('close', resume);
      ws.resume();
    };
    stream.once('drain', resume).once('close', resume);
  });
  ws.once('close', () => end(STDIN));
  ws.resume();
}

/**
 * Joins a client's WebSocket (`v4.channel.k8s.io`, `v5.channel.k8s.io`) and the runtime's SPDY streams until the program has ended and
 * everything that it wrote is sent, its exit status last.
 */
export async function joinCommand(
  ws: WebSocket,
  protocol: string,
  runtime: RuntimeConnection,
  wanted: CommandStreams,
): Promise<void> {
  const connection = new SpdyConnection(runtime.socket, { role: 'client', head: runtime.head });
  ws.once('close', () => connection.close());
  try {
    const open = (streamtype: string, on: boolean): Promise<SpdyStream> | undefined =>
      on ? connection.open({ streamtype }) : undefined;
    // The runtime waits for all of them before it starts.
    const [error, stdin, stdout, stderr, resize] = await Promise.all([
      open('error', true),
      open('stdin', wanted.stdin),
      open('stdout', wanted.stdout),
      open('stderr', wanted.stderr && !wanted.tty),
      open('resize', wanted.tty),
    ]);
    const inputs = new Map<number, SpdyStream>();
    if (stdin) inputs.set(STDIN, stdin.resume());
    if (resize) inputs.set(RESIZE, resize.resume());
    feed(ws, protocol.startsWith('v5.'), inputs);
    // An empty message tells the client that it is connected.
    await send(ws, Buffer.from([stdout ? STDOUT : stderr ? STDERR : ERROR]));
    const [status] = await Promise.all([
      statusOf(error!),
      stdout && copy(stdout, STDOUT, ws),
      stderr && copy(stderr, STDERR, ws),
    ]);
    const told = status.length > 0 ? status : Buffer.from(JSON.stringify(FAILURE));
    await send(ws, Buffer.concat([Buffer.from([ERROR]), told]));
    ws.close(NORMAL);
  } catch (error) {
    const failure = { ...FAILURE, message: String(error) };
    await send(ws, Buffer.concat([Buffer.from([ERROR]), Buffer.from(JSON.stringify(failure))]));
    ws.close(NORMAL);
  } finally {
    connection.close();
  }
}
