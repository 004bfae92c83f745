import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { BuiltImage } from '../images/oci.ts';
import type { ImageStore } from './store.ts';

/** How long, in milliseconds, what no image uses is kept: somebody may be about to name it. */
const GRACE_MS = 15 * 60_000;

/** The digests that a built image's record names; so images that no tag names, as the pods' own container, stay. */
async function recorded(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const name of (await readdir(folder)).filter((entry) => entry.endsWith('.json'))) {
    try {
      const image = JSON.parse(await readFile(join(folder, name), 'utf8')) as BuiltImage;
      found.push(...[image.manifest, image.config, ...image.layers].map(({ digest }) => digest));
    } catch {
      // Being replaced, or none of ours.
    }
  }
  return found;
}

async function named(store: ImageStore): Promise<string[]> {
  const found: string[] = [];
  for (const repository of await store.repositories()) {
    for (const tag of await store.tags(repository)) {
      const record = await store.tag(repository, tag);
      if (record) await store.tagged(repository, record);
    }
    for (const digest of await store.manifests(repository)) {
      found.push(digest);
      const stored = await store.manifest(repository, digest);
      found.push(...(stored?.manifest.blobs ?? []).map((blob) => blob.digest));
    }
  }
  return found;
}

/** Where uploads lie, and builders that were killed left their work. */
async function leftBehind(folder: string): Promise<string[]> {
  const uploads = (await readdir(join(folder, 'uploads'))).map((name) => join(folder, 'uploads', name));
  const work = (await readdir(folder)).filter((name) => /^(apt|build)-[^.]+$/.test(name));
  return [...uploads, ...work.map((name) => join(folder, name))];
}

/**
 * Removes blobs that no image uses, and what broken uploads left. What is younger than `graceMs` stays; so this may run
 * beside writers, who make what they count on young.
 *
 * @returns bytes that were given back
 */
export async function collectGarbage(store: ImageStore, graceMs: number = GRACE_MS): Promise<number> {
  const blobs = join(store.folder, 'blobs/sha256');
  const isOld = async (path: string): Promise<number | undefined> => {
    const found = await stat(path).catch(() => undefined);
    return found && Date.now() - Math.max(found.mtimeMs, found.ctimeMs) >= graceMs ? found.size : undefined;
  };
  const candidates: [path: string, digest: string][] = [];
  for (const name of await readdir(blobs)) {
    if ((await isOld(join(blobs, name))) !== undefined)
      candidates.push([join(blobs, name), `sha256:${name}`]);
  }
  // Read after the candidates: what was young then, and named since, is not among them.
  const used = new Set([...(await recorded(store.folder)), ...(await named(store))]);
  let freed = 0;
  for (const [path, digest] of candidates) {
    const size = used.has(digest) ? undefined : await isOld(path);
    if (size === undefined) continue;
    await rm(path, { force: true });
    freed += size;
  }
  for (const path of await leftBehind(store.folder)) {
    const size = await isOld(path);
    if (size === undefined) continue;
    await rm(path, { recursive: true, force: true });
    freed += size;
  }
  return freed;
}
