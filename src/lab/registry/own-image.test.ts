import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { recipeOf, wordsOf } from './own-image.ts';

const folder = mkdtempSync(join(tmpdir(), 'fly-test-own-'));
beforeAll(() => {
  mkdirSync(join(folder, 'site/css'), { recursive: true });
  writeFileSync(join(folder, 'site/index.html'), 'x');
  writeFileSync(join(folder, 'site/css/a.css'), 'x');
});
afterAll(() => rmSync(folder, { recursive: true }));

const plain = { name: 'shop', packages: [], env: [], files: [] };

describe('a command', () => {
  test.each([
    ['nginx -g "daemon off;"', ['nginx', '-g', 'daemon off;']],
    [`sh -c 'echo "$HOME"; exit'`, ['sh', '-c', 'echo "$HOME"; exit']],
    ['a\\ b "c\\"d" e"f"\'g\' ""', ['a b', 'c"d', 'efg', '']],
    ['["a b", ""]', ['a b', '']],
    ['  one  ', ['one']],
  ])('%s is taken apart', (text, words) => {
    expect(wordsOf(text, '--command')).toEqual(words);
  });

  test.each([
    ['a "b', /^--command 'a "b' has a quote without its end/],
    ["'", /has a quote without its end/],
    ['', /has no words/],
    ['[1]', /is not a JSON list of words/],
    ['[', /is not a JSON list of words/],
  ])('%o is refused', (text, said) => {
    expect(() => wordsOf(text, '--command')).toThrow(said);
  });

  test('of any words comes back when they are quoted', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme' }), { minLength: 1 }), (words) => {
        const quoted = words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
        expect(wordsOf(quoted, 'x')).toEqual(words);
        expect(wordsOf(JSON.stringify(words), 'x')).toEqual(words);
      }),
    );
  });
});

describe('an image of a user', () => {
  test('takes folders whole, and has a shell and a path', () => {
    const files = [`${join(folder, 'site')}:/srv/www/`, `${join(folder, 'site')}/../site/index.html:/bin/x`];
    expect(() => recipeOf({ ...plain, files })).toThrow(/a second time; take each file once/);
    const recipe = recipeOf({
      ...plain,
      name: 'shop:2',
      packages: ['nginx'],
      env: ['A=b=c'],
      files: files.slice(0, 1),
    });
    expect(recipe).toMatchObject({
      name: 'docker.io/library/shop:2',
      repository: 'docker.io/library/shop',
      tag: '2',
      defaults: { command: ['sh'], env: [expect.stringMatching(/^PATH=/), 'A=b=c'] },
    });
    expect(recipe.layers[1]).toEqual({
      packages: ['nginx'],
      hostFiles: {
        [join(folder, 'site/index.html')]: 'srv/www/index.html',
        [join(folder, 'site/css/a.css')]: 'srv/www/css/a.css',
      },
    });
    expect(recipeOf({ ...plain, entrypoint: ['a'], env: ['PATH=/x'] }).defaults).toEqual({
      entrypoint: ['a'],
      env: ['PATH=/x'],
    });
  });

  test.each([
    [{ name: 'Shop' }, /^NAME 'Shop' is not a name of an image/],
    [{ name: `shop@sha256:${'0'.repeat(64)}` }, /^NAME .* has a digest/],
    [{ packages: ['--help'] }, /^--packages '--help' is not a name of a Debian package/],
    [{ env: ['A'] }, /^--env 'A' is not NAME=VALUE/],
    [{ files: ['/etc/hosts'] }, /^--file '\/etc\/hosts' does not say where it goes; write HOST:TARGET/],
    [{ files: ['/etc/hosts:etc'] }, /does not say where it goes/],
    [{ files: ['/etc/hosts:/../..'] }, /does not say where it goes/],
    [{ files: ['/no/such:/x'] }, /^--file .* names \/no\/such, which is not there/],
  ])('%o is refused', (change, said) => {
    expect(() => recipeOf({ ...plain, ...change })).toThrow(said);
  });
});
