import { LabError } from '../errors.ts';

/*
 * Names of images as container runtimes read them (distribution/reference): `nginx` is
 * `docker.io/library/nginx:latest`, and a first part with a dot, a colon or the name `localhost` is a registry.
 */

const COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const PATH = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`);
const HOST = /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*(?::\d{1,5})?$/i;
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
/** Characters of a name without tag and digest, as registries have it. */
const MOST = 255;

export interface ImageReference {
  /** With the registry: `docker.io/library/nginx`. */
  readonly repository: string;
  /** `latest` where neither a tag nor a digest was given. */
  readonly tag?: string;
  /** `sha256:` and 64 hexadecimal digits. */
  readonly digest?: string;
}

export function isTag(text: string): boolean {
  return TAG.test(text);
}

/** Only sha256 is taken: it is what every builder writes. */
export function isDigest(text: string): boolean {
  return DIGEST.test(text);
}

/** The repository of a name without tag or digest, with its registry; undefined when it is no such name. */
export function repositoryOf(name: string): string | undefined {
  const slash = name.indexOf('/');
  const first = name.slice(0, Math.max(slash, 0));
  const hosted = first.includes('.') || first.includes(':') || first === 'localhost';
  const host = hosted ? first.toLowerCase() : 'docker.io';
  const rest = hosted ? name.slice(slash + 1) : name;
  // docker.io's own images may be written with and without their folder.
  const path = /^(index\.)?docker\.io$/.test(host) && !rest.includes('/') ? `library/${rest}` : rest;
  if (name.length > MOST || !HOST.test(host) || !PATH.test(path)) return undefined;
  return `${host === 'index.docker.io' ? 'docker.io' : host}/${path}`;
}

/**
 * Reads an image's name as users write it.
 * @param field - how the user calls it, for the refusal
 * @throws LabError `InvalidImageName`
 */
export function parseReference(text: string, field = 'image'): ImageReference {
  const at = text.indexOf('@');
  const digest = at < 0 ? undefined : text.slice(at + 1);
  const named = at < 0 ? text : text.slice(0, at);
  const colon = named.indexOf(':', named.lastIndexOf('/') + 1);
  const tag = colon < 0 ? undefined : named.slice(colon + 1);
  const repository = repositoryOf(colon < 0 ? named : named.slice(0, colon));
  if (repository && (tag === undefined || TAG.test(tag)) && (digest === undefined || DIGEST.test(digest))) {
    if (digest !== undefined) return { repository, digest, ...(tag === undefined ? {} : { tag }) };
    return { repository, tag: tag ?? 'latest' };
  }
  throw new LabError({
    code: 'InvalidImageName',
    field,
    value: text.slice(0, MOST + 150),
    rule: 'is not a name of an image',
    fix: 'write NAME[:TAG] or REGISTRY/NAME[:TAG] in small letters, such as shop/web:1.2',
  });
}

/** The whole name of a tag: `docker.io/library/nginx:1.25`. */
export function fullName(repository: string, tag: string): string {
  return `${repository}:${tag}`;
}

/** As short as a user would write it: `nginx:1.25`. */
export function familiarName(repository: string): string {
  return repository.replace(/^docker\.io\/(library\/)?/, '');
}
