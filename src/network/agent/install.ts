import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { readConfig } from './config.ts';
import { type Conflist, conflist, unitFile } from './install-files.ts';

/** Where runtimes look for plugins: the specification's folder first, then Debian's. */
const PLUGIN_DIRS = ['/opt/cni/bin', '/usr/lib/cni'] as const;
const CONFLIST = '/etc/cni/net.d/10-flyover.conflist';
const CONFIG = '/etc/flyover/node.json';
const UNIT = '/etc/systemd/system/flyover-agent.service';
/** What install has written, so that uninstall removes that and nothing else. */
const MANIFEST = '/var/lib/flyover/install.json';

export interface InstallOptions {
  /** Put before every path; default `/`. */
  readonly root?: string;
  /** The built plugin front. */
  readonly front: string;
  /** What the unit starts: runtime, agent bundle, arguments. Paths as they are on the node. */
  readonly command: readonly string[];
  /** Copied to /etc/flyover/node.json; without it that file must be there already. */
  readonly config?: string;
  /** Of the conflist. Default 1.0.0, which every runtime in use reads; 1.1.0 brings STATUS and GC. */
  readonly cniVersion?: string;
  /** Whether to chain `portmap` and `bandwidth` where they are installed. Default true. */
  readonly chain?: boolean;
}

export interface InstallReport {
  /** Paths on the node, in the order in which they were written. */
  readonly written: readonly string[];
  /** Paths that were right already. */
  readonly kept: readonly string[];
  readonly warnings: readonly string[];
}

/** A refusal of install or uninstall; nothing was changed. */
export class InstallError extends Error {
  override readonly name = 'InstallError';
}

interface ManifestEntry {
  readonly path: string;
  /** SHA-256 of the content, or the target of a symbolic link. */
  readonly content: string;
}

/**
 * Puts the plugin, its configuration and the agent's unit file on a node. Repeating it changes only what differs.
 * The conflist comes last: a runtime that sees it expects everything else to be there.
 *
 * @throws ConfigError for a bad node.json, InstallError for a missing front; both before anything is written
 */
export function install(options: InstallOptions): InstallReport {
  const node = new Node(options.root ?? '/');
  checkFront(options.front);
  const config = options.config ?? node.path(CONFIG);
  readConfig(config);
  if (options.config) node.file(CONFIG, readFileSync(options.config), 0o644);

  placeFront(node, options.front);
  const chained = chainedPlugins(node, options.chain ?? true);
  node.file(UNIT, unitFile(options.command), 0o644);
  placeConflist(node, options.cniVersion, chained);
  node.saveManifest();
  return node.report(node.foreignConflists());
}

/**
 * Puts the plugin on a node, and nothing that would make a runtime call it: the step before the agent starts, where
 * something else than a unit file starts it.
 *
 * @throws InstallError for a missing front, before anything is written
 */
export function installFront(options: { readonly root?: string; readonly front: string }): InstallReport {
  checkFront(options.front);
  const node = new Node(options.root ?? '/');
  placeFront(node, options.front);
  node.saveManifest();
  return node.report([]);
}

/** Tells runtimes of the plugin, which has to be there: the step after which a node is ready for pods. */
export function installConflist(
  options: Pick<InstallOptions, 'root' | 'cniVersion' | 'chain'>,
): InstallReport {
  const node = new Node(options.root ?? '/');
  placeConflist(node, options.cniVersion, chainedPlugins(node, options.chain ?? true));
  node.saveManifest();
  return node.report(node.foreignConflists());
}

function checkFront(front: string): void {
  if (existsSync(front)) return;
  throw new InstallError(`front '${front}' does not exist; build it first (npm run build)`);
}

function placeFront(node: Node, front: string): void {
  const [home, other] = PLUGIN_DIRS;
  node.copy(front, join(home, 'flyover'), 0o755);
  // Debian's containerd looks in its own folder only, others in the specification's only: be found by both.
  if (node.exists(other)) node.link(join(other, 'flyover'), join(home, 'flyover'));
}

/** The reference plugins that go into the list after ours, found by every runtime. */
function chainedPlugins(node: Node, chain: boolean): string[] {
  const [home, other] = PLUGIN_DIRS;
  const chained: string[] = [];
  for (const plugin of ['portmap', 'bandwidth', 'loopback']) {
    const found = PLUGIN_DIRS.find((dir) => node.exists(join(dir, plugin)));
    if (!found || (!chain && plugin !== 'loopback')) continue;
    if (found === other) node.link(join(home, plugin), join(other, plugin));
    // containerd before 2.0 calls `loopback` by itself; it does not belong in the list.
    if (plugin !== 'loopback') chained.push(plugin);
  }
  return chained;
}

function placeConflist(node: Node, cniVersion: string | undefined, chained: readonly string[]): void {
  const list: Conflist = conflist(cniVersion ?? '1.0.0', chained);
  node.file(CONFLIST, `${JSON.stringify(list, null, 2)}\n`, 0o644);
}

