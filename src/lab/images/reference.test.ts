import fc from 'fast-check';
import { expect, test } from 'vitest';
import { familiarName, parseReference, repositoryOf } from './reference.ts';

const digest = `sha256:${'0a'.repeat(32)}`;

test.each([
  ['nginx', { repository: 'docker.io/library/nginx', tag: 'latest' }],
  ['nginx:1.25', { repository: 'docker.io/library/nginx', tag: '1.25' }],
  ['docker.io/busybox:1.36', { repository: 'docker.io/library/busybox', tag: '1.36' }],
  ['index.docker.io/library/busybox', { repository: 'docker.io/library/busybox', tag: 'latest' }],
  ['nicolaka/netshoot', { repository: 'docker.io/nicolaka/netshoot', tag: 'latest' }],
  ['localhost/flyover/toolbox', { repository: 'localhost/flyover/toolbox', tag: 'latest' }],
  ['localhost:5000/a:1', { repository: 'localhost:5000/a', tag: '1' }],
  ['MCR.microsoft.com/oss/v2/x_y:v1', { repository: 'mcr.microsoft.com/oss/v2/x_y', tag: 'v1' }],
  [`ghcr.io/a/b@${digest}`, { repository: 'ghcr.io/a/b', digest }],
  [`ghcr.io/a/b:2@${digest}`, { repository: 'ghcr.io/a/b', tag: '2', digest }],
])('%s is read', (text, expected) => {
  expect(parseReference(text)).toEqual(expected);
});

test.each([
  '',
  'Nginx',
  'a//b',
  '/a',
  'a/',
  'a:',
  'a:b c',
  'a@sha256:1',
  '../a',
  'a/../b',
  '-a',
  'a..b',
  'a:.x',
])('%o is refused by its name', (text) => {
  expect(() => parseReference(text, 'NAME')).toThrow(/^NAME '.*' is not a name of an image; write/);
});

test('what is accepted never leaves the folder that it is stored below, and stays what it is', () => {
  const name = fc.string({ unit: fc.constantFrom(...'ab1./_-:@'), maxLength: 30 });
  fc.assert(
    fc.property(name, (text) => {
      const repository = repositoryOf(text);
      if (repository === undefined) return;
      expect(repository.split('/').some((part) => /^\.|^_|^$/.test(part))).toBe(false);
      expect(repositoryOf(repository)).toBe(repository);
      expect(repositoryOf(familiarName(repository))).toBe(repository);
    }),
    { numRuns: 2000 },
  );
});
