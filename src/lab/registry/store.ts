import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, mkdirSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, rmdir, stat, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { blobPath } from '../images/oci.ts';
import { isDigest, isTag } from '../images/reference.ts';
import { RegistryError } from './error.ts';
import { type Manifest, MOST_MANIFEST, parseManifest } from './manifest.ts';

/** Where an image came from. */
export type Source = 'built' | 'loaded' | 'pushed' | 'ready-made' | 'stand-in';
const SOURCES: readonly string[] = ['built', 'loaded', 'pushed', 'ready-made', 'stand-in'];

/** What a tag points at. */
export interface TagRecord {
  readonly digest: string;
  readonly source: Source;
  /** ISO 8601. */
  readonly updated: string;
}

export interface StoredManifest {
  readonly digest: string;
  readonly data: Buffer;
  readonly manifest: Manifest;
}

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

/** Nothing for what is not there. */
async function unlessMissing<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

export function digestOf(data: Buffer): string {
  return `sha256:${createHash('sha256').update(data).digest('hex')}`;
}

/** The digest of a file, which may be of any size. */
export async function digestOfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return `sha256:${hash.digest('hex')}`;
}

/**
 * Images by their names, in the folder where built images lie: blobs below `blobs/sha256` are shared by all, and
 * below `refs` each repository has a folder with its tags and with the digests of its manifests. Several processes
 * may write at once: blobs and manifests are named by their content, and all that is written comes by rename, synced,
 * so that what was acknowledged is there after a crash, and nobody reads a half.
 */
