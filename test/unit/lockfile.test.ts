import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Lock, normalise } from '../../scripts/lock.ts';

const root = dirname(dirname(import.meta.dirname));

test('package-lock.json fits every machine; if not: npm run lock', () => {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Lock;
  expect(normalise(lock)).toEqual(lock);
});

describe('normalise', () => {
  const lock = (packages: Lock['packages']): Lock => ({ lockfileVersion: 3, packages });

  test('forgets where a package came from and which Node it likes, but not what we need', () => {
    const made = normalise(
      lock({
        '': { engines: { node: '>=24' } },
        'node_modules/a': { version: '1.0.0', resolved: 'x', engines: { node: '>=20' }, dev: true },
      }),
    );
    expect(made).toEqual(
      lock({ '': { engines: { node: '>=24' } }, 'node_modules/a': { version: '1.0.0', dev: true } }),
    );
  });

  test('makes up what is missing for other platforms, and keeps what is there', () => {
    const optionalDependencies = {
      '@a/linux-x64-musl': '1.0.0',
      '@a/darwin-arm64': '1.0.0',
      '@a/linux-x64': '1.0.0',
    };
    const made = normalise(
      lock({
        'node_modules/a': { version: '1.0.0', dev: true, optionalDependencies },
        'node_modules/a/node_modules/@a/linux-x64': { version: '1.0.0', optional: true },
      }),
    ).packages;
    expect(Object.keys(made)).toEqual([
      'node_modules/@a/darwin-arm64',
      'node_modules/@a/linux-x64-musl',
      'node_modules/a',
      'node_modules/a/node_modules/@a/linux-x64',
    ]);
    expect(made['node_modules/@a/linux-x64-musl']).toEqual({
      version: '1.0.0',
      cpu: ['x64'],
      dev: true,
      libc: ['musl'],
      optional: true,
      os: ['linux'],
    });
    expect(normalise(lock(made)).packages).toEqual(made);
  });

  test('does not guess', () => {
    const broken = lock({
      'node_modules/a': { version: '1.0.0', optionalDependencies: { fsevents: '~2.3.2' } },
    });
    expect(() => normalise(broken)).toThrow('fsevents@~2.3.2');
  });
});
