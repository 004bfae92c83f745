// Makes package-lock.json fit for every machine: `npm run lock`, after every change of dependencies.
//
// npm writes down what it saw from here, and two things of that keep `npm ci` from working elsewhere:
// * An optional package for another platform has no entry when the registry did not serve it; then npm refuses
//   the whole file. It gets an entry without a hash, which is never fetched where it does not fit.
// * Optional packages whose `engines` do not like the Node that npm runs on are left out in silence. But our tools run
//   on the pinned Node, not on the one npm was found with. So the lock names no engines.
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface LockedPackage {
  version?: string;
  resolved?: string;
  engines?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  [field: string]: unknown;
}

export interface Lock {
  packages: Record<string, LockedPackage>;
  [field: string]: unknown;
}

const SYSTEMS = [
  'aix',
  'android',
  'darwin',
  'freebsd',
  'linux',
  'netbsd',
  'openbsd',
  'openharmony',
  'sunos',
  'win32',
];
const PROCESSORS = [
  'arm',
  'arm64',
  'ia32',
  'loong64',
  'mips64el',
  'ppc64',
  'riscv64',
  's390x',
  'wasm32',
  'x64',
];

/** The same lock for every machine, with its packages in order. Throws for an entry that it cannot make up. */
export function normalise(lock: Lock): Lock {
  const packages = new Map<string, LockedPackage>();
  for (const [path, entry] of Object.entries(lock.packages)) {
    const { resolved: _, engines, ...rest } = entry;
    packages.set(path, path === '' && engines ? { ...rest, engines } : rest);
  }
  for (const [path, entry] of [...packages]) {
    if (path === '') continue;
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      if (!isLocked(packages, name, path))
        packages.set(`node_modules/${name}`, placeholder(name, version, entry));
    }
  }
  const sorted = [...packages].sort(([a], [b]) => a.localeCompare(b, 'en'));
  return { ...lock, packages: Object.fromEntries(sorted) };
}

/** Whether node would find `name` from the package at `from`: beside it, or beside one of its parents. */
function isLocked(packages: ReadonlyMap<string, unknown>, name: string, from: string): boolean {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    if (packages.has(`${at ? `${at}/` : ''}node_modules/${name}`)) return true;
    if (at === '') return false;
  }
}

function placeholder(name: string, version: string, parent: LockedPackage): LockedPackage {
  const words = name.split(/[/-]/);
  const os = words.find((word) => SYSTEMS.includes(word));
  const cpu = words.find((word) => PROCESSORS.includes(word));
  if (!os || !cpu || !/^\d[\w.+-]*$/.test(version)) {
    throw new Error(
      `${name}@${version} has no entry and its name does not tell a platform: write the entry by hand`,
    );
  }
  return {
    version,
    cpu: [cpu],
    ...(parent.dev ? { dev: true } : {}),
    ...(words.includes('musl') ? { libc: ['musl'] } : {}),
    optional: true,
    os: [os],
  };
}

if (import.meta.main) {
  const path = join(dirname(import.meta.dirname), 'package-lock.json');
  const lock = normalise(JSON.parse(readFileSync(path, 'utf8')) as Lock);
  writeFileSync(path, `${JSON.stringify(lock, undefined, 2)}\n`);
}
