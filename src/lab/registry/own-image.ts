import { type Dirent, readdirSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, posix, resolve } from 'node:path';
import { LabError } from '../errors.ts';
import { ensureImage } from '../images/build.ts';
import { BASE_LAYER, PATH_VARIABLE, type Recipe } from '../images/recipe.ts';
import { parseReference } from '../images/reference.ts';
import type { ImageStore } from './store.ts';

/** Files that one image may take from this machine. */
const MOST_FILES = 10_000;
/** Bytes of them all: they are held in memory while the image is built. */
const MOST_BYTES = 1024 ** 3;
const PACKAGE = /^[a-z0-9][a-z0-9+.-]+$/;

/** What `flyover image build` is told. */
export interface OwnImage {
  readonly name: string;
  readonly packages: readonly string[];
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
  /** `NAME=VALUE`. */
  readonly env: readonly string[];
  /** `HOST:TARGET`; a folder with all that lies in it. */
  readonly files: readonly string[];
}

function refuse(field: string, value: string, rule: string, fix: string): LabError {
  return new LabError({ code: 'InvalidParameter', field, value: value.slice(0, 300), rule, fix });
}

/** Files by their host's path, with the path that each gets in the image. */
function filesOf(pairs: readonly string[]): Record<string, string> {
  const files: Record<string, string> = {};
  let bytes = 0;
  const add = (source: string, target: string, pair: string): void => {
    const found = statSync(source, { throwIfNoEntry: false });
    if (!found)
      throw refuse('--file', pair, `names ${source}, which is not there`, 'give a file or a folder');
    if (found.isDirectory()) {
      const entries: Dirent[] = readdirSync(source, { withFileTypes: true });
      for (const { name } of entries) add(join(source, name), posix.join(target, name), pair);
      return;
    }
    if (!found.isFile()) return;
    bytes += found.size;
    if (source in files) throw refuse('--file', pair, `takes ${source} a second time`, 'take each file once');
    files[source] = target;
    if (Object.keys(files).length > MOST_FILES || bytes > MOST_BYTES) {
      const rule = `is more than ${MOST_FILES} files or ${MOST_BYTES} bytes`;
      throw refuse('--file', pair, rule, 'give the folder that is needed, not one around it');
    }
  };
  for (const pair of pairs) {
    const colon = pair.lastIndexOf(':');
    const target = posix.normalize(pair.slice(colon + 1)).replace(/^\/+|\/+$/g, '');
    if (colon <= 0 || !pair.slice(colon + 1).startsWith('/') || target === '') {
      throw refuse(
        '--file',
        pair,
        'does not say where it goes',
        'write HOST:TARGET, such as ./page.html:/srv/index.html',
      );
    }
    add(resolve(pair.slice(0, colon)), mergedTarget(target), pair);
  }
  return files;
}

/** /bin, /sbin and /lib are links into /usr in our images. */
function mergedTarget(target: string): string {
  return target.replace(/^(bin|sbin|lib|lib64)\//, 'usr/$1/');
}

/** @throws LabError for what cannot be */
export function recipeOf(wanted: OwnImage): Recipe & { readonly repository: string; readonly tag: string } {
  const { repository, tag, digest } = parseReference(wanted.name, 'NAME');
  if (digest !== undefined)
    throw refuse('NAME', wanted.name, 'has a digest, which only its content gives', 'leave it out');
  for (const name of wanted.packages) {
    if (!PACKAGE.test(name))
      throw refuse('--packages', name, 'is not a name of a Debian package', 'write a,b,c');
  }
  for (const entry of wanted.env) {
    if (!/^[A-Za-z_]\w*=/.test(entry))
      throw refuse('--env', entry, 'is not NAME=VALUE', 'write such as LEVEL=debug');
  }
  const hasPath = wanted.env.some((entry) => entry.startsWith('PATH='));
  const command = wanted.command ?? (wanted.entrypoint ? undefined : ['sh']);
  return {
    name: `${repository}:${tag ?? 'latest'}`,
    repository,
    tag: tag ?? 'latest',
    layers: [BASE_LAYER, { packages: wanted.packages, hostFiles: filesOf(wanted.files) }],
    defaults: {
      env: [...(hasPath ? [] : [PATH_VARIABLE]), ...wanted.env],
      ...(command ? { command } : {}),
      ...(wanted.entrypoint ? { entrypoint: wanted.entrypoint } : {}),
    },
  };
}

/**
 * Builds an image from Debian packages and files of this machine, and gives it its name in the store.
 * @returns its whole name
 * @throws LabError for what cannot be, ImageError when packages cannot be had
 */
export async function buildOwn(
  wanted: OwnImage,
  store: ImageStore,
  options: { refresh?: boolean; step?: (text: string) => void } = {},
): Promise<string> {
  const { repository, tag, ...recipe } = recipeOf(wanted);
  const image = await ensureImage(recipe, store.folder, options);
  const data = await readFile(store.blobPath(image.manifest.digest));
  const { digest } = await store.putManifest(repository, data, image.manifest.mediaType);
  await store.setTag(repository, tag, digest, 'built');
  return `${repository}:${tag}`;
}

/**
 * The words of a command: a JSON list, or words apart by spaces as a shell reads them, with quotes and backslashes and
 * nothing else.
 */
export function wordsOf(text: string, field: string): string[] {
  if (text.trimStart().startsWith('[')) {
    try {
      const list: unknown = JSON.parse(text);
      if (Array.isArray(list) && list.every((word) => typeof word === 'string')) return list;
    } catch {
      // Said below.
    }
    throw refuse(field, text, 'is not a JSON list of words', `write ["nginx", "-g", "daemon off;"]`);
  }
  const words: string[] = [];
  const pattern = /\s*((?:[^\s'"\\]|\\.|'[^']*'|"(?:[^"\\]|\\.)*")+)/gsy;
  let end = 0;
  for (let found = pattern.exec(text); found; found = pattern.exec(text)) {
    end = pattern.lastIndex;
    words.push(
      found[1]!.replace(/\\(.)|'([^']*)'|"((?:[^"\\]|\\.)*)"/gs, (_, escaped, single, double) => {
        return escaped ?? single ?? (double as string).replace(/\\(.)/gs, '$1');
      }),
    );
  }
  if (text.slice(end).trim() !== '') throw refuse(field, text, 'has a quote without its end', 'close it');
  if (words.length === 0) throw refuse(field, text, 'has no words', 'leave it out, or give a command');
  return words;
}
