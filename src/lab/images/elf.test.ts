import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { elfNeeds } from './elf.ts';

test('a dynamic program names its libraries and its linker', () => {
  const needs = elfNeeds(readFileSync('/bin/sh'));
  expect(needs?.libraries).toContain('libc.so.6');
  expect(needs?.interpreter).toMatch(/^\/lib.*\/ld-linux.*\.so\.\d$/);
});

test('a static program needs nothing, and text is no program', () => {
  expect(elfNeeds(readFileSync('/usr/bin/catatonit'))).toEqual({ libraries: [] });
  expect(elfNeeds(Buffer.from('#!/bin/sh\n'.padEnd(100)))).toBeUndefined();
});

test('damaged files are no error', () => {
  const sound = readFileSync('/bin/sh').subarray(0, 4096);
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(1023), fc.nat(255))), fc.nat(4096), (changes, length) => {
      const damaged = Buffer.from(sound.subarray(0, length));
      for (const [at, value] of changes) if (at >= 6 && at < length) damaged[at] = value;
      const needs = elfNeeds(damaged);
      expect(needs === undefined || Array.isArray(needs.libraries)).toBe(true);
    }),
  );
});
