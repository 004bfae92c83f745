import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { type Deb, fetchDebs } from './apt.ts';
import { addDeb } from './deb.ts';
import { elfNeeds } from './elf.ts';
import { ImageError } from './error.ts';
import { addHostLibraries } from './host-libraries.ts';
import { writeLayer } from './layer.ts';
import { normalizedName } from './name.ts';
import { type BuiltImage, blobPath, writeImage } from './oci.ts';
import { addSkeleton, type LayerRecipe, type Recipe, UNWANTED_APPLETS } from './recipe.ts';
import { addDirectory, addFile, addLink, addParents, isSame, resolveEntry, type Tree } from './tree.ts';

/** To be raised when this code makes other images from the same recipe. */
const FORMAT = 2;

interface HostFile {
  readonly data: Buffer;
  readonly mode: number;
}
type HostFiles = ReadonlyMap<string, HostFile>;

/** Host files of a recipe by host path, read once for the key and the layer. */
function readHostFiles(recipe: Recipe): HostFiles {
  const files = new Map<string, HostFile>();
  for (const path of recipe.layers.flatMap((layer) => Object.keys(layer.hostFiles ?? {}))) {
    try {
      const data = readFileSync(path);
      files.set(path, { data, mode: statSync(path).mode & 0o100 ? 0o755 : 0o644 });
    } catch (error) {
      throw new ImageError('read', path, 'is not there; install the package that brings it', error);
    }
  }
  return files;
}

