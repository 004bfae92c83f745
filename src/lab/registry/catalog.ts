import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { LabError } from '../errors.ts';
import type { BuiltImage } from '../images/oci.ts';
import { READY_MADE, readyMadeOf } from '../images/ready-made.ts';
import { familiarName, parseReference } from '../images/reference.ts';
import { collectGarbage } from './collect.ts';
import type { ImageStore, Source, StoredManifest } from './store.ts';

/** One name of an image, as `flyover image list` shows it. */
export interface ImageView {
  /** As users write it: `nginx`, `ghcr.io/shop/web`. */
  readonly name: string;
  readonly tag: string;
  /** With its registry. */
  readonly repository: string;
  readonly source: Source;
  /** Absent for a ready-made image that nobody has used yet. */
  readonly digest?: string;
  /** Bytes of its layers and configuration. */
  readonly size?: number;
  /** ISO 8601. */
  readonly updated?: string;
}

/** Bytes of an image; of an index, of all its images that are here. */
async function sizeOf(store: ImageStore, repository: string, stored: StoredManifest): Promise<number> {
  let size = stored.manifest.blobs.reduce((sum, part) => sum + (part.foreign ? 0 : part.size), 0);
  for (const child of stored.manifest.manifests) {
    const below = await store.manifest(repository, child.digest);
    if (below && !below.manifest.isIndex) size += await sizeOf(store, repository, below);
  }
  return size;
}

/** All names in the store, and the ready-made images that are built at their first use. */
export async function listImages(store: ImageStore): Promise<ImageView[]> {
  const found: ImageView[] = [];
  for (const repository of await store.repositories()) {
    for (const tag of await store.tags(repository)) {
      const record = await store.tag(repository, tag);
      const stored = record && (await store.tagged(repository, record));
      if (!stored) continue;
      const { digest, source, updated } = record;
      const size = await sizeOf(store, repository, stored);
      found.push({ name: familiarName(repository), tag, repository, source, digest, size, updated });
    }
  }
  for (const repository of READY_MADE.keys()) {
    if (found.some((image) => image.repository === repository && image.tag === 'latest')) continue;
    found.push({ name: familiarName(repository), tag: 'latest', repository, source: 'ready-made' });
  }
  return found.sort((a, b) => compare(a.name, b.name) || compare(a.tag, b.tag));
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

export async function showImage(store: ImageStore, name: string): Promise<ImageView | undefined> {
  const { repository, tag } = parseReference(name);
  return (await listImages(store)).find((image) => image.repository === repository && image.tag === tag);
}

/** Forgets what was built for a name, so that its blobs are not held and it is built anew when it is wanted again. */
async function forgetBuilds(folder: string, names: readonly string[]): Promise<void> {
  for (const file of (await readdir(folder)).filter((entry) => entry.endsWith('.json'))) {
    try {
      const image = JSON.parse(await readFile(join(folder, file), 'utf8')) as BuiltImage;
      if (names.includes(image.name)) await rm(join(folder, file), { force: true });
    } catch {
      // Being replaced, or none of ours.
    }
  }
}

/**
 * Removes a name; what no other name needs goes with it, at the latest when the lab's registry looks next. Nodes keep
 * what they have pulled. A ready-made image is built again at its next use.
 *
 * @returns bytes that were given back
 * @throws LabError `NotFound`
 */
export async function removeImage(store: ImageStore, name: string): Promise<number> {
  const { repository, tag, digest } = parseReference(name, 'NAME');
  const done =
    digest !== undefined
      ? await store.removeManifest(repository, digest)
      : await store.removeTag(repository, tag ?? 'latest');
  if (!done) {
    const all = (await listImages(store)).filter((image) => image.digest !== undefined);
    throw new LabError({
      code: 'NotFound',
      field: 'image',
      value: name,
      rule: 'does not exist',
      fix:
        all.length > 0
          ? `there are: ${all.map((each) => `${each.name}:${each.tag}`).join(', ')}`
          : 'there is none yet',
      status: 404,
    });
  }
  const left = await store.tags(repository);
  const recipe = readyMadeOf(repository);
  await forgetBuilds(store.folder, [
    `${repository}:${tag ?? 'latest'}`,
    ...(recipe && left.length === 0 ? [`${recipe.name}:latest`] : []),
  ]);
  return await collectGarbage(store);
}
