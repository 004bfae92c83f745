import { createReadStream, createWriteStream } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { posix } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { extract } from 'tar-stream';
import { LabError } from '../errors.ts';
import { type ImageReference, isDigest, parseReference } from '../images/reference.ts';
import { MOST_MANIFEST, OCI_MANIFEST, parseManifest } from './manifest.ts';
import { digestOfFile, type ImageStore } from './store.ts';

/*
 * Images in files: what `docker save` writes (moby image-spec v1.2: manifest.json, and since Docker 25 an OCI layout
 * beside it) and OCI archives (image-layout.md), plain or compressed.
 */

/** A name in the archive's own list of images. */
const REF_NAMES = ['io.containerd.image.name', 'org.opencontainers.image.ref.name'];
const MOST_ENTRIES = 20_000;

interface Part {
  readonly digest: string;
  readonly size: number;
}

/** What an archive holds: each file is a blob of the store by now, and small ones are also at hand. */
interface Contents {
  readonly blobs: Map<string, Part>;
  readonly texts: Map<string, Buffer>;
  /** Links of older archives: several images share a layer's file. */
  readonly links: Map<string, string>;
}

function refuse(file: string, rule: string, fix?: string): LabError {
  return new LabError({
    code: 'InvalidImageArchive',
    field: 'FILE',
    value: file,
    rule,
    ...(fix ? { fix } : {}),
  });
}

async function decompressed(file: string): Promise<Readable> {
  const handle = await open(file, 'r').catch((error: Error) => {
    throw refuse(file, `cannot be read: ${error.message}`);
  });
  const head = Buffer.alloc(4);
  try {
    await handle.read(head, 0, 4, 0);
  } catch (error) {
    throw refuse(file, `cannot be read: ${(error as Error).message}`);
  } finally {
    await handle.close();
  }
  const decoder =
    head.readUInt16BE(0) === 0x1f8b
      ? createGunzip()
      : head.readUInt32BE(0) === 0x28b52ffd
        ? createZstdDecompress()
        : undefined;
  const source = createReadStream(file, { highWaterMark: 1 << 20 });
  if (!decoder) return source;
  source.on('error', (error) => decoder.destroy(error));
  return source.pipe(decoder);
}

/** Streams every file of an archive into the store, named by its content. */
async function unpack(file: string, store: ImageStore, step: (text: string) => void): Promise<Contents> {
  const contents: Contents = { blobs: new Map(), texts: new Map(), links: new Map() };
  const source = await decompressed(file);
  const archive = extract();
  source.on('error', (error) => archive.destroy(error));
  let entries = 0;
  for await (const entry of source.pipe(archive)) {
    const { name, type, size = 0, linkname } = entry.header;
    const path = posix.normalize(name).replace(/^\.?\/+/, '');
    if (++entries > MOST_ENTRIES) throw refuse(file, `has more than ${MOST_ENTRIES} files`);
    if (type === 'symlink' || type === 'link') {
      const target = type === 'link' ? (linkname ?? '') : posix.join(posix.dirname(path), linkname ?? '');
      contents.links.set(path, posix.normalize(target));
    }
    if (type !== 'file') {
      entry.resume();
      continue;
    }
    if (size > 10_000_000) step(`reading ${path.slice(0, 80)}, ${Math.round(size / 1e6)} MB`);
    const draft = store.draft();
    try {
      await pipeline(entry, createWriteStream(draft, { flags: 'wx' }));
      const digest = await digestOfFile(draft);
      const said = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(path)?.[1];
      if (said !== undefined && digest !== `sha256:${said}`)
        throw refuse(file, `is damaged: ${path} is ${digest}`);
      if (size <= MOST_MANIFEST) {
        const small: Buffer[] = [];
        for await (const chunk of createReadStream(draft)) small.push(chunk as Buffer);
        contents.texts.set(path, Buffer.concat(small));
      }
      // Lists of images are this archive's own business; the rest may be a part of one.
      if (!/^(manifest\.json|index\.json|oci-layout|repositories)$/.test(path))
        await store.adopt(draft, digest);
      contents.blobs.set(path, { digest, size });
    } finally {
      await rm(draft, { force: true });
    }
  }
  return contents;
}

function find(contents: Contents, path: string): { path: string; part: Part } | undefined {
  const normal = posix.normalize(path);
  const target = contents.links.get(normal) ?? normal;
  const part = contents.blobs.get(target);
  return part && { path: target, part };
}

function jsonOf(contents: Contents, path: string, file: string): unknown {
  const text = contents.texts.get(path);
  if (!text) return undefined;
  try {
    return JSON.parse(text.toString('utf8'));
  } catch {
    throw refuse(file, `is damaged: ${path} is not JSON`);
  }
}

/** A name that the archive gives; one that is no whole name, as a tag alone, counts for nothing. */
function readName(text: unknown): ImageReference | undefined {
  if (typeof text !== 'string' || !/[/:]/.test(text)) return undefined;
  try {
    return parseReference(text);
  } catch {
    return undefined;
  }
}

/** An image of an archive, with the names that it has there. */
interface Found {
  readonly names: ImageReference[];
  /** The manifest, which is to be stored. */
  readonly data: Buffer;
}

