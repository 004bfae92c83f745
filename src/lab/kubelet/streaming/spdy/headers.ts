import { constants, createDeflate, createInflate } from 'node:zlib';
import { DICTIONARY } from './dictionary.ts';

/** Header names in lower case. Several values of one name are joined with a NUL on the wire, and here. */
export type Headers = Readonly<Record<string, string>>;

/** Headers of a stream say its type and a port; what is larger is an attack. Bytes. */
const MAX_BLOCK = 64 * 1024;

/** The name/value block of SPDY/3, not compressed. */
export function encodeHeaders(headers: Headers): Buffer {
  const entries = Object.entries(headers).flat();
  const parts: Buffer[] = [Buffer.alloc(4)];
  parts[0]!.writeUInt32BE(entries.length / 2, 0);
  for (const text of entries) {
    const bytes = Buffer.from(text);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length, 0);
    parts.push(length, bytes);
  }
  return Buffer.concat(parts);
}

/** @throws Error for a block that ends too early or goes on for too long */
export function decodeHeaders(block: Buffer): Record<string, string> {
  let at = 0;
  const number = (): number => {
    if (at + 4 > block.length) throw new Error('SPDY headers end too early');
    at += 4;
    return block.readUInt32BE(at - 4);
  };
  const text = (): string => {
    const length = number();
    if (at + length > block.length) throw new Error('SPDY headers end too early');
    at += length;
    return block.toString('utf8', at - length, at);
  };
  const headers: [name: string, value: string][] = [];
  for (let left = number(); left > 0; left--) headers.push([text(), text()]);
  if (at !== block.length) throw new Error('SPDY headers are followed by something');
  // An assignment would take the name __proto__ for something else.
  return Object.fromEntries(headers);
}

/** Compresses the blocks of one direction of a connection: one zlib stream, flushed after each block. Calls must not overlap. */
export class HeaderCompressor {
  readonly #deflate = createDeflate({ dictionary: DICTIONARY });
  #chunks: Buffer[] = [];

  constructor() {
    this.#deflate.on('data', (chunk: Buffer) => this.#chunks.push(chunk));
  }

  compress(headers: Headers): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#deflate.once('error', reject);
      this.#deflate.write(encodeHeaders(headers));
      this.#deflate.flush(constants.Z_SYNC_FLUSH, () => {
        this.#deflate.off('error', reject);
        const chunks = this.#chunks;
        this.#chunks = [];
        resolve(Buffer.concat(chunks));
      });
    });
  }

  close(): void {
    this.#deflate.destroy();
  }
}

/** The other end of a {@link HeaderCompressor}. Calls must not overlap. */
export class HeaderDecompressor {
  readonly #inflate = createInflate({ dictionary: DICTIONARY });
  #chunks: Buffer[] = [];
  #size = 0;

  constructor() {
    this.#inflate.on('data', (chunk: Buffer) => {
      this.#size += chunk.length;
      if (this.#size <= MAX_BLOCK) this.#chunks.push(chunk);
      else this.#inflate.destroy(new Error(`SPDY headers are longer than ${MAX_BLOCK} bytes`));
    });
    this.#inflate.on('error', () => {});
  }

  decompress(block: Buffer): Promise<Record<string, string>> {
    return new Promise((resolve, reject) => {
      this.#inflate.once('error', reject);
      this.#inflate.write(block, (error) => {
        // Destroyed by what came out of it: the error event, which rejects, is still to come.
        if (error || this.#inflate.destroyed) return;
        this.#inflate.off('error', reject);
        const whole = Buffer.concat(this.#chunks);
        this.#chunks = [];
        this.#size = 0;
        try {
          resolve(decodeHeaders(whole));
        } catch (wrong) {
          reject(wrong);
        }
      });
    });
  }

  close(): void {
    this.#inflate.destroy();
  }
}
