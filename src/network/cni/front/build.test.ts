import { mkdtempSync, readFileSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { blockScopesToVar, buildFront } from '../../../../scripts/build-front.ts';

let front: string;

beforeAll(async () => {
  front = (await buildFront(join(import.meta.dirname, '../../../../dist/cni'))).path;
}, 120_000);

describe('build', () => {
  test('makes a static executable', () => {
    const head = readFileSync(front);
    expect(head.subarray(0, 4)).toEqual(Buffer.from('\x7fELF', 'latin1'));
    expect(head.includes('/ld-linux') || head.includes('/ld-musl')).toBe(false);
    expect(head.length).toBeLessThan(2_000_000);
  });

  test('does nothing when nothing changed', async () => {
    expect(await buildFront(dirname(front))).toEqual({ path: front, built: false });
  });

  test('names the packages that are missing', async () => {
    const home = mkdtempSync(join(tmpdir(), 'fly-test-build-'));
    const path = process.env.PATH;
    process.env.PATH = home;
    try {
      await expect(buildFront(home)).rejects.toThrow(
        /gcc is not on PATH.*apt-get install -y --no-install-recommends gcc libc6-dev/,
      );
    } finally {
      process.env.PATH = path;
      rmdirSync(home);
    }
  });
});

test('declarations become var, each with a value, and texts stay', () => {
  expect(
    blockScopesToVar('let a;const b = "let c;";for (let i = 0; ; ) {} /* const d */ \'let e\'; letter = 1;'),
  ).toBe('var a = void 0;var b = "let c;";for (var i = 0; ; ) {} /* const d */ \'let e\'; letter = 1;');
  expect(() => blockScopesToVar('let a, b = 1;')).toThrow(/"a" and more at once/);
});
