import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import * as libc from './libc.ts';
import {
  createNamespace,
  deleteNamespace,
  inNamespace,
  namespaceExists,
  namespaceId,
  setNetSysctl,
} from './netns.ts';
import { TestNamespaces } from './test-namespaces.ts';

const spaces = new TestNamespaces();
afterAll(() => spaces.cleanup());

const here = (): number => statSync('/proc/thread-self/ns/net').ino;
const links = (): string[] =>
  readFileSync('/proc/thread-self/net/dev', 'utf8')
    .split('\n')
    .slice(2)
    .filter((line) => line !== '')
    .map((line) => line.slice(0, line.indexOf(':')).trim());

describe('namespaces', () => {
  test('a new one is empty, and this thread is where it was', () => {
    const before = here();
    const path = spaces.make('fresh');
    expect(here()).toBe(before);
    expect(namespaceExists(path)).toBe(true);
    expect(namespaceId(path)).not.toBe(before);
    expect(inNamespace(path, links)).toEqual(['lo']);
  });

  test('the body runs inside, and only the body', () => {
    const path = spaces.make('body');
    const before = here();
    expect(inNamespace(path, here)).toBe(namespaceId(path));
    expect(here()).toBe(before);
    expect(() =>
      inNamespace(path, () => {
        throw new Error('from the body');
      }),
    ).toThrow('from the body');
    expect(here()).toBe(before);
  });

  test('one inside another comes back to the outer one', () => {
    const [outer, inner] = [spaces.make('outer'), spaces.make('inner')];
    const seen = inNamespace(outer, () => [here(), inNamespace(inner, here), here()]);
    expect(seen).toEqual([namespaceId(outer), namespaceId(inner), namespaceId(outer)]);
  });

  test('an asynchronous body is refused: it would go on in the wrong place', () => {
    const path = spaces.make('async');
    const before = here();
    expect(() => inNamespace(path, async () => {})).toThrow(TypeError);
    expect(here()).toBe(before);
  });

  test('descriptors do not leak', () => {
    const path = spaces.make('leak');
    const before = libc.open('/dev/null');
    libc.close(before);
    for (let i = 0; i < 100; i++) inNamespace(path, here);
    const after = libc.open('/dev/null');
    libc.close(after);
    expect(after).toBe(before);
  });

  test('no namespace, no file: ENOENT; a file of another kind: EINVAL', () => {
    expect(() => inNamespace(join(spaces.folder, 'none'), here)).toThrow(/open .*none: ENOENT/);
    const file = join(spaces.folder, 'plain');
    writeFileSync(file, '');
    expect(namespaceExists(file)).toBe(false);
    expect(namespaceId(join(spaces.folder, 'none'))).toBeUndefined();
    expect(() => inNamespace(file, here)).toThrow(/setns .*plain: EINVAL/);
  });

  test('made twice is EEXIST; over a file that a crash left it is made', () => {
    const path = spaces.make('twice');
    const id = namespaceId(path);
    expect(() => createNamespace(path)).toThrow(/create namespace .*twice: EEXIST/);
    expect(namespaceId(path)).toBe(id);
    const left = join(spaces.folder, 'left');
    writeFileSync(left, '');
    createNamespace(left);
    expect(namespaceExists(left)).toBe(true);
  });

  test('deleting again and again succeeds, and takes what is stacked there', () => {
    const path = spaces.make('stacked');
    libc.mount('/proc/self/ns/net', path, null, libc.MS_BIND);
    expect(namespaceId(path)).toBe(here());
    deleteNamespace(path);
    expect(existsSync(path)).toBe(false);
    deleteNamespace(path);
  });

  test('sysctls are written inside', () => {
    const path = spaces.make('sysctl');
    const read = (): string => readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim();
    const before = read();
    setNetSysctl(path, 'ipv4/ip_forward', 1);
    expect(inNamespace(path, read)).toBe('1');
    setNetSysctl(path, 'ipv4/ip_forward', 0);
    expect(inNamespace(path, read)).toBe('0');
    expect(read()).toBe(before);
  });
});
