import { mkdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Blob, blobOf } from './layer.ts';

/*
 * Images in the OCI image layout (opencontainers/image-spec 1.0, image-layout.md): blobs by their sha256 below
 * `blobs/sha256`. Layers of several images are stored once.
 */

export const LAYER_TYPE = 'application/vnd.oci.image.layer.v1.tar';
export const CONFIG_TYPE = 'application/vnd.oci.image.config.v1+json';
export const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
}

/** What containers of the image start with when nothing else is said. */
export interface ImageDefaults {
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly env?: readonly string[];
  /** Such as `SIGQUIT`; a runtime's own default is SIGTERM. */
  readonly stopSignal?: string;
  /** Such as `80/tcp`: what it listens on, for readers. */
  readonly ports?: readonly string[];
}

/** An image in the layout: what an importer needs to know. */
export interface BuiltImage {
  /** Full reference, with host and tag. */
  readonly name: string;
  readonly manifest: Descriptor;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  /** The layout's folder. */
  readonly layout: string;
}

/** Where a layout keeps a blob. */
export function blobPath(layout: string, digest: string): string {
  return join(layout, 'blobs', digest.replace(':', '/'));
}

/** Stores a blob unless it is there; by rename, so that a half written one is never found. */
function store(layout: string, mediaType: string, blob: Blob): Descriptor {
  const path = blobPath(layout, blob.digest);
  const size = blob.data.length;
  if (statSync(path, { throwIfNoEntry: false })?.size !== size) {
    mkdirSync(join(layout, 'blobs/sha256'), { recursive: true });
    const draft = `${path}.${process.pid}`;
    writeFileSync(draft, blob.data);
    renameSync(draft, path);
  }
  return { mediaType, digest: blob.digest, size };
}

/** Debian's names of architectures are not OCI's (which are Go's) for all, but for these two they are. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/** Writes an image into the layout. Deterministic: the same layers and defaults give the same digests. */
export function writeImage(
  layout: string,
  name: string,
  layers: readonly Blob[],
  defaults: ImageDefaults,
): BuiltImage {
  const config = {
    created: '1970-01-01T00:00:00Z',
    architecture: ARCHITECTURES[process.arch] ?? process.arch,
    os: 'linux',
    config: {
      ...(defaults.env ? { Env: defaults.env } : {}),
      ...(defaults.entrypoint ? { Entrypoint: defaults.entrypoint } : {}),
      ...(defaults.command ? { Cmd: defaults.command } : {}),
      ...(defaults.stopSignal ? { StopSignal: defaults.stopSignal } : {}),
      ...(defaults.ports
        ? { ExposedPorts: Object.fromEntries(defaults.ports.map((port) => [port, {}])) }
        : {}),
      WorkingDir: '/',
    },
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.digest) },
    history: layers.map(() => ({ created: '1970-01-01T00:00:00Z', created_by: 'flyover' })),
  };
  const stored = layers.map((layer) => store(layout, LAYER_TYPE, layer));
  const configDescriptor = store(layout, CONFIG_TYPE, blobOf(Buffer.from(JSON.stringify(config))));
  const manifest = {
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config: configDescriptor,
    layers: stored,
  };
  const descriptor = store(layout, MANIFEST_TYPE, blobOf(Buffer.from(JSON.stringify(manifest))));
  return { name, manifest: descriptor, config: configDescriptor, layers: stored, layout };
}
