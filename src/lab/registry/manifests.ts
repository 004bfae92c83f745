import { isDigest, isTag } from '../images/reference.ts';
import { RegistryError } from './error.ts';
import { bodyOf, type Exchange, send } from './http.ts';
import { MOST_MANIFEST, OCI_INDEX } from './manifest.ts';
import type { StandIns } from './stand-ins.ts';
import type { ImageStore, StoredManifest } from './store.ts';

/** The manifest for a tag or a digest; a ready-made image is built for it when it has to be. */
export async function findManifest(
  store: ImageStore,
  standIns: StandIns | undefined,
  repository: string,
  reference: string,
): Promise<StoredManifest | undefined> {
  if (isDigest(reference)) return await store.manifest(repository, reference);
  if (!isTag(reference))
    throw new RegistryError('TAG_INVALID', `'${reference.slice(0, 130)}' is neither a tag nor a digest`);
  const record = await store.tag(repository, reference);
  const stored = record && (await store.tagged(repository, record));
  const isOurs = record?.source === 'ready-made' || record?.source === 'stand-in';
  if (stored && !isOurs) return stored;
  try {
    // Also when it is there: another version of this program may make it otherwise.
    return (await standIns?.resolve(repository, reference)) ?? stored;
  } catch (error) {
    if (stored) return stored;
    throw new RegistryError('UNAVAILABLE', `it could not be built: ${(error as Error).message}`, error);
  }
}

export async function sendManifest(
  exchange: Exchange,
  store: ImageStore,
  standIns: StandIns | undefined,
  reference: string,
): Promise<void> {
  const { request, repository } = exchange;
  const found = await findManifest(store, standIns, repository, reference);
  if (!found) throw new RegistryError('MANIFEST_UNKNOWN', `${repository} has no ${reference}`);
  const headers = { 'docker-content-digest': found.digest, etag: `"${found.digest}"` };
  if (request.headers['if-none-match'] === headers.etag) return send(exchange, 304, headers);
  send(exchange, 200, { ...headers, 'content-type': found.manifest.mediaType }, found.data);
}

export async function takeManifest(exchange: Exchange, store: ImageStore, reference: string): Promise<void> {
  const { request, repository, name } = exchange;
  if (!isTag(reference) && !isDigest(reference)) {
    throw new RegistryError('TAG_INVALID', `'${reference.slice(0, 130)}' is neither a tag nor a digest`);
  }
  const data = await bodyOf(request, MOST_MANIFEST);
  const { digest, manifest } = await store.putManifest(repository, data, request.headers['content-type']);
  if (isTag(reference)) await store.setTag(repository, reference, digest, 'pushed');
  else if (reference !== digest) throw new RegistryError('DIGEST_INVALID', `what was sent is ${digest}`);
  send(exchange, 201, {
    location: `/v2/${name}/manifests/${digest}`,
    'docker-content-digest': digest,
    ...(manifest.subject ? { 'oci-subject': manifest.subject.digest } : {}),
  });
}

export async function removeManifest(
  exchange: Exchange,
  store: ImageStore,
  reference: string,
): Promise<void> {
  const { repository } = exchange;
  const done = isDigest(reference)
    ? await store.removeManifest(repository, reference)
    : await store.removeTag(repository, reference);
  if (!done) throw new RegistryError('MANIFEST_UNKNOWN', `${repository} has no ${reference.slice(0, 130)}`);
  send(exchange, 202);
}

/** What of a repository refers to a manifest as its subject: signatures, bills of materials. */
export async function sendReferrers(exchange: Exchange, store: ImageStore, digest: string): Promise<void> {
  if (!isDigest(digest))
    throw new RegistryError('DIGEST_INVALID', `'${digest.slice(0, 80)}' is not a sha256 digest`);
  const { repository, query } = exchange;
  const wanted = query.get('artifactType');
  const manifests: object[] = [];
  for (const each of await store.manifests(repository)) {
    const found = await store.manifest(repository, each);
    if (found?.manifest.subject?.digest !== digest) continue;
    const { mediaType, artifactType, annotations } = found.manifest;
    if (wanted !== null && artifactType !== wanted) continue;
    const type = artifactType === undefined ? {} : { artifactType };
    manifests.push({ mediaType, digest: found.digest, size: found.data.length, ...type, annotations });
  }
  send(
    exchange,
    200,
    { 'content-type': OCI_INDEX, ...(wanted === null ? {} : { 'oci-filters-applied': 'artifactType' }) },
    JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }),
  );
}
