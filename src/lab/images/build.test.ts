import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { ensureImage } from './build.ts';
import { addDeb } from './deb.ts';
import { ImageError } from './error.ts';
import { blobPath } from './oci.ts';
import { PAUSE, type Recipe } from './recipe.ts';
import type { Tree } from './tree.ts';

const folder = mkdtempSync(join(tmpdir(), 'fly-test-build-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('a package', () => {
  const root = join(folder, 'root');
  const path = join(folder, 'sample_1_all.deb');
  mkdirSync(join(root, 'DEBIAN'), { recursive: true });
  for (const part of ['bin', 'usr/share/doc/sample', 'etc']) mkdirSync(join(root, part), { recursive: true });
  writeFileSync(
    join(root, 'DEBIAN/control'),
    'Package: sample\nVersion: 1\nArchitecture: all\nMaintainer: a <a@example.test>\nDescription: x\n',
  );
  writeFileSync(join(root, 'DEBIAN/postinst'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
  writeFileSync(join(root, 'bin/tool'), '#!/bin/sh\n');
  chmodSync(join(root, 'bin/tool'), 0o4755);
  linkSync(join(root, 'bin/tool'), join(root, 'bin/twin'));
  symlinkSync('tool', join(root, 'bin/alias'));
  writeFileSync(join(root, 'usr/share/doc/sample/copyright'), 'x');
  execFileSync('dpkg-deb', ['--root-owner-group', '--build', root, path], { stdio: 'ignore' });

  test('gives its files, merged and without documentation', async () => {
    const tree: Tree = new Map();
    const added = await addDeb(tree, { name: 'sample', version: '1', path });
    expect(added.sort()).toEqual([
      'etc',
      'usr',
      'usr/bin',
      'usr/bin/alias',
      'usr/bin/tool',
      'usr/bin/twin',
      'usr/share',
    ]);
    expect(tree.get('usr/bin/tool')).toMatchObject({
      type: 'file',
      mode: 0o4755,
      data: Buffer.from('#!/bin/sh\n'),
    });
    expect(tree.get('usr/bin/twin')?.data).toEqual(Buffer.from('#!/bin/sh\n'));
    expect(tree.get('usr/bin/alias')).toMatchObject({ type: 'symlink', target: 'tool' });
  });

  test('that is none is an error that says so', async () => {
    writeFileSync(join(folder, 'bad.deb'), 'not a package');
    const bad = { name: 'bad', version: '', path: join(folder, 'bad.deb') };
    await expect(addDeb(new Map(), bad)).rejects.toThrow(/read .*bad\.deb: .*dpkg-deb/s);
    await expect(addDeb(new Map(), bad)).rejects.toThrow(ImageError);
  });
});

describe('an image', () => {
  const images = join(folder, 'images');

  test('is built once, and again when a part of it is lost', async () => {
    const [one, two] = await Promise.all([ensureImage(PAUSE, images), ensureImage(PAUSE, images)]);
    expect(two).toEqual(one);
    expect(await ensureImage(PAUSE, images)).toEqual(one);
    const layer = blobPath(images, one.layers[0]!.digest);
    truncateSync(layer, 10);
    expect(await ensureImage(PAUSE, images)).toEqual(one);
    expect(execFileSync('tar', ['-tvf', layer]).toString()).toMatch(
      /^-rwxr-xr-x 0\/0 +\d+ 1970-01-01 00:00 pause\n$/,
    );
  });

  test('is refused when a host file is missing or is not static', async () => {
    const recipe = (path: string): Recipe => ({
      name: 'fly-test/x',
      layers: [{ packages: [], hostFiles: { [path]: 'x' } }],
      defaults: {},
    });
    await expect(ensureImage(recipe('/no/such'), images)).rejects.toThrow(
      /read \/no\/such: is not there; install/,
    );
    await expect(ensureImage(recipe('/bin/sh'), images)).rejects.toThrow(/\/bin\/sh: is not static/);
  });

  test('is refused when a package name is an option', async () => {
    const recipe = { name: 'fly-test/y', layers: [{ packages: ['--help'] }], defaults: {} };
    await expect(ensureImage(recipe, images)).rejects.toThrow('resolve --help: not a Debian package name');
  });
});
