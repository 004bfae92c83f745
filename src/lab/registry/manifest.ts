import { isDigest } from '../images/reference.ts';
import { RegistryError } from './error.ts';

export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';
export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';

const MANIFESTS = [OCI_MANIFEST, DOCKER_MANIFEST];
const INDEXES = [OCI_INDEX, DOCKER_LIST];

/** Bytes of the largest manifest that is taken; the specification asks for at least this. */
export const MOST_MANIFEST = 4 * 1024 * 1024;
const MOST_PARTS = 2000;

/** A part of an image as a manifest names it. */
export interface Part {
  readonly mediaType: string;
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  readonly platform?: { readonly os?: string; readonly architecture?: string };
  readonly annotations?: Readonly<Record<string, string>>;
  /** Elsewhere: such a layer is never stored. */
  readonly foreign: boolean;
}

export interface Manifest {
  readonly mediaType: string;
  readonly isIndex: boolean;
  /** Configuration and layers of an image; empty for an index. */
  readonly blobs: readonly Part[];
  /** Manifests of an index; empty for an image. */
  readonly manifests: readonly Part[];
  readonly subject?: Part;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

type Json = Record<string, unknown>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function invalid(what: string): RegistryError {
  return new RegistryError('MANIFEST_INVALID', what);
}

function annotationsOf(value: unknown): Record<string, string> {
  if (!isObject(value)) return {};
  const texts = Object.entries(value).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  return Object.fromEntries(texts);
}

function partOf(value: unknown, where: string): Part {
  if (!isObject(value)) throw invalid(`${where} is not a descriptor`);
  const { mediaType, digest, size, platform, urls } = value;
  if (typeof digest !== 'string' || !isDigest(digest)) {
    throw invalid(`${where}.digest is not sha256: and 64 hexadecimal digits`);
  }
  if (!Number.isSafeInteger(size) || (size as number) < 0)
    throw invalid(`${where}.size is not a number of bytes`);
  const { os, architecture } = isObject(platform) ? platform : {};
  return {
    mediaType: typeof mediaType === 'string' ? mediaType : '',
    digest,
    size: size as number,
    ...(typeof os === 'string' && typeof architecture === 'string' ? { platform: { os, architecture } } : {}),
    annotations: annotationsOf(value.annotations),
    foreign: Array.isArray(urls) && urls.length > 0,
  };
}

function partsOf(value: unknown, where: string): Part[] {
  if (!Array.isArray(value)) throw invalid(`${where} is not a list`);
  if (value.length > MOST_PARTS) throw invalid(`${where} has more than ${MOST_PARTS} entries`);
  return value.map((part, index) => partOf(part, `${where}[${index}]`));
}

/**
 * Reads a manifest: an OCI image or index, or one of Docker's schema 2.
 * @param contentType - as its sender called it; the manifest's own word comes first
 * @throws RegistryError `MANIFEST_INVALID`
 */
export function parseManifest(data: Buffer, contentType?: string): Manifest {
  if (data.length > MOST_MANIFEST) throw invalid(`it has more than ${MOST_MANIFEST} bytes`);
  let json: unknown;
  try {
    json = JSON.parse(data.toString('utf8'));
  } catch {
    throw invalid('it is not JSON');
  }
  if (!isObject(json)) throw invalid('it is not an object');
  if (json.schemaVersion !== 2)
    throw invalid('its schemaVersion is not 2; older images have to be converted');
  const sent = contentType?.split(';', 1)[0]?.trim().toLowerCase();
  const said = typeof json.mediaType === 'string' ? json.mediaType : undefined;
  const guessed = Array.isArray(json.manifests) ? OCI_INDEX : OCI_MANIFEST;
  const known = (type: string | undefined): boolean =>
    type !== undefined && [...MANIFESTS, ...INDEXES].includes(type);
  const mediaType = said ?? (known(sent) ? sent! : guessed);
  if (!known(mediaType))
    throw invalid(`its media type '${mediaType.slice(0, 200)}' is not that of an image or index`);
  if (known(sent) && sent !== mediaType) throw invalid(`it says ${mediaType} and was sent as ${sent}`);
  const isIndex = INDEXES.includes(mediaType);
  return {
    mediaType,
    isIndex,
    blobs: isIndex ? [] : [partOf(json.config, 'config'), ...partsOf(json.layers, 'layers')],
    manifests: isIndex ? partsOf(json.manifests, 'manifests') : [],
    annotations: annotationsOf(json.annotations),
    ...(isObject(json.subject) ? { subject: partOf(json.subject, 'subject') } : {}),
    ...(typeof json.artifactType === 'string'
      ? { artifactType: json.artifactType }
      : isObject(json.config) && typeof json.config.mediaType === 'string'
        ? { artifactType: json.config.mediaType }
        : {}),
  };
}
