import { type ExecFileOptions, execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ImageError } from './error.ts';

/** A Debian package file in the cache. */
export interface Deb {
  /** The package's name: `libc6`. */
  readonly name: string;
  /** Version as in the file's name, with `%3a` for the epoch's colon. */
  readonly version: string;
  readonly path: string;
}

/** A package as apt would fetch it. */
interface Wanted {
  readonly file: string;
  readonly size: number;
}

/**
 * Packages of which only maintainer scripts make use, and those are not run here: half of what apt would fetch. Were
 * one of them needed after all, the library that is missing would be named when the image is built.
 */
const FOR_SCRIPTS =
  /^(adduser|debconf.*|debianutils|dpkg|init-system-helpers|libaudit.*|libgdbm.*|libpam.*|libperl.*|libsemanage.*|libsepol.*|login.*|passwd|perl.*|sensible-utils|tar|ucf|usrmerge|.*-perl)$/;

/** Names as Debian policy has them (5.6.1), which also keeps them from being taken for options. */
const PACKAGE = /^[a-z0-9][a-z0-9+.-]+$/;

interface Outcome {
  readonly ok: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

function run(argv: readonly string[], options: ExecFileOptions = {}): Promise<Outcome> {
  const [file, ...args] = argv;
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', LC_ALL: 'C' };
  return new Promise((resolve) => {
    execFile(file!, args, { env, maxBuffer: 16 * 1024 * 1024, ...options }, (error, stdout, stderr) => {
      resolve({ ok: !error, stdout: String(stdout), stderr: String(stderr) || (error?.message ?? '') });
    });
  });
}

/** Parses the lines of `apt-get --print-uris`: `'URI' FILE SIZE HASH`. */
export function parseUris(text: string): Wanted[] {
  const wanted: Wanted[] = [];
  for (const line of text.split('\n')) {
    const found = /^'[^']*' (\S+\.deb) (\d+)( |$)/.exec(line);
    if (found?.[1] && !found[1].includes('/')) wanted.push({ file: found[1], size: Number(found[2]) });
  }
  return wanted;
}

function toDeb(folder: string, file: string): Deb {
  const [name, version] = file.split('_');
  return { name: name ?? file, version: version ?? '', path: join(folder, file) };
}

/**
 * The files of the named packages and of what they depend on, downloaded as far as they are not in `cache` yet. apt does it, with the sources and keys of this machine but as if nothing were installed; it installs
 * nothing and touches none of the machine's own state. When the machine's package lists know nothing (a fresh
 * container), lists of our own are fetched into the cache.
 *
 * @throws ImageError with apt's own words.
 */
export async function fetchDebs(packages: readonly string[], cache: string): Promise<Deb[]> {
  for (const name of packages) {
    if (!PACKAGE.test(name)) throw new ImageError('resolve', name, 'not a Debian package name');
  }
  const debs = join(cache, 'debs');
  mkdirSync(debs, { recursive: true });
  const work = mkdtempSync(join(cache, 'apt-'));
  try {
    mkdirSync(join(work, 'archives/partial'), { recursive: true });
    writeFileSync(join(work, 'status'), '');
    const options = [
      `Dir::State::status=${work}/status`,
      `Dir::Cache::archives=${work}/archives`,
      'Dir::Cache::pkgcache=',
      'Dir::Cache::srcpkgcache=',
      'APT::Install-Recommends=false',
      'APT::Sandbox::User=root',
      'Debug::NoLocking=true',
    ].flatMap((option) => ['-o', option]);
    const command = ['--yes', '-qq', 'install', ...packages];
    let apt = ['apt-get', ...options];
    let listed = await run([...apt, '--print-uris', ...command]);
    if (!listed.ok) {
      const lists = join(cache, 'lists');
      mkdirSync(join(lists, 'partial'), { recursive: true });
      apt = [...apt, '-o', `Dir::State::lists=${lists}`];
      const updated = await run([...apt, '-qq', 'update']);
      if (updated.ok) listed = await run([...apt, '--print-uris', ...command]);
      if (!listed.ok) {
        const said = (updated.ok ? listed : updated).stderr.trim() || listed.stderr.trim();
        throw new ImageError('resolve', packages.join(' '), `${said}; is there a network and an apt source?`);
      }
    }
    const wanted = parseUris(listed.stdout).filter(({ file }) => {
      const { name } = toDeb(debs, file);
      return packages.includes(name) || !FOR_SCRIPTS.test(name);
    });
    const isThere = ({ file, size }: Wanted): boolean =>
      statSync(join(debs, file), { throwIfNoEntry: false })?.size === size;
    const missing = wanted.filter((deb) => !isThere(deb));
    if (missing.length > 0) {
      const exact = missing.map(({ file }) => {
        const { name, version } = toDeb(debs, file);
        return `${name}=${version.replace('%3a', ':')}`;
      });
      const fetched = await run([...apt, '-qq', 'download', ...exact], { cwd: join(work, 'archives') });
      if (!fetched.ok) throw new ImageError('download', exact.join(' '), fetched.stderr.trim());
      for (const { file } of missing) renameSync(join(work, 'archives', file), join(debs, file));
    }
    return wanted.map(({ file }) => toDeb(debs, file));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
