import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rm, statfs, writeFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isDigest } from '../images/reference.ts';
import { RegistryError } from './error.ts';
import { digestOfFile, type ImageStore } from './store.ts';

const MOST_SESSIONS = 128;
/** Bytes of the largest blob that is taken. */
const MOST_BLOB = 16 * 1024 ** 3;
/** Bytes that uploads leave free on the disk. */
const RESERVE = 512 * 1024 ** 2;
/** How long, in milliseconds, a session waits for its next request. */
const IDLE_MS = 15 * 60_000;

interface Session {
  readonly id: string;
  readonly repository: string;
  readonly path: string;
  size: number;
  /** Somebody is writing. */
  busy: boolean;
  usedAt: number;
}

/** Blobs on their way in. A session lives as long as this process; what an earlier one left, the collector removes. */
export class Uploads {
  readonly #store: ImageStore;
  readonly #sessions = new Map<string, Session>();

  constructor(store: ImageStore) {
    this.#store = store;
  }

  async begin(repository: string): Promise<string> {
    for (const session of this.#sessions.values()) {
      if (!session.busy && Date.now() - session.usedAt > IDLE_MS)
        await this.cancel(session.repository, session.id);
    }
    if (this.#sessions.size >= MOST_SESSIONS) {
      throw new RegistryError('TOOMANYREQUESTS', `${MOST_SESSIONS} uploads are under way already`);
    }
    const id = randomUUID();
    const path = this.#store.draft(id);
    this.#sessions.set(id, { id, repository, path, size: 0, busy: false, usedAt: Date.now() });
    await writeFile(path, '', { flag: 'wx', mode: 0o644 });
    return id;
  }

  #find(repository: string, id: string): Session {
    const session = this.#sessions.get(id);
    if (session?.repository !== repository) throw new RegistryError('BLOB_UPLOAD_UNKNOWN', 'no such upload');
    if (session.busy)
      throw new RegistryError('BLOB_UPLOAD_INVALID', 'another request of this upload is under way');
    return session;
  }

  /** Bytes that are there. */
  sizeOf(repository: string, id: string): number {
    return this.#find(repository, id).size;
  }

  /**
   * Appends. A request that breaks off ends its upload: its client begins again.
   * @param start - where the sender believes this begins, in bytes
   * @param announced - bytes that are to come, when the sender said so
   * @returns bytes that are there now
   */
  async append(
    repository: string,
    id: string,
    body: Readable,
    { start, announced }: { start?: number | undefined; announced?: number | undefined } = {},
  ): Promise<number> {
    const session = this.#find(repository, id);
    if (start !== undefined && start !== session.size) {
      throw new RegistryError('RANGE_INVALID', `it goes on at byte ${session.size} and not at ${start}`);
    }
    session.busy = true;
    try {
      const { bavail, bsize } = await statfs(this.#store.folder);
      const room = Math.min(MOST_BLOB - session.size, bavail * bsize - RESERVE);
      const tooMuch = new RegistryError('SIZE_INVALID', `there is room for ${Math.max(0, room)} bytes more`);
      if ((announced ?? 0) > room || room <= 0) throw tooMuch;
      let left = room;
      const counted = async function* (source: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
        for await (const chunk of source) {
          left -= chunk.length;
          if (left < 0) throw tooMuch;
          session.size += chunk.length;
          yield chunk;
        }
      };
      const file = createWriteStream(session.path, { flags: 'r+', start: session.size });
      await pipeline(body, counted, file);
      return session.size;
    } catch (error) {
      // What was counted need not have been written: nobody can go on from here.
      await this.#end(session);
      throw error;
    } finally {
      session.busy = false;
      session.usedAt = Date.now();
    }
  }

  /** Ends an upload: its content becomes a blob, unless it is not what the digest says. */
  async finish(repository: string, id: string, digest: string): Promise<void> {
    const session = this.#find(repository, id);
    if (!isDigest(digest))
      throw new RegistryError('DIGEST_INVALID', `'${digest.slice(0, 80)}' is not a sha256 digest`);
    session.busy = true;
    try {
      const found = await digestOfFile(session.path);
      if (found !== digest) throw new RegistryError('DIGEST_INVALID', `what was sent is ${found}`);
      await this.#store.adopt(session.path, digest);
    } finally {
      await this.#end(session);
    }
  }

  async cancel(repository: string, id: string): Promise<void> {
    await this.#end(this.#find(repository, id));
  }

  async #end(session: Session): Promise<void> {
    this.#sessions.delete(session.id);
    await rm(session.path, { force: true });
  }
}