/** Images of an OCI layout. */
function fromLayout(contents: Contents, file: string): Found[] {
  const index = jsonOf(contents, 'index.json', file);
  const entries = (index as { manifests?: unknown } | undefined)?.manifests;
  if (!Array.isArray(entries)) return [];
  const byDigest = new Map<string, Found>();
  for (const entry of entries as { digest?: unknown; annotations?: Record<string, unknown> }[]) {
    const digest = String(entry?.digest);
    const data = isDigest(digest) ? contents.texts.get(`blobs/sha256/${digest.slice(7)}`) : undefined;
    if (!data) throw refuse(file, `is damaged: it has no ${digest.slice(0, 80)}`);
    const found = byDigest.get(digest) ?? { names: [], data };
    const names = REF_NAMES.map((key) => readName(entry.annotations?.[key])).filter(
      (name) => name !== undefined,
    );
    if (names[0]) found.names.push(names[0]);
    byDigest.set(digest, found);
  }
  return [...byDigest.values()];
}

const isTarOf = (magic: Buffer): string =>
  magic.length >= 2 && magic.readUInt16BE(0) === 0x1f8b ? '+gzip' : '';

async function magicOf(path: string): Promise<Buffer> {
  const handle = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

/** Images of Docker's own list, which has no manifests as registries know them: those are made here. */
async function fromDocker(contents: Contents, file: string, store: ImageStore): Promise<Found[]> {
  const list = jsonOf(contents, 'manifest.json', file);
  if (!Array.isArray(list)) return [];
  const found: Found[] = [];
  for (const entry of list as { Config?: unknown; RepoTags?: unknown; Layers?: unknown }[]) {
    const config = find(contents, String(entry?.Config));
    if (!config || !Array.isArray(entry.Layers))
      throw refuse(file, `is damaged: it has no ${String(entry?.Config)}`);
    const layers: object[] = [];
    for (const path of entry.Layers.map(String)) {
      const layer = find(contents, path);
      if (!layer) throw refuse(file, `is damaged: it has no ${path.slice(0, 200)}`);
      const { digest, size } = layer.part;
      const compression = isTarOf(await magicOf(store.blobPath(digest)));
      layers.push({ mediaType: `application/vnd.oci.image.layer.v1.tar${compression}`, digest, size });
    }
    const { digest, size } = config.part;
    const mediaType = 'application/vnd.oci.image.config.v1+json';
    const manifest = {
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: { mediaType, digest, size },
      layers,
    };
    const tags = Array.isArray(entry.RepoTags) ? entry.RepoTags : [];
    const names = tags.map(readName).filter((name) => name !== undefined);
    found.push({ names, data: Buffer.from(JSON.stringify(manifest)) });
  }
  return found;
}

/** Stores a manifest, and those below it as far as the archive has them. */
async function putWhole(
  contents: Contents,
  store: ImageStore,
  repository: string,
  data: Buffer,
  depth = 0,
): Promise<string> {
  for (const child of depth < 4 ? parseManifest(data).manifests : []) {
    const below = contents.texts.get(`blobs/sha256/${child.digest.slice(7)}`);
    // Of an image for several platforms, a machine saves those that it has, and sometimes a manifest without its parts.
    const isWhole =
      below &&
      parseManifest(below, child.mediaType).blobs.every(({ digest, foreign }) => {
        return foreign || contents.blobs.has(`blobs/sha256/${digest.slice(7)}`);
      });
    if (below && isWhole) await putWhole(contents, store, repository, below, depth + 1);
  }
  return (await store.putManifest(repository, data)).digest;
}

/**
 * Loads the images of a file into the store, where nodes find them at once. Nothing of it is held in memory as a whole.
 *
 * @param options.name - for the one image of an archive that has no name, or to give it another one
 * @returns the whole names
 * @throws LabError `InvalidImageArchive`, `InvalidImageName`; RegistryError when a part is missing or damaged
 */
export async function loadArchive(
  file: string,
  store: ImageStore,
  options: { name?: string; step?: (text: string) => void } = {},
): Promise<string[]> {
  const wanted = options.name === undefined ? undefined : parseReference(options.name, '--name');
  let contents: Contents;
  try {
    contents = await unpack(file, store, options.step ?? (() => undefined));
  } catch (error) {
    if (error instanceof LabError || (error as NodeJS.ErrnoException).syscall !== undefined) throw error;
    throw refuse(
      file,
      `is not an archive: ${(error as Error).message}`,
      'give what docker save or an OCI tool wrote',
    );
  }
  const layout = fromLayout(contents, file);
  const found = layout.length > 0 ? layout : await fromDocker(contents, file, store);
  if (found.length === 0) {
    throw refuse(
      file,
      'holds no image: neither index.json nor manifest.json',
      'give what docker save or an OCI tool wrote',
    );
  }
  if (wanted && found.length > 1) throw refuse(file, `holds ${found.length} images`, 'leave --name out');
  const names: string[] = [];
  for (const { names: own, data } of found) {
    const all = wanted ? [wanted] : own;
    if (all.length === 0) throw refuse(file, 'gives its image no name', 'name it: --name NAME[:TAG]');
    for (const { repository, tag = 'latest' } of all) {
      const digest = await putWhole(contents, store, repository, data);
      await store.setTag(repository, tag, digest, 'loaded');
      names.push(`${repository}:${tag}`);
    }
  }
  return names;
}
