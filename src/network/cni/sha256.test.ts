import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sha256Ascii } from './sha256.ts';
import { spoolName } from './spool-name.ts';

const reference = (text: string) => createHash('sha256').update(text, 'ascii').digest('hex');

test('agrees with OpenSSL around the block borders', () => {
  for (const length of [0, 1, 54, 55, 56, 57, 63, 64, 65, 118, 119, 120, 127, 128, 216]) {
    expect(sha256Ascii('q'.repeat(length))).toBe(reference('q'.repeat(length)));
  }
});

test('agrees with OpenSSL on any ASCII text', () => {
  const ascii = fc.string({ unit: 'binary-ascii', maxLength: 300 });
  fc.assert(fc.property(ascii, (text) => sha256Ascii(text) === reference(text)));
});

test('names a spool file by container and interface', () => {
  expect(spoolName({ containerId: 'abc', ifName: 'eth0' })).toBe(`${reference('abc/eth0')}.json`);
  expect(spoolName({ containerId: 'abc', ifName: 'eth1' })).not.toBe(
    spoolName({ containerId: 'abc', ifName: 'eth0' }),
  );
});
