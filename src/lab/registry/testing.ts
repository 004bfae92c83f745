import { createHash } from 'node:crypto';
import { OCI_MANIFEST } from './manifest.ts';

/*
 * A client that pushes as others do, for tests.
 */

export const sha256 = (data: Buffer | string): string =>
  `sha256:${createHash('sha256').update(data).digest('hex')}`;

export interface TestImage {
  readonly blobs: ReadonlyMap<string, Buffer>;
  readonly manifest: Buffer;
  readonly digest: string;
}

/** An image of the given layers, which need not be tars unless somebody runs it. */
export function testImage(
  layers: readonly Buffer[],
  config: Record<string, unknown> = {},
  extra: Record<string, unknown> = {},
): TestImage {
  const blobs = new Map(layers.map((layer) => [sha256(layer), layer]));
  const configData = Buffer.from(
    JSON.stringify({
      architecture: process.arch === 'x64' ? 'amd64' : process.arch,
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: layers.map(sha256) },
      ...config,
    }),
  );
  blobs.set(sha256(configData), configData);
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: {
        mediaType: 'application/vnd.oci.image.config.v1+json',
        digest: sha256(configData),
        size: configData.length,
      },
      layers: layers.map((layer) => ({
        mediaType: 'application/vnd.oci.image.layer.v1.tar',
        digest: sha256(layer),
        size: layer.length,
      })),
      ...extra,
    }),
  );
  return { blobs, manifest, digest: sha256(manifest) };
}

export type Fetch = (path: string, init?: RequestInit) => Promise<Response>;

/** Pushes an image: each blob in chunks, then the manifest. */
export async function pushImage(ask: Fetch, name: string, tag: string, image: TestImage): Promise<Response> {
  for (const [digest, data] of image.blobs) {
    const begun = await ask(`/v2/${name}/blobs/uploads/`, { method: 'POST' });
    if (begun.status !== 202) return begun;
    let location = begun.headers.get('location')!;
    const middle = Math.ceil(data.length / 2);
    for (const [start, end] of [
      [0, middle],
      [middle, data.length],
    ] as const) {
      if (end === start) continue;
      const headers = { 'content-range': `${start}-${end - 1}`, 'content-type': 'application/octet-stream' };
      const body = new Uint8Array(data.subarray(start, end));
      const sent = await ask(location, { method: 'PATCH', headers, body });
      if (sent.status !== 202) return sent;
      location = sent.headers.get('location')!;
    }
    const query = `${location.includes('?') ? '&' : '?'}digest=${encodeURIComponent(digest)}`;
    const done = await ask(location + query, { method: 'PUT' });
    if (done.status !== 201) return done;
  }
  const headers = { 'content-type': OCI_MANIFEST };
  const body = new Uint8Array(image.manifest);
  return await ask(`/v2/${name}/manifests/${tag}`, { method: 'PUT', headers, body });
}
