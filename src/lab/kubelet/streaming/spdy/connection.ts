import { Duplex } from 'node:stream';
import { dataHead, encodeFrame, type Frame, FrameReader } from './frames.ts';
import { HeaderCompressor, HeaderDecompressor, type Headers } from './headers.ts';

/** Data is cut into frames of this size, as Kubernetes' own client does. */
const MAX_DATA = 32 * 1024;
/** Bytes of a stream that wait for its reader before the whole connection waits. */
const BUFFER = 256 * 1024;
/** Status of RST_STREAM. */
const CANCEL = 5;
const REFUSED = 3;

/** One stream: reading ends with the peer's FIN, `end()` sends ours, so either direction can be closed alone. */
export class SpdyStream extends Duplex {
  readonly id: number;
  readonly headers: Headers;
  readonly #send: (data: Buffer, fin: boolean, done: (error?: Error | null) => void) => void;
  readonly #reset: () => void;
  #resume: (() => void) | undefined;
  #whole = { read: false, written: false };
  #abandoned = false;

  constructor(
    id: number,
    headers: Headers,
    send: (data: Buffer, fin: boolean, done: (error?: Error | null) => void) => void,
    reset: () => void,
  ) {
    super({ allowHalfOpen: true, readableHighWaterMark: BUFFER, emitClose: true });
    this.id = id;
    this.headers = headers;
    this.#send = send;
    this.#reset = reset;
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#abandoned) {
      done();
      return;
    }
    if (chunk.length <= MAX_DATA) {
      this.#send(chunk, false, done);
      return;
    }
    this.#send(chunk.subarray(0, MAX_DATA), false, (error) => {
      if (error) done(error);
      else this._write(chunk.subarray(MAX_DATA), _, done);
    });
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#whole.written = true;
    if (this.#abandoned) done();
    else this.#send(Buffer.alloc(0), true, done);
  }

  override _read(): void {
    const resume = this.#resume;
    this.#resume = undefined;
    resume?.();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this._read();
    if (!this.#whole.read || !this.#whole.written) this.#reset();
    done(error);
  }

  /** Gives data of the peer to the reader; resolves when there is room for more. */
  receive(data: Buffer, fin: boolean): Promise<void> | undefined {
    if (this.destroyed) return undefined;
    const room = data.length === 0 || this.push(data);
    if (fin) {
      this.#whole.read = true;
      this.push(null);
      return undefined;
    }
    return room
      ? undefined
      : new Promise((resolve) => {
          this.#resume = resolve;
        });
  }

  /** The peer has given the stream up, or the connection is gone: what it sent before can still be read. */
  abandon(error?: Error): void {
    const unfinished = !this.#whole.read;
    this.#whole = { read: true, written: true };
    this.#abandoned = true;
    if (error || this.destroyed) {
      this.destroy(error);
      return;
    }
    if (unfinished) this.push(null);
    if (!this.writableEnded) this.end();
  }
}

export interface SpdyOptions {
  /** Clients use odd stream numbers. */
  readonly role: 'client' | 'server';
  /** Bytes that were read before the connection was handed over. */
  readonly head?: Buffer;
  /** A stream that the peer opens; without it such streams are refused. */
  readonly onStream?: (stream: SpdyStream) => void;
}

/**
 * SPDY/3.1 on a connection, as much of it as container runtimes and kubectl speak: streams with headers, half-closing, pings.
 * They know no flow control (windows are neither sent nor kept), so a stream that nobody reads stops the others by and by.
 */
export class SpdyConnection {
  readonly #transport: Duplex;
  readonly #options: SpdyOptions;
  readonly #streams = new Map<number, SpdyStream>();
  readonly #replies = new Map<number, (error?: Error) => void>();
  readonly #compressor = new HeaderCompressor();
  readonly #decompressor = new HeaderDecompressor();
  #lastId: number;
  #turn: Promise<unknown> = Promise.resolve();
  #end: Error | undefined;
  /** Settles when the connection is over: with the error if it was broken. Never rejects. */
  readonly closed: Promise<Error | undefined>;

