import { describe, expect, test } from 'vitest';
import { parseUris } from './apt.ts';
import { normalizedName } from './name.ts';
import {
  addDirectory,
  addFile,
  addLink,
  addParents,
  isSame,
  isUseless,
  mergedPath,
  resolveEntry,
  type Tree,
} from './tree.ts';

test('paths stand where a merged /usr has them', () => {
  expect(
    ['./', '.', '/', './bin/sh', '/lib64', 'lib/x/y/', './usr/bin/a', 'libexec/x'].map(mergedPath),
  ).toEqual(['', '', '', 'usr/bin/sh', 'usr/lib64', 'usr/lib/x/y', 'usr/bin/a', 'libexec/x']);
});

test('documentation stays out, programs do not', () => {
  for (const path of [
    'usr/share/doc/x/copyright',
    'usr/share/man',
    'usr/lib/x86_64-linux-gnu/gconv/A.so',
    'usr/lib/systemd/system/x',
  ]) {
    expect(isUseless(path), path).toBe(true);
  }
  for (const path of ['usr/bin/man', 'usr/share/docs', 'etc/iproute2/rt_tables', 'usr/lib/x/libc.so.6']) {
    expect(isUseless(path), path).toBe(false);
  }
});

test('links are followed within the tree', () => {
  const tree: Tree = new Map();
  addFile(tree, 'usr/lib/a/liba.so.1.2', 'x');
  addLink(tree, 'usr/lib/a/liba.so.1', 'liba.so.1.2');
  addLink(tree, 'usr/lib/liba.so', '/lib/a/../a/liba.so.1');
  addLink(tree, 'usr/loop', 'loop');
  addLink(tree, 'usr/nowhere', '../../..');
  expect(resolveEntry(tree, 'lib/liba.so')?.path).toBe('usr/lib/a/liba.so.1.2');
  expect(resolveEntry(tree, 'usr/loop')).toBeUndefined();
  expect(resolveEntry(tree, 'usr/nowhere')).toBeUndefined();
  addParents(tree);
  expect(tree.get('usr/lib/a')).toEqual({ path: 'usr/lib/a', type: 'directory', mode: 0o755 });
});

test('entries are the same when a layer could not tell them apart', () => {
  const tree: Tree = new Map();
  addFile(tree, 'a', 'x');
  addFile(tree, 'b', 'x');
  addFile(tree, 'c', 'y');
  addDirectory(tree, 'd');
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((path) => tree.get(path)!);
  expect([isSame(a, b!), isSame(a, c!), isSame(a, d!), isSame(undefined, a!), isSame(d, d!)]).toEqual([
    true,
    false,
    false,
    false,
    true,
  ]);
});

describe('names of images', () => {
  test('get the host and the tag that they lack', () => {
    expect(normalizedName('debian')).toBe('localhost/debian:latest');
    expect(normalizedName('flyover/toolbox')).toBe('localhost/flyover/toolbox:latest');
    expect(normalizedName('flyover/pause:1')).toBe('localhost/flyover/pause:1');
    for (const whole of [
      'example.test/a:1',
      'localhost/a:1',
      'localhost:5000/a:1',
      'example.test/a@sha256:00',
    ]) {
      expect(normalizedName(whole)).toBe(whole);
    }
    expect(normalizedName('localhost:5000/a')).toBe('localhost:5000/a:latest');
  });
});

test("apt's list of files is read, and nothing else in it", () => {
  expect(
    parseUris(
      "'http://x.test/pool/libc6_2.36_amd64.deb' libc6_2.36_amd64.deb 2759320 SHA256:00\n" +
        "'http://x.test/a' tar_1%3a1.34_amd64.deb 5 \n" +
        "'http://x.test/evil' ../evil.deb 5 SHA256:0\nW: some warning\n",
    ),
  ).toEqual([
    { file: 'libc6_2.36_amd64.deb', size: 2759320 },
    { file: 'tar_1%3a1.34_amd64.deb', size: 5 },
  ]);
});
