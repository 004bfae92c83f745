import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { buffer, text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { SpdyConnection, type SpdyStream } from './connection.ts';
import { DICTIONARY } from './dictionary.ts';
import { encodeFrame, type Frame, FrameReader } from './frames.ts';
import { decodeHeaders, encodeHeaders, HeaderCompressor, HeaderDecompressor } from './headers.ts';

const id = fc.integer({ min: 1, max: 0x7fffffff });
const word = fc.integer({ min: 0, max: 0xffffffff });
const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));
const fin = fc.boolean();
const anyFrame = fc.oneof(
  fc.record({ type: fc.constant('data' as const), stream: id, fin, data: bytes }),
  fc.record({
    type: fc.constant('syn-stream' as const),
    stream: id,
    fin,
    unidirectional: fc.boolean(),
    priority: fc.integer({ min: 0, max: 7 }),
    block: bytes,
  }),
  fc.record({ type: fc.constant('syn-reply' as const), stream: id, fin, block: bytes }),
  fc.record({ type: fc.constant('headers' as const), stream: id, fin, block: bytes }),
  fc.record({ type: fc.constant('rst-stream' as const), stream: id, status: word }),
  fc.record({ type: fc.constant('ping' as const), id: word }),
  fc.record({ type: fc.constant('goaway' as const), lastStream: id, status: word }),
  fc.record({ type: fc.constant('window-update' as const), stream: id, delta: id }),
  fc.record({
    type: fc.constant('settings' as const),
    settings: fc.array(fc.record({ id: fc.integer({ min: 0, max: 0xffffff }), value: word }), {
      maxLength: 4,
    }),
  }),
);

describe('frames', () => {
  test('come out as they went in, however they are cut', () => {
    fc.assert(
      fc.property(fc.array(anyFrame), fc.integer({ min: 1, max: 50 }), (frames, size) => {
        const all = Buffer.concat(frames.map((frame) => encodeFrame(frame)));
        const reader = new FrameReader();
        const read: Frame[] = [];
        for (let at = 0; at < all.length; at += size) read.push(...reader.push(all.subarray(at, at + size)));
        expect(read).toEqual(frames);
      }),
    );
  });

  test('are those of the protocol', () => {
    expect(encodeFrame({ type: 'ping', id: 1 }).toString('hex')).toBe('800300060000000400000001');
    expect(encodeFrame({ type: 'data', stream: 5, fin: true, data: Buffer.from('ab') }).toString('hex')).toBe(
      '00000005010000026162',
    );
    expect(encodeFrame({ type: 'rst-stream', stream: 3, status: 5 }).toString('hex')).toBe(
      '80030003000000080000000300000005',
    );
  });

  test('of another protocol are refused', () => {
    expect(() => new FrameReader().push(Buffer.from('800200060000000400000001', 'hex'))).toThrow(
      'version is 2',
    );
    expect(() => new FrameReader().push(Buffer.from('HTTP/1.1 400 Bad Request'))).toThrow('longer than');
    expect(() => new FrameReader().push(Buffer.from('8003000600000000', 'hex'))).toThrow('too short');
  });
});

describe('headers', () => {
  test('are compressed with the dictionary of SPDY/3', async () => {
    expect(DICTIONARY.length).toBe(1423);
    const block = await new HeaderCompressor().compress({ streamtype: 'stdin' });
    // A zlib header that names the dictionary by its Adler-32 checksum.
    expect(block.subarray(2, 6).toString('hex')).toBe('e3c6a7c2');
    expect(block.subarray(-4).toString('hex')).toBe('0000ffff');
  });

  test('come out as they went in, block after block', async () => {
    const [compressor, decompressor] = [new HeaderCompressor(), new HeaderDecompressor()];
    const headers = fc.dictionary(fc.string({ minLength: 1 }), fc.string());
    await fc.assert(
      fc.asyncProperty(headers, async (some) => {
        expect(decodeHeaders(encodeHeaders(some))).toEqual({ ...some });
        expect(await decompressor.decompress(await compressor.compress(some))).toEqual({ ...some });
      }),
    );
  });

  test('may have any name', () => {
    const headers = Object.fromEntries([['__proto__', 'x']]);
    expect(Object.entries(decodeHeaders(encodeHeaders(headers)))).toEqual([['__proto__', 'x']]);
  });

  test('that explode, or are none, are refused', async () => {
    const bomb = await new HeaderCompressor().compress({ a: 'x'.repeat(10_000_000) });
    expect(bomb.length).toBeLessThan(20_000);
    await expect(new HeaderDecompressor().decompress(bomb)).rejects.toThrow('longer than 65536');
    await expect(new HeaderDecompressor().decompress(Buffer.from('nonsense'))).rejects.toThrow();
    expect(() => decodeHeaders(Buffer.from('00000002000000ff', 'hex'))).toThrow('too early');
  });
});

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