  constructor(transport: Duplex, options: SpdyOptions) {
    this.#transport = transport;
    this.#options = options;
    this.#lastId = options.role === 'client' ? -1 : 0;
    transport.on('error', () => {});
    this.closed = this.#run(options.head).then(
      () => this.#over(undefined),
      (error: Error) => this.#over(error),
    );
  }

  /** Opens a stream; resolves when the peer has accepted it. */
  async open(headers: Headers, options: { fin?: boolean } = {}): Promise<SpdyStream> {
    if (this.#end) throw this.#end;
    let id = 0;
    let accepted: Promise<void> | undefined;
    let stream: SpdyStream | undefined;
    // Compression keeps a state, so blocks go out in the order in which they were compressed.
    const sent = this.#turn.then(async () => {
      this.#lastId += 2;
      id = this.#lastId;
      const block = await this.#compressor.compress(headers);
      if (this.#end) throw this.#end;
      stream = this.#newStream(id, headers);
      accepted = new Promise((resolve, reject) => {
        this.#replies.set(id, (error) => (error ? reject(error) : resolve()));
      });
      accepted.catch(() => {});
      const fin = options.fin ?? false;
      this.#write(
        encodeFrame({ type: 'syn-stream', stream: id, fin, unidirectional: false, priority: 0, block }),
      );
    });
    this.#turn = sent.catch(() => {});
    await sent;
    await accepted;
    return stream!;
  }

  /** Tells the peer and closes; streams that are open end with an error. */
  close(): void {
    if (this.#end) return;
    this.#write(encodeFrame({ type: 'goaway', lastStream: 0, status: 0 }));
    this.#transport.end();
    this.#transport.destroy();
  }

  #newStream(id: number, headers: Headers): SpdyStream {
    const stream = new SpdyStream(
      id,
      headers,
      (data, fin, done) => {
        if (this.#end) {
          done(this.#end);
          return;
        }
        this.#transport.cork();
        this.#transport.write(dataHead(id, data.length, fin));
        const room = this.#transport.write(data);
        this.#transport.uncork();
        // With the socket full, the writer waits for the socket, which is all the flow control that there is.
        if (room || fin) done();
        else this.#transport.once('drain', done);
      },
      () => {
        if (!this.#end) this.#write(encodeFrame({ type: 'rst-stream', stream: id, status: CANCEL }));
      },
    );
    stream.on('error', () => {});
    stream.once('close', () => this.#streams.delete(id));
    this.#streams.set(id, stream);
    return stream;
  }

  #write(bytes: Buffer): void {
    if (this.#transport.writable) this.#transport.write(bytes);
  }

  async #run(head: Buffer | undefined): Promise<void> {
    const reader = new FrameReader();
    if (head && head.length > 0) for (const frame of reader.push(head)) await this.#take(frame);
    for await (const chunk of this.#transport)
      for (const frame of reader.push(chunk as Buffer)) await this.#take(frame);
  }

  async #take(frame: Frame): Promise<void> {
    switch (frame.type) {
      case 'data':
        await this.#streams.get(frame.stream)?.receive(frame.data, frame.fin);
        return;
      case 'syn-stream':
        await this.#accept(frame.stream, await this.#decompressor.decompress(frame.block), frame.fin);
        return;
      case 'syn-reply':
        await this.#decompressor.decompress(frame.block);
        this.#settle(frame.stream);
        if (frame.fin) this.#streams.get(frame.stream)?.receive(Buffer.alloc(0), true);
        return;
      case 'headers':
        await this.#decompressor.decompress(frame.block);
        if (frame.fin) this.#streams.get(frame.stream)?.receive(Buffer.alloc(0), true);
        return;
      case 'rst-stream':
        this.#settle(frame.stream, new Error(`the stream was reset with status ${frame.status}`));
        this.#streams.get(frame.stream)?.abandon();
        return;
      case 'ping':
        // Odd numbers are the client's; what is not ours is answered.
        if ((frame.id % 2 === 1) !== (this.#options.role === 'client')) this.#write(encodeFrame(frame));
        return;
      default:
        // Settings and windows mean nothing without flow control; after GOAWAY the peer closes by itself.
        return;
    }
  }

  #settle(id: number, error?: Error): void {
    this.#replies.get(id)?.(error);
    this.#replies.delete(id);
  }

  async #accept(id: number, headers: Headers, fin: boolean): Promise<void> {
    const { onStream, role } = this.#options;
    const expected = role === 'client' ? 0 : 1;
    if (!onStream || id % 2 !== expected || this.#streams.has(id)) {
      this.#write(encodeFrame({ type: 'rst-stream', stream: id, status: REFUSED }));
      return;
    }
    const stream = this.#newStream(id, headers);
    const reply = this.#turn.then(async () => {
      const block = await this.#compressor.compress({});
      this.#write(encodeFrame({ type: 'syn-reply', stream: id, fin: false, block }));
    });
    this.#turn = reply.catch(() => {});
    await reply;
    onStream(stream);
    if (fin) stream.receive(Buffer.alloc(0), true);
  }

  #over(error: Error | undefined): Error | undefined {
    this.#end = error ?? new Error('the SPDY connection is closed');
    for (const settle of this.#replies.values()) settle(this.#end);
    this.#replies.clear();
    for (const stream of this.#streams.values()) stream.abandon(error);
    this.#compressor.close();
    this.#decompressor.close();
    this.#transport.destroy();
    return error;
  }
}