function keyOf(recipe: Recipe, hostFiles: HostFiles): string {
  const hash = createHash('sha256');
  const release = /^VERSION_CODENAME=.*$/m.exec(readOrEmpty('/etc/os-release'))?.[0] ?? '';
  hash.update(JSON.stringify([FORMAT, process.arch, release, recipe]));
  // Not by their bytes: a runtime has a hundred million, and this is asked at every pull.
  for (const path of recipe.layers.flatMap((layer) => layer.hostLibrariesOf ?? [])) {
    const { size, mtimeMs } = statSync(path);
    hash.update(`${path} ${size} ${mtimeMs}`);
  }
  for (const { data, mode } of hostFiles.values()) {
    if (mode !== 0o755) hash.update(`${mode}`);
    hash.update(data);
  }
  return hash.digest('hex').slice(0, 16);
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** The image when it was built before and all its blobs are still there. */
function cached(record: string, layout: string): BuiltImage | undefined {
  try {
    const image = { ...(JSON.parse(readFileSync(record, 'utf8')) as BuiltImage), layout };
    const complete = [image.manifest, image.config, ...image.layers].every(
      ({ digest, size }) => statSync(blobPath(layout, digest)).size === size,
    );
    return complete ? image : undefined;
  } catch {
    return undefined;
  }
}

/** Libraries of a tree by their file names. */
function libraryIndex(pool: Tree): Map<string, string> {
  const index = new Map<string, string>();
  for (const path of pool.keys()) {
    if (path.startsWith('usr/lib') && path.includes('.so')) index.set(basename(path), path);
  }
  return index;
}

/** Adds, from `pool`, what the programs of `tree` load, and what that loads in turn, unless `below` has it. */
function addLibraries(tree: Tree, below: Tree, pool: Tree, index: ReadonlyMap<string, string>): void {
  const queue = [...tree.keys()];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    const entry = resolveEntry(pool, path) ?? tree.get(path);
    const needs = entry?.data ? elfNeeds(entry.data) : undefined;
    if (!needs) continue;
    const wanted = needs.libraries.map((name) => {
      const found = index.get(name);
      if (!found) throw new ImageError('build', path!, `needs ${name}, which none of the packages brings`);
      return found;
    });
    if (needs.interpreter) wanted.push(needs.interpreter.replace(/^\/(lib[^/]*)\//, 'usr/$1/'));
    for (const library of wanted) {
      if (tree.has(library) || below.has(library)) continue;
      const link = pool.get(library);
      const file = resolveEntry(pool, library);
      if (!link || !file) continue;
      tree.set(link.path, link);
      if (!below.has(file.path)) tree.set(file.path, file);
      // Alternatives, such as those of libblas, lie in folders of their own, where no loader looks.
      const [, folder, own] = /^(usr\/lib\/[^/]+)\/(.+\/[^/]+)$/.exec(library) ?? [];
      if (folder && own && !pool.has(`${folder}/${basename(own)}`))
        addLink(tree, `${folder}/${basename(own)}`, own);
      queue.push(file.path);
    }
  }
}

/**
 * Links the applets of the tree's own busybox, asked by running it: it is for this architecture, and needs no library
 * that a Debian machine would not have.
 */
async function addApplets(tree: Tree, scratch: string, all: boolean): Promise<void> {
  const busybox = tree.get('usr/bin/busybox');
  if (!busybox?.data) throw new ImageError('build', 'busybox', 'has no usr/bin/busybox');
  const program = join(scratch, 'busybox');
  writeFileSync(program, busybox.data, { mode: 0o700 });
  const { stdout } = await promisify(execFile)(program, ['--list'], { env: {} });
  for (const applet of stdout.split('\n')) {
    if (!/^[a-z0-9[_.-]+$/.test(applet) || (!all && UNWANTED_APPLETS.has(applet))) continue;
    if (!tree.has(`usr/bin/${applet}`) && !tree.has(`usr/sbin/${applet}`)) {
      addLink(tree, `usr/bin/${applet}`, 'busybox');
    }
  }
}

/** Reads packages, two at a time: each is unpacked by a process of its own. The order of `debs` decides, not of ends. */
async function readDebs(debs: readonly Deb[]): Promise<{ pool: Tree; owned: Map<string, string[]> }> {
  const trees: Tree[] = debs.map(() => new Map());
  const queue = debs.entries();
  const worker = async (): Promise<void> => {
    for (const [index, deb] of queue) await addDeb(trees[index]!, deb);
  };
  await Promise.all([worker(), worker()]);
  const pool: Tree = new Map();
  const owned = new Map<string, string[]>();
  for (const [index, deb] of debs.entries()) {
    const tree = trees[index]!;
    owned.set(deb.name, [...tree.keys()]);
    for (const [path, entry] of tree) if (!pool.has(path)) pool.set(path, entry);
  }
  return { pool, owned };
}

/** The folder that images are kept in has these parts: `debs` (packages), `blobs` (an OCI layout), records. */
async function build(recipe: Recipe, folder: string, hostFiles: HostFiles, step: (text: string) => void) {
  const packages = recipe.layers.flatMap((layer) => layer.packages);
  if (packages.length > 0) step(`fetching ${packages.length} packages and what they need`);
  const debs = packages.length > 0 ? await fetchDebs(packages, folder) : [];
  if (debs.length > 0) step(`unpacking ${debs.length} packages`);
  const { pool, owned } = await readDebs(debs);
  const index = libraryIndex(pool);
  const scratch = mkdtempSync(join(folder, 'build-'));
  try {
    const below: Tree = new Map();
    const layers = [];
    for (const layer of recipe.layers) {
      const tree = await layerTree(layer, pool, owned, hostFiles);
      if (!layer.hostLibrariesOf) addLibraries(tree, below, pool, index);
      if (layer.applets) await addApplets(tree, scratch, layer.applets === 'all');
      addParents(tree);
      // What a lower layer has just so need not be said again.
      for (const [path, entry] of tree) if (isSame(below.get(path), entry)) tree.delete(path);
      for (const [path, entry] of tree) below.set(path, entry);
      layers.push(await writeLayer(tree));
    }
    step('writing the image');
    return writeImage(folder, normalizedName(recipe.name), layers, recipe.defaults);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function layerTree(
  layer: LayerRecipe,
  pool: Tree,
  owned: ReadonlyMap<string, string[]>,
  hostFiles: HostFiles,
): Promise<Tree> {
  const tree: Tree = new Map();
  if (layer.skeleton) addSkeleton(tree);
  for (const name of layer.packages) {
    const paths = owned.get(name);
    if (!paths) throw new ImageError('build', name, 'apt did not name its file');
    for (const path of paths) tree.set(path, pool.get(path)!);
  }
  for (const [path, target] of Object.entries(layer.links ?? {})) addLink(tree, path, target);
  for (const [source, target] of Object.entries(layer.hostFiles ?? {})) {
    const { data, mode } = hostFiles.get(source)!;
    if (elfNeeds(data)?.interpreter && pool.size === 0) {
      throw new ImageError('build', source, 'is not static, so that it would not run by itself in an image');
    }
    tree.set(target, { path: target, type: 'file', mode, data });
  }
  for (const program of layer.hostLibrariesOf ?? []) addHostLibraries(tree, program);
  for (const folder of layer.folders ?? []) addDirectory(tree, folder);
  if (layer.certificates) addFile(tree, 'etc/ssl/certs/ca-certificates.crt', certificatesOf(tree));
  for (const [path, { content, mode }] of Object.entries(layer.files ?? {})) {
    addFile(tree, path, content, mode);
  }
  return tree;
}

/** What update-ca-certificates would write when the package is installed. */
function certificatesOf(tree: Tree): string {
  const files = [...tree.values()].filter(({ path }) => /^usr\/share\/ca-certificates\/.*\.crt$/.test(path));
  return files
    .map(({ data }) => `${data?.toString('latin1').trim()}\n`)
    .sort()
    .join('');
}

function recordOf(recipe: Recipe, folder: string, hostFiles: HostFiles): string {
  const name = recipe.name.replaceAll(/[^a-z0-9.-]/g, '-');
  return join(folder, `${name}-${keyOf(recipe, hostFiles)}.json`);
}

/** The image of a recipe when it has been built and all of it is there. */
export function builtImage(recipe: Recipe, folder: string): BuiltImage | undefined {
  return cached(recordOf(recipe, folder, readHostFiles(recipe)), folder);
}

const underWay = new Map<string, Promise<BuiltImage>>();

/**
 * The image of a recipe, built at first use and taken from `folder` afterwards, with no network and no look at its
 * packages, until `refresh` asks for the packages of today. Two processes may build at once: what they write is
 * named by its content.
 *
 * @param options.step - told what is done, when it is done
 * @param folder - where images and packages are kept; made when missing
 * @throws ImageError when packages cannot be had.
 */
export async function ensureImage(
  recipe: Recipe,
  folder: string,
  options: { refresh?: boolean; step?: (text: string) => void } = {},
): Promise<BuiltImage> {
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const hostFiles = readHostFiles(recipe);
  const record = recordOf(recipe, folder, hostFiles);
  const before = options.refresh ? undefined : cached(record, folder);
  if (before) return before;
  const building =
    underWay.get(record) ??
    build(recipe, folder, hostFiles, options.step ?? (() => undefined)).then((image) => {
      writeFileSync(`${record}.${process.pid}`, JSON.stringify(image));
      renameSync(`${record}.${process.pid}`, record);
      return image;
    });
  underWay.set(record, building);
  try {
    return await building;
  } finally {
    underWay.delete(record);
  }
}