export interface UninstallOptions {
  readonly root?: string;
  /** Attachments that still have a link, as `<containerId>/<ifName>`. */
  readonly attached: readonly string[];
  /** Go on although pods are attached: they keep their network, but nothing will ever release it. */
  readonly force?: boolean;
  /** Also the agent's state (addresses, queued releases). Only without attached pods. */
  readonly purge?: boolean;
}

/**
 * Removes what {@link install} has written and nobody has changed since; the conflist first, so that no new pod
 * comes in. Doing it twice is no error.
 *
 * @throws InstallError while pods are attached, unless forced
 */
export function uninstall(options: UninstallOptions): { removed: string[]; left: string[] } {
  const { attached } = options;
  if (attached.length > 0 && !options.force) {
    const some = attached.slice(0, 3).join(', ') + (attached.length > 3 ? ', ...' : '');
    throw new InstallError(
      `${attached.length} pod interfaces are attached (${some}); drain the node first, or use --force and leave them as they are`,
    );
  }
  const node = new Node(options.root ?? '/');
  const removed: string[] = [];
  const left: string[] = [];
  for (const entry of node.readManifest().toReversed()) {
    const now = node.contentOf(entry.path);
    if (now === undefined) continue;
    if (now !== entry.content) {
      left.push(entry.path);
      continue;
    }
    unlinkSync(node.path(entry.path));
    removed.push(entry.path);
  }
  rmSync(node.path(MANIFEST), { force: true });
  if (options.purge && attached.length === 0) {
    for (const path of ['/var/lib/flyover/agent', '/var/lib/flyover/pending-del']) {
      if (!node.exists(path)) continue;
      rmSync(node.path(path), { recursive: true });
      removed.push(path);
    }
  }
  return { removed, left };
}

function digest(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

/** The files of one node below a root, with a record of what was written. */
class Node {
  readonly #root: string;
  readonly #manifest: Map<string, ManifestEntry>;
  readonly #written: string[] = [];
  readonly #kept: string[] = [];

  constructor(root: string) {
    this.#root = root;
    this.#manifest = new Map(this.readManifest().map((entry) => [entry.path, entry]));
  }

  path(path: string): string {
    return join(this.#root, path);
  }

  /** Also true for a link whose target is missing. */
  exists(path: string): boolean {
    return lstatSync(this.path(path), { throwIfNoEntry: false }) !== undefined;
  }

  copy(source: string, path: string, mode: number): void {
    this.#put(path, digest(readFileSync(source)), mode, (temporary) => copyFileSync(source, temporary));
  }

  file(path: string, content: string | Buffer, mode: number): void {
    this.#put(path, digest(content), mode, (temporary) => writeFileSync(temporary, content));
  }

  link(path: string, target: string): void {
    const stat = lstatSync(this.path(path), { throwIfNoEntry: false });
    // Somebody's own plugin of that name is as good, and not ours to replace.
    if (stat && !stat.isSymbolicLink()) return;
    this.#put(path, target, undefined, (temporary) => symlinkSync(target, temporary));
  }

  /** The file's digest or the link's target; undefined when there is nothing. */
  contentOf(path: string): string | undefined {
    const full = this.path(path);
    const stat = lstatSync(full, { throwIfNoEntry: false });
    if (!stat) return undefined;
    return stat.isSymbolicLink() ? readlinkSync(full) : digest(readFileSync(full));
  }

  /** Written beside and renamed over: a runtime that starts the plugin at this moment gets the old or the new one. */
  #put(path: string, content: string, mode: number | undefined, write: (temporary: string) => void): void {
    const full = this.path(path);
    if (this.contentOf(path) === content && (mode === undefined || (lstatSync(full).mode & 0o777) === mode)) {
      this.#kept.push(path);
    } else {
      mkdirSync(dirname(full), { recursive: true, mode: 0o755 });
      const temporary = join(dirname(full), `.${basename(full)}.${process.pid}`);
      rmSync(temporary, { force: true });
      write(temporary);
      if (mode !== undefined) chmodSync(temporary, mode);
      renameSync(temporary, full);
      this.#written.push(path);
    }
    this.#manifest.set(path, { path, content });
  }

  readManifest(): ManifestEntry[] {
    const full = this.path(MANIFEST);
    if (!existsSync(full)) return [];
    const parsed = JSON.parse(readFileSync(full, 'utf8')) as { files: ManifestEntry[] };
    return parsed.files;
  }

  saveManifest(): void {
    const full = this.path(MANIFEST);
    mkdirSync(dirname(full), { recursive: true, mode: 0o755 });
    writeFileSync(`${full}.new`, `${JSON.stringify({ files: [...this.#manifest.values()] }, null, 2)}\n`);
    renameSync(`${full}.new`, full);
  }

  /** Network configurations that a runtime would read before ours (the first by name wins). */
  foreignConflists(): string[] {
    return readdirSync(this.path(dirname(CONFLIST))).filter(
      (name) => /\.(conflist|conf|json)$/.test(name) && name < basename(CONFLIST),
    );
  }

  report(foreign: readonly string[]): InstallReport {
    const warnings = foreign.map(
      (name) =>
        `${dirname(CONFLIST)}/${name} comes before ${basename(CONFLIST)} and would be used instead; remove it`,
    );
    return { written: this.#written, kept: this.#kept, warnings };
  }
}