export class ImageStore {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
    for (const part of ['blobs/sha256', 'refs', 'uploads'])
      mkdirSync(join(folder, part), { recursive: true });
  }

  blobPath(digest: string): string {
    if (!isDigest(digest))
      throw new RegistryError('DIGEST_INVALID', `${digest.slice(0, 80)} is no sha256 digest`);
    return blobPath(this.folder, digest);
  }

  /** The size of a blob in bytes; undefined when it is not there. Who asks is about to use it: it counts as new again. */
  async sizeOfBlob(digest: string): Promise<number | undefined> {
    const path = this.blobPath(digest);
    const found = await unlessMissing(stat(path));
    if (!found) return undefined;
    // What builders wrote and nodes share is not aged by anybody but the collector, which keeps what is young.
    if (Date.now() - found.mtimeMs > 60_000) await unlessMissing(utimes(path, new Date(), new Date()));
    return found.size;
  }

  /** A path for a file that is to become a blob. */
  draft(id: string = randomUUID()): string {
    return join(this.folder, 'uploads', id);
  }

  /** Makes a complete draft the blob that it is. The digest must have been computed from it. */
  async adopt(draft: string, digest: string): Promise<void> {
    await syncPath(draft);
    await rename(draft, this.blobPath(digest));
    await syncPath(join(this.folder, 'blobs/sha256'));
  }

  /** @returns the digest */
  async writeBlob(data: Buffer): Promise<string> {
    const digest = digestOf(data);
    if ((await this.sizeOfBlob(digest)) === data.length) return digest;
    await this.#write(this.blobPath(digest), data);
    return digest;
  }

  async #write(path: string, data: Buffer | string): Promise<void> {
    const draft = this.draft();
    const file = await open(draft, 'wx', 0o644);
    try {
      await file.writeFile(data);
      await file.sync();
    } finally {
      await file.close();
    }
    for (let left = 20; ; left--) {
      try {
        await mkdir(dirname(path), { recursive: true });
        await rename(draft, path);
        break;
      } catch (error) {
        // Somebody removed the last tag, and the folder, in between.
        if (codeOf(error) !== 'ENOENT' || left === 0) throw error;
      }
    }
    await unlessMissing(syncPath(dirname(path)));
  }

  #repository(repository: string, ...rest: string[]): string {
    return join(this.folder, 'refs', repository, ...rest);
  }

  async tag(repository: string, tag: string): Promise<TagRecord | undefined> {
    if (!isTag(tag)) return undefined;
    const text = await unlessMissing(readFile(this.#repository(repository, '_tags', tag), 'utf8'));
    return text === undefined ? undefined : readTag(text);
  }

  async setTag(repository: string, tag: string, digest: string, source: Source): Promise<void> {
    if (!isTag(tag)) throw new RegistryError('TAG_INVALID', `'${tag.slice(0, 130)}' is not a tag`);
    const record: TagRecord = { digest, source, updated: new Date().toISOString() };
    await this.#write(this.#repository(repository, '_tags', tag), JSON.stringify(record));
    await this.tagged(repository, record);
  }

  /**
   * The manifest that a tag points at. Whoever removes another tag of the same image at this moment may have taken the
   * repository's note of it along: then that is written again.
   */
  async tagged(repository: string, { digest }: TagRecord): Promise<StoredManifest | undefined> {
    const found = await this.manifest(repository, digest);
    if (found) return found;
    const data = await unlessMissing(readFile(this.blobPath(digest)));
    if (!data || digestOf(data) !== digest) return undefined;
    try {
      return await this.putManifest(repository, data);
    } catch (error) {
      // A part of it is lost: then it is not here.
      if (error instanceof RegistryError) return undefined;
      throw error;
    }
  }

  /** A manifest of a repository. */
  async manifest(repository: string, digest: string): Promise<StoredManifest | undefined> {
    if (!isDigest(digest)) return undefined;
    const type = await unlessMissing(
      readFile(this.#repository(repository, '_manifests', digest.slice(7)), 'utf8'),
    );
    if (type === undefined) return undefined;
    const path = this.blobPath(digest);
    if (((await unlessMissing(stat(path)))?.size ?? MOST_MANIFEST + 1) > MOST_MANIFEST) return undefined;
    const data = await readFile(path);
    // Damaged, it is not here, and its client asks elsewhere.
    if (digestOf(data) !== digest) return undefined;
    return { digest, data, manifest: parseManifest(data, type) };
  }

  /**
   * Stores a manifest whose parts are there already.
   * @throws RegistryError `MANIFEST_INVALID`, `MANIFEST_BLOB_UNKNOWN`
   */
  async putManifest(repository: string, data: Buffer, contentType?: string): Promise<StoredManifest> {
    const manifest = parseManifest(data, contentType);
    for (const part of manifest.blobs) {
      const size = part.foreign ? part.size : await this.sizeOfBlob(part.digest);
      if (size === undefined)
        throw new RegistryError('MANIFEST_BLOB_UNKNOWN', `it names ${part.digest}, which is not here`);
      if (size !== part.size) {
        throw new RegistryError('MANIFEST_INVALID', `${part.digest} has ${size} bytes and not ${part.size}`);
      }
    }
    const digest = await this.writeBlob(data);
    const path = this.#repository(repository, '_manifests', digest.slice(7));
    if ((await unlessMissing(readFile(path, 'utf8'))) !== manifest.mediaType) {
      await this.#write(path, manifest.mediaType);
    }
    return { digest, data, manifest };
  }

  /** @returns whether there was such a tag */
  async removeTag(repository: string, tag: string): Promise<boolean> {
    const record = await this.tag(repository, tag);
    if (!record) return false;
    await rm(this.#repository(repository, '_tags', tag), { force: true });
    const others = await Promise.all(
      (await this.tags(repository)).map((other) => this.tag(repository, other)),
    );
    if (!others.some((other) => other?.digest === record.digest))
      await this.#forget(repository, record.digest);
    if (others.length === 0) await this.#removeRepository(repository);
    return true;
  }

  /** Removes a manifest and the tags that point at it. @returns whether it was there */
  async removeManifest(repository: string, digest: string): Promise<boolean> {
    if (!(await this.manifest(repository, digest))) return false;
    for (const tag of await this.tags(repository)) {
      if ((await this.tag(repository, tag))?.digest === digest) {
        await rm(this.#repository(repository, '_tags', tag), { force: true });
      }
    }
    await this.#forget(repository, digest);
    return true;
  }

  async #forget(repository: string, digest: string): Promise<void> {
    await rm(this.#repository(repository, '_manifests', digest.slice(7)), { force: true });
  }

  /** Manifests that no tag names go with the last tag; unless another was written meanwhile. */
  async #removeRepository(repository: string): Promise<void> {
    try {
      await rmdir(this.#repository(repository, '_tags'));
    } catch {
      return;
    }
    await rm(this.#repository(repository, '_manifests'), { recursive: true, force: true });
    // Not when there are repositories below it.
    await rmdir(this.#repository(repository)).catch(() => undefined);
  }

  /** In the order of their names. */
  async tags(repository: string): Promise<string[]> {
    return ((await unlessMissing(readdir(this.#repository(repository, '_tags')))) ?? []).filter(isTag).sort();
  }

  async manifests(repository: string): Promise<string[]> {
    const names = (await unlessMissing(readdir(this.#repository(repository, '_manifests')))) ?? [];
    return names.map((hex) => `sha256:${hex}`).filter(isDigest);
  }

  /** All repositories that have an image, in the order of their names. */
  async repositories(): Promise<string[]> {
    const found: string[] = [];
    const visit = async (path: string): Promise<void> => {
      const entries = (await unlessMissing(readdir(this.#repository(path), { withFileTypes: true }))) ?? [];
      const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
      if (names.includes('_manifests') || names.includes('_tags')) found.push(path);
      for (const name of names.filter((each) => !each.startsWith('_'))) {
        await visit(path === '' ? name : `${path}/${name}`);
      }
    };
    await visit('');
    return found.sort();
  }
}

function readTag(text: string): TagRecord | undefined {
  try {
    const record = JSON.parse(text) as TagRecord;
    return isDigest(record.digest) && SOURCES.includes(record.source) ? record : undefined;
  } catch {
    return undefined;
  }
}

async function syncPath(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
