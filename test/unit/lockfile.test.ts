import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';

interface LockedPackage {
  version?: string;
  resolved?: string;
  optionalDependencies?: Record<string, string>;
}

const root = dirname(dirname(import.meta.dirname));
const lock: { packages: Record<string, LockedPackage> } = JSON.parse(
  readFileSync(join(root, 'package-lock.json'), 'utf8'),
);

/** Where node would find `name` from the package at `from`: beside it, or beside one of its parents. */
function locked(name: string, from: string): boolean {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    if (lock.packages[`${at ? `${at}/` : ''}node_modules/${name}`]) return true;
    if (at === '') return false;
  }
}

test('every optional package has an entry, or npm ci refuses the whole file', () => {
  // npm leaves one out when its registry did not serve it for another platform. Put the entry back by hand
  // (version, cpu, os, libc, optional): it is never fetched where it does not fit.
  const missing = Object.entries(lock.packages).flatMap(([path, entry]) =>
    Object.keys(entry.optionalDependencies ?? {}).filter((name) => !locked(name, path)),
  );
  expect(missing).toEqual([]);
});

test('no entry names a registry: the machine that installs has its own', () => {
  expect(Object.values(lock.packages).filter((entry) => entry.resolved !== undefined)).toEqual([]);
});