async function pair(
  onStream: (stream: SpdyStream) => void,
): Promise<{ client: SpdyConnection; socket: Socket }> {
  const server = createServer((socket) => {
    new SpdyConnection(socket, { role: 'server', onStream });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const client = new SpdyConnection(socket, { role: 'client' });
  ends.push(() => {
    client.close();
    server.close();
  });
  return { client, socket };
}

describe('a connection', () => {
  test('carries streams side by side, each closed in one direction alone', async () => {
    const { client } = await pair((stream) => {
      const name = stream.headers.name!;
      text(stream).then((all) => stream.end(`${name} got ${all}`));
    });
    const streams = await Promise.all(['a', 'b', 'c'].map((name) => client.open({ name })));
    expect(streams.map((stream) => stream.id)).toEqual([1, 3, 5]);
    const answers = streams.map((stream) => text(stream));
    for (const stream of streams) stream.write('half ');
    for (const stream of streams) stream.end(`of ${stream.id}`);
    expect(await Promise.all(answers)).toEqual(['a got half of 1', 'b got half of 3', 'c got half of 5']);
  });

  test('carries megabytes to a slow reader without keeping them', async () => {
    const size = 8 * 1024 * 1024;
    let most = 0;
    const { client, socket } = await pair((stream) => {
      stream.on('data', () => {
        most = Math.max(most, stream.readableLength);
        stream.pause();
        setImmediate(() => stream.resume());
      });
      stream.on('end', () => stream.end('done'));
    });
    const stream = await client.open({});
    const answer = buffer(stream);
    let left = size;
    await pipeline(
      function* () {
        for (; left > 0; left -= 65_536) yield Buffer.alloc(65_536, 7);
      },
      stream,
      { end: true },
    ).catch(() => {});
    expect((await answer).toString()).toBe('done');
    expect(socket.bytesWritten).toBeGreaterThan(size);
    expect(most).toBeLessThan(1024 * 1024);
  });

  test('that breaks ends its streams and refuses new ones', async () => {
    const { client, socket } = await pair(() => {});
    const stream = await client.open({});
    const over = new Promise((resolve) => stream.once('close', resolve));
    socket.destroy();
    await over;
    await client.closed;
    await expect(client.open({})).rejects.toThrow();
  });

  test('resets a stream that is destroyed, and the others go on', async () => {
    const seen: string[] = [];
    const { client } = await pair((stream) => {
      stream.on('close', () => seen.push(`closed ${stream.headers.name}`));
      stream.pipe(stream);
    });
    const [first, second] = await Promise.all([client.open({ name: 'x' }), client.open({ name: 'y' })]);
    first.destroy();
    await expect.poll(() => seen).toEqual(['closed x']);
    second.end('still here');
    expect(await text(second)).toBe('still here');
  });

  test('refuses what is no SPDY', async () => {
    const server = createServer((socket) => socket.end('HTTP/1.1 500 Internal Server Error\r\n\r\n'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const client = new SpdyConnection(connect((server.address() as AddressInfo).port, '127.0.0.1'), {
      role: 'client',
    });
    await expect(client.open({})).rejects.toThrow('SPDY');
    expect((await client.closed)?.message).toContain('SPDY');
    server.close();
  });
});
