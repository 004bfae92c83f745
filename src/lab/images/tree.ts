/** One file of an image, as it will stand in a layer. */
export interface Entry {
  /** Relative to the root, without a leading or trailing slash. */
  readonly path: string;
  readonly type: 'file' | 'directory' | 'symlink';
  /** Permission bits. */
  readonly mode: number;
  /** A symlink's target. */
  readonly target?: string;
  /** A file's content. */
  readonly data?: Buffer;
}

/** Files of an image by path. */
export type Tree = Map<string, Entry>;

/** Whether two entries would look alike in a layer. */
export function isSame(a: Entry | undefined, b: Entry): boolean {
  if (!a || a.type !== b.type || a.mode !== b.mode || a.target !== b.target) return false;
  return a.data === b.data || (a.data !== undefined && b.data !== undefined && a.data.equals(b.data));
}

/** What a container never looks at, and a plugin of iproute2 whose library Debian only suggests. */
const USELESS =
  /^usr\/share\/(doc|doc-base|man|info|locale|lintian|bug|bash-completion|zsh|gcc|menu|applications|pixmaps)(\/|$)|\/gconv(\/|$)|^(etc|var\/lib|usr\/share)\/(apparmor\.d|init\.d|default|systemd|dbus-1)(\/|$)|^(usr\/)?lib\/systemd(\/|$)|\/tc\/q_atm\.so$/;

export function isUseless(path: string): boolean {
  return USELESS.test(path);
}

/** Debian's merged /usr: /bin, /sbin and /lib* are links into /usr, while packages still ship both spellings. */
export const MERGED = ['bin', 'sbin', 'lib', 'lib64', 'lib32', 'libx32'];

/** A package's path (`./lib/x`, `/bin/sh`) as it stands in a merged tree; empty for the root itself. */
export function mergedPath(path: string): string {
  const plain = path.replace(/^\.?\/+/, '').replace(/\/+$/, '');
  if (plain === '.') return '';
  const first = plain.split('/', 1)[0]!;
  return MERGED.includes(first) ? `usr/${plain}` : plain;
}

export function addDirectory(tree: Tree, path: string, mode = 0o755): void {
  tree.set(path, { path, type: 'directory', mode });
}

export function addFile(tree: Tree, path: string, content: string | Buffer, mode = 0o644): void {
  tree.set(path, { path, type: 'file', mode, data: Buffer.from(content) });
}

export function addLink(tree: Tree, path: string, target: string): void {
  tree.set(path, { path, type: 'symlink', mode: 0o777, target });
}

/** Adds the folders that the tree's files lie in, as far as they are missing. */
export function addParents(tree: Tree): void {
  for (const path of [...tree.keys()]) {
    const parts = path.split('/');
    for (let depth = 1; depth < parts.length; depth++) {
      const folder = parts.slice(0, depth).join('/');
      if (!tree.has(folder)) addDirectory(tree, folder);
    }
  }
}

/** The file that `path` stands for after symbolic links within the tree; undefined when it leads nowhere. */
export function resolveEntry(tree: Tree, path: string): Entry | undefined {
  let current = mergedPath(path);
  for (let hops = 0; hops < 16; hops++) {
    const entry = tree.get(current);
    if (entry?.type !== 'symlink') return entry;
    const target = entry.target ?? '';
    const from = target.startsWith('/') ? [] : current.split('/').slice(0, -1);
    for (const part of target.split('/')) {
      if (part === '..') from.pop();
      else if (part !== '' && part !== '.') from.push(part);
    }
    current = mergedPath(from.join('/'));
  }
  return undefined;
}
